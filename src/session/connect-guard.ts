// The contract of what watches over CONNECT: it turns away before anything is spent, and remembers who failed, who came in, and who
// took a session over. It answers at once, and those who are connected are none of its business.

import type { ConnectRequest, Refused } from '../auth/auth.ts';
import type { Logger } from '../core/logger.ts';
import type { Metrics } from '../core/metrics.ts';
import type { RefusalLog } from '../core/refusal-log.ts';
import type { ReasonCode } from '../protocol/reason-code.ts';
import type { Peer } from '../transport/stream.ts';

/** Where it keeps what outlives the process. */
export interface GuardTable {
  load(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  /** Resolves when it is durable. */
  put(key: string, value: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}

/** What the server lends it. */
export interface GuardHost {
  readonly logger: Logger;
  readonly refusalLog: RefusalLog;
  readonly metrics: Metrics;
  /** A table of the store by its name; null: nothing is stored. */
  table(name: string): GuardTable | null;
}

export interface ConnectGuard {
  /** Called once, when the store is open and before anybody can come. Rejects: the server does not start. */
  open(host: GuardHost): Promise<void>;
  /** Whether connections from there are closed before anything is read. */
  isBanned(address: string): boolean;
  /** By which ban a client of these names would be turned away, wherever it comes from; null: by none. Nothing is counted. */
  banOn(clientId: string, username: string | null): string | null;
  /**
   * A CONNECT is valid, and it is not known yet who it is: why it is turned away, or null. `about`: whom it is about by what it
   * showed since.
   */
  objection(request: ConnectRequest, about?: string): Refused | null;
  /** Whether there would be an objection by now to one that waits. */
  isUnwelcome(request: ConnectRequest): boolean;
  /** The authenticator refused it with that; `about` as above. */
  onRefused(request: ConnectRequest, reasonCode: ReasonCode, about?: string): void;
  /** The authenticator let it in; null = anonymous. It may still be turned away. */
  onAccepted(request: ConnectRequest, username: string | null): Refused | null;
  /** It is about to take its session over from a client that is connected; or it is turned away, and that one stays. */
  onTakeover(request: ConnectRequest, incumbent: Peer): Refused | null;
  /** The server stops. */
  close(): void;
}
