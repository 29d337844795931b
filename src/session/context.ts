// Everything the session layer reaches, as one object that the Server builds. No container, no injection: fields.

import type { Alarms } from '../core/alarms.ts';
import type { BufferPool } from '../core/buffer-pool.ts';
import type { Commits } from '../core/commits.ts';
import type { Drops } from '../core/drop.ts';
import type { Limits } from '../core/limits.ts';
import type { Logger, ModuleLoggers } from '../core/logger.ts';
import type { Metrics } from '../core/metrics.ts';
import type { QueueRules } from '../core/queue-rules.ts';
import type { Quotas } from '../core/quotas.ts';
import type { RefusalLog } from '../core/refusal-log.ts';
import type { Tick } from '../core/tick.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { TimerWheel } from '../lib/timer-wheel.ts';
import type { Message } from '../protocol/message.ts';
import type { Delivery } from '../protocol/publish-encoder.ts';
import type { PublishView } from '../protocol/publish-view.ts';
import type { TopicTable } from '../protocol/topic.ts';
import type { RetainedStore } from '../router/retained.ts';
import type { Router } from '../router/router.ts';
import type { Access, Authentication } from './access.ts';
import type { ConnectGuard } from './connect-guard.ts';
import type { Connection } from './connection.ts';
import type { ConnectionLog } from './connection-log.ts';
import type { DenialLog } from './denial-log.ts';
import type { Draining } from './draining.ts';
import type { DropLog } from './drop-log.ts';
import type { EncodeOnce } from './encode-once.ts';
import type { Session } from './session.ts';
import type { PendingWills } from './will.ts';

/** All sessions by client id; implemented by the server. */
export interface SessionRegistry {
  readonly size: number;
  get(clientId: string): Session | undefined;
  /** False when there are as many sessions as allowed. */
  add(session: Session): boolean;
  /** One that was there before, also past that limit. */
  restore(session: Session): void;
  remove(session: Session): void;
}

/** The listener a connection came in by; implemented by the server's Broker. */
export interface ConnectionOwner {
  /** for logs and limits */
  readonly name: string;
  /** What rules call the listener. */
  readonly ruleName: string;
  /** The listener is gone, and all who came by it are told to go. */
  readonly isClosing: boolean;
  /** CONNECT is in, and somebody is asked about its client: the connection waits for us, not we for it. */
  onAsked(connection: Connection): void;
  /** Nobody is asked about it any more. */
  onAnswered(connection: Connection): void;
  /** CONNECT was accepted: the connection is no longer half-connected. */
  onConnected(connection: Connection): void;
  /** What came is not MQTT; the reason is counted by name. */
  refuseFor(reason: string): void;
  /** The network connection is gone. */
  onClosed(connection: Connection): void;
}

export interface Context {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly wheel: TimerWheel;
  readonly tick: Tick;
  readonly pool: BufferPool;
  readonly topics: TopicTable;
  readonly router: Router;
  readonly retained: RetainedStore;
  readonly drops: Drops;
  readonly metrics: Metrics;
  /** Of sessions and their connections. */
  readonly logger: Logger;
  /** Of the other parts of the server. */
  readonly logs: ModuleLoggers;
  /** Clients that connect and disconnect, a line each. */
  readonly connectionLog: ConnectionLog;
  /** For lines that strangers cause. */
  readonly refusalLog: RefusalLog;
  readonly alarms: Alarms;
  readonly registry: SessionRegistry;
  readonly queueRules: QueueRules;
  readonly quotas: Quotas;
  readonly pendingWills: PendingWills;
  /** Of the listener. */
  readonly authentication: Authentication;
  readonly access: Access;
  readonly denials: DenialLog;
  /** null: nobody reads a log. */
  readonly dropLog: DropLog | null;
  readonly guard: ConnectGuard | null;
  readonly draining: Draining;
  /** null: nothing is stored, nothing waits. */
  readonly commits: Commits | null;
  readonly encodeOnce: EncodeOnce;
  /** Scratch objects of the message path, filled anew for each packet. */
  readonly publishView: PublishView;
  readonly message: Message;
  readonly delivery: Delivery;
}
