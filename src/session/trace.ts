// Whoever watches what happens to clients and messages. While nobody does, `Tracing.trace` is null, and that is all it costs:
// one comparison for each packet.

import type { Message } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import type { Connection } from './connection.ts';
import type { OutboundMessage } from './outbound-message.ts';
import type { Session } from './session.ts';

/** Told of each event as it happens. Messages may be borrowed: nothing of them is kept. Never throws. */
export interface Trace {
  connected(connection: Connection, session: Session, sessionPresent: boolean): void;
  /** CONNECT was refused. */
  refused(connection: Connection, reasonCode: number, why: string): void;
  /** An accepted connection ends. */
  disconnected(connection: Connection, session: Session): void;
  /** `reasonCode`: of SUBACK. */
  subscribed(session: Session, topicFilter: string, reasonCode: number): void;
  unsubscribed(session: Session, topicFilter: string, reasonCode: number): void;
  /** A PUBLISH was taken (0), or refused. */
  published(message: Message, packetId: number, reasonCode: number): void;
  willPublished(message: Message): void;
  queued(session: Session, entry: OutboundMessage): void;
  /** It is in the client's output, or held for its commit. */
  delivered(
    clientId: string,
    message: Message,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    packetId: number,
  ): void;
  /** To its end: PUBACK, PUBCOMP, or a PUBREC that refuses. */
  acknowledged(session: Session, entry: OutboundMessage, reasonCode: number): void;
}

/** The place where it is, for all listeners. */
export class Tracing {
  trace: Trace | null = null;
}
