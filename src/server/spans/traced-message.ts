// A message that is traced, from its PUBLISH until all who get it have it: its own span, and one for each delivery. It holds
// nothing of the message's bytes.

import { clip, clipName } from '../../lib/clip.ts';
import type { Message } from '../../protocol/message.ts';
import type { QoS } from '../../protocol/packet.ts';
import { type Attributes, Span, SpanKind } from './span.ts';
import type { SpanIds } from './span-ids.ts';
import type { TraceContext } from './trace-context.ts';

/** A client that acknowledges nothing is sent the same again with each connection. */
const EVENTS_MAX = 16;
/** Characters of a topic that are told. */
const TOPIC_MAX = 1_024;

/** One way to one client, that has not ended. */
export interface Delivery {
  readonly clientId: string;
  readonly qos: QoS;
  readonly span: Span;
  /** 0: it waits, or it is of QoS 0. */
  packetId: number;
}

/** Where its span belongs, and whether it was made to. */
export interface Origin {
  readonly name: 'publish' | 'will';
  readonly context: TraceContext | null;
  readonly follow: boolean;
  /** The filter that selected it; ''. */
  readonly filter: string;
  /** What must be added to monotonic milliseconds to get those of the wall clock. */
  readonly wallOffsetMs: number;
}

export class TracedMessage {
  /** Of the message, whoever has it. */
  readonly sequence: number;
  readonly publisherId: string;
  readonly topicName: string;
  readonly beganMs: number;
  readonly span: Span;
  readonly deliveries: Delivery[] = [];
  /** Deliveries that have, or had, a span; and those that have none. */
  told = 0;
  untold = 0;
  isPublished = false;
  /** A message of its topic and publisher expired while it was handed on; perhaps itself. */
  hasExpired = false;
  /** By which other numbers it is known: of copies that came from the store, of what is there. */
  readonly copies: number[] = [];
  readonly stored: number[] = [];
  readonly #filter: string;
  readonly #ids: SpanIds;
  readonly #wallOffsetMs: number;

  constructor(message: Message, origin: Origin, ids: SpanIds) {
    const { name, context, follow, filter, wallOffsetMs } = origin;
    this.sequence = message.sequence;
    this.publisherId = message.publisher?.clientId ?? '';
    this.topicName = message.topic.name;
    this.beganMs = message.receivedAtMs;
    this.#filter = filter;
    this.#ids = ids;
    this.#wallOffsetMs = wallOffsetMs;
    const parent = follow && context?.isSampled === true ? context : null;
    const fields = {
      ...{ name: this.#nameOf(name), kind: SpanKind.Consumer },
      ...{ traceId: parent?.traceId ?? ids.traceId(), spanId: ids.spanId() },
      ...{ parentSpanId: parent?.spanId ?? null, isParentRemote: parent !== null },
      traceState: parent?.traceState ?? '',
    };
    const attributes = {
      ...this.#common(name, 'receive', this.publisherId),
      'messaging.message.body.size': message.payloadLength,
      ...{ 'mqtt.qos': message.qos, 'mqtt.retain': message.retain },
    };
    this.span = new Span(fields, this.wallMs(this.beganMs), attributes);
    if (parent === null && context !== null) {
      this.span.link = { traceId: context.traceId, spanId: context.spanId };
    }
  }

  wallMs(monotonicMs: number): number {
    return monotonicMs + this.#wallOffsetMs;
  }

  /** A child, for that client. */
  deliver(clientId: string, qos: QoS, nowMs: number): Delivery {
    const { traceId, spanId, traceState } = this.span;
    const fields = {
      ...{ name: this.#nameOf('deliver'), kind: SpanKind.Producer },
      ...{ traceId, spanId: this.#ids.spanId(), traceState },
      ...{ parentSpanId: spanId, isParentRemote: false },
    };
    const attributes = this.#common('deliver', 'send', clientId);
    const span = new Span(fields, this.wallMs(nowMs), attributes);
    return { clientId, qos, span, packetId: 0 };
  }

  note({ span }: Delivery, event: string, nowMs: number): void {
    if (span.events.length < EVENTS_MAX)
      span.events.push({ name: event, atMs: this.wallMs(nowMs) });
  }

  /** Topics may be as many as devices, so no name has one; the operator's own filter is one of few. */
  #nameOf(operation: string): string {
    return this.#filter === '' ? operation : `${operation} ${this.#filter}`;
  }

  /** By the semantic conventions of OpenTelemetry for messaging. */
  #common(operation: string, type: string, clientId: string): Attributes {
    const attributes: Attributes = {
      'messaging.system': 'mqtt',
      'messaging.operation.name': operation,
      'messaging.operation.type': type,
      'messaging.destination.name': clip(this.topicName, TOPIC_MAX),
    };
    if (this.#filter !== '') attributes['messaging.destination.template'] = this.#filter;
    attributes['messaging.client.id'] = clipName(clientId);
    return attributes;
  }
}
