// What a bench is to do, and what it tells: plain values, so that neither the command line nor the output is known here.

import type { Properties, QoS } from '../../protocol/packet.ts';
import type { ClientOptions } from '../client.ts';
import type { Percentiles } from './latency.ts';

/** `conn` only connects; `pairs` are a publisher and a subscriber each, with a topic of their own. */
export type BenchKind = 'conn' | 'pub' | 'sub' | 'pairs';

/** As which end of a pair, or of what there is only one kind of. */
export type BenchRole = 'publisher' | 'subscriber' | 'idle';

export interface BenchPlan {
  readonly kind: BenchKind;
  /** Of pairs: so many pairs. */
  readonly clients: number;
  /** The number of the first client. */
  readonly firstNumber: number;
  /** null: as fast as they come about. */
  readonly connectionsPerSecond: number | null;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly payloadBytes: number;
  /** v5 */
  readonly publishProperties: Properties;
  /** v5 */
  readonly subscribeProperties: Properties;
  /** Of all publishers together; null: each as fast as it may. */
  readonly messagesPerSecond: number | null;
  /** Sent by all together, or of `sub` received; null: without end. */
  readonly messages: number | null;
  /** From when all are connected; null: without end. */
  readonly durationMs: number | null;
  /** When nothing more comes for so long, what is missing is not waited for. */
  readonly patienceMs: number;
  clientOf(number: number, role: BenchRole): ClientOptions;
  topicOf(number: number): string;
}

/** What went wrong for a client or a message. Without a packet: no connection came about, or it broke. */
export type Fault =
  | {
      readonly packet: 'CONNACK' | 'SUBACK' | 'PUBACK' | 'DISCONNECT';
      readonly reasonCode: number;
      readonly message: string;
    }
  | { readonly packet: null; readonly message: string };

export interface CountedFault {
  readonly fault: Fault;
  readonly count: number;
}

export type BenchPhase = 'connecting' | 'running' | 'draining';

export interface IntervalReport {
  readonly phase: BenchPhase;
  /** Since the start. */
  readonly seconds: number;
  readonly connected: number;
  readonly failed: number;
  readonly lostConnections: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly received: number;
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  /** End to end; null: no message of the interval had a time in it. */
  readonly latencyMs: Percentiles | null;
  /** From PUBLISH to PUBACK or PUBCOMP. */
  readonly acknowledgementMs: Percentiles | null;
  /** How much of the time this process was busy, 0 to 1. */
  readonly busy: number;
}

export interface BenchSummary {
  readonly kind: BenchKind;
  /** It is as it should be: everybody connected and stayed, and nothing was lost, refused, or out of order. */
  readonly isClean: boolean;
  /** From when all were connected until the last message was sent. */
  readonly seconds: number;
  readonly connections: number;
  readonly failed: number;
  readonly lostConnections: number;
  readonly sent: number;
  /** Due at the rate that was asked for, and not sent: the server let no more in, or their publishers were gone. */
  readonly unsent: number;
  readonly acknowledged: number;
  /** Sent, and neither acknowledged nor refused at the end. */
  readonly unacknowledged: number;
  readonly refused: number;
  readonly received: number;
  /** Not received though sent and not refused; of `sub`: the numbers between that did not come. */
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  /** Received, but not of this bench, or of more publishers than are remembered: only counted. */
  readonly unnumbered: number;
  readonly sentPerSecond: number;
  readonly receivedPerSecond: number;
  readonly sentBytesPerSecond: number;
  readonly receivedBytesPerSecond: number;
  readonly latencyMs: Percentiles | null;
  readonly acknowledgementMs: Percentiles | null;
  /** Until CONNACK, with TCP, TLS and WebSocket. */
  readonly connectMs: Percentiles | null;
  /** Of `seconds`. */
  readonly busy: number;
  readonly faults: readonly CountedFault[];
}

export interface BenchEvents {
  /** The first of its kind. */
  onFault(fault: Fault): void;
  /** Once a second. */
  onInterval(report: IntervalReport): void;
}
