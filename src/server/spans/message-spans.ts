// Makes spans of what happens to the messages that operators want to see: one from the PUBLISH until its publisher is told that
// it was taken, and a child of it for each client. It watches like any other trace; what is over goes to the exporter. It is
// bounded in spans a second, in those that are unfinished, in those of one message, and in time.

import { DROP_REASON_NAMES, DropReason } from '../../core/drop.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import { Timer, type TimerOwner } from '../../lib/timer-wheel.ts';
import type { Message } from '../../protocol/message.ts';
import type { QoS } from '../../protocol/packet.ts';
import type { Context } from '../../session/context.ts';
import type { OutboundMessage } from '../../session/outbound-message.ts';
import type { Session } from '../../session/session.ts';
import type { Trace } from '../../session/trace.ts';
import type { SpanCounts, TracingOptions } from './options.ts';
import type { Selection } from './selection.ts';
import type { Span } from './span.ts';
import type { SpanIds } from './span-ids.ts';
import { traceContextOf } from './trace-context.ts';
import { type Delivery, TracedMessage } from './traced-message.ts';

/** Spans that are not over; beyond, the oldest are told as they are: one client that is away must not end all tracing. */
const OPEN_MAX = 10_000;
/** Deliveries of one message that have a span each. */
const DELIVERIES_MAX = 100;
/** A delivery that is not over by then is told as it is: no collector waits for a client that may be away for weeks. */
const OPEN_MS = 300_000;
const SWEEP_MS = 1_000;
const DROP_REASON = 'iothub.drop.reason';
/** Times that one message may come back from the store and be known. */
const COPIES_MAX = 200;

export interface MessageSpansParts {
  readonly context: Context;
  readonly options: Pick<TracingOptions, 'follow' | 'spansPerSecondMax'>;
  readonly selection: Selection;
  readonly ids: SpanIds;
  readonly counts: SpanCounts;
  /** Takes a span that is over. */
  readonly take: (span: Span) => void;
}

export class MessageSpans implements Trace, TimerOwner {
  readonly #parts: MessageSpansParts;
  readonly #bucket: TokenBucket;
  readonly #timer = new Timer(this);
  /** Those that are not over, oldest first; and by the numbers of their copies, and in the store. */
  readonly #messages = new Map<number, TracedMessage>();
  readonly #copies = new Map<number, TracedMessage>();
  readonly #stored = new Map<number, TracedMessage>();
  /** It is being handed on, or refused, right now. */
  #current: TracedMessage | null = null;
  /** They were handed on; their publishers are told so when the batch is durable. */
  #uncommitted: { readonly traced: TracedMessage; readonly commit: number }[] = [];
  #isHolder = false;
  #open = 0;

  constructor(parts: MessageSpansParts) {
    this.#parts = parts;
    const { spansPerSecondMax } = parts.options;
    const nowMs = parts.context.clock.now();
    this.#bucket = new TokenBucket(spansPerSecondMax, spansPerSecondMax, nowMs);
  }

  published(message: Message, _packetId: number, reasonCode: number): void {
    this.#begin('publish', message);
    if (this.#current === null || reasonCode < 0x80) return;
    this.#current.span.attributes['mqtt.reason_code'] = reasonCode;
    this.#current.span.error = 'refused'; // why is said by onDrop, which follows
  }

  willPublished(message: Message): void {
    this.#begin('will', message);
  }

  routed({ sequence }: Message, subscribers: number, commit: number): void {
    this.#current = null;
    const traced = this.#messages.get(sequence);
    if (traced === undefined) return;
    const { clock, commits } = this.#parts.context;
    traced.span.attributes['iothub.subscribers'] = subscribers;
    if (subscribers === 0 && traced.hasExpired) traced.span.attributes[DROP_REASON] = 'expired';
    if (commits === null || commit <= commits.durable) {
      this.#endPublish(traced);
      return;
    }
    traced.span.events.push({ name: 'routed', atMs: traced.wallMs(clock.now()) });
    this.#uncommitted.push({ traced, commit });
    this.#waitForCommit();
  }

  /** Of `Commits`: what waited for that batch has been promised. */
  onDurable(durable: number): void {
    this.#isHolder = false;
    const over = this.#uncommitted.filter(({ commit }) => commit <= durable);
    this.#uncommitted = this.#uncommitted.filter(({ commit }) => commit > durable);
    for (const { traced } of over) this.#endPublish(traced);
    if (this.#uncommitted.length > 0) this.#waitForCommit();
  }

  queued({ clientId }: Session, { message, qos, sequence }: OutboundMessage): void {
    const traced = this.#find(message);
    const delivery = traced === null ? null : this.#beginDelivery(traced, clientId, qos);
    if (traced === null || delivery === null) return;
    delivery.span.attributes['mqtt.qos'] = qos;
    traced.note(delivery, 'queued', this.#parts.context.clock.now());
    if (sequence === 0 || this.#stored.get(sequence) === traced) return;
    traced.stored.push(sequence);
    this.#stored.set(sequence, traced);
  }

  loaded(_session: Session, { message, sequence }: OutboundMessage): void {
    const traced = this.#stored.get(sequence);
    if (traced === undefined || traced.copies.length >= COPIES_MAX) return;
    traced.copies.push(message.sequence);
    this.#copies.set(message.sequence, traced);
  }

  delivered(
    clientId: string,
    message: Message,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    packetId: number,
  ): void {
    const traced = this.#find(message);
    if (traced === null) return;
    const known = waitingOf(traced, clientId, { qos, packetId });
    const delivery = known ?? this.#beginDelivery(traced, clientId, qos);
    if (delivery === null) return;
    delivery.packetId = packetId;
    delivery.span.attributes['mqtt.qos'] = qos;
    delivery.span.attributes['mqtt.retain'] = retain;
    traced.note(delivery, dup ? 'sent again' : 'sent', this.#parts.context.clock.now());
    if (qos === 0) this.#endDelivery(traced, delivery, 'sent');
  }

  acknowledged({ clientId }: Session, entry: OutboundMessage, reasonCode: number): void {
    this.#end(clientId, entry, (traced, delivery) => {
      if (reasonCode >= 0x80) this.#lose(traced, delivery, DropReason.Refused);
      else this.#endDelivery(traced, delivery, 'acknowledged');
    });
  }

  moved({ clientId }: Session, entry: OutboundMessage): void {
    this.#end(clientId, entry, (traced, delivery) => this.#endDelivery(traced, delivery, 'moved'));
  }

  lost({ clientId }: Session, message: Message, reason: DropReason, entry?: OutboundMessage): void {
    const traced = this.#find(message);
    if (traced === null || reason === DropReason.Refused) return; // which `acknowledged` tells
    const known = entry === undefined ? undefined : waitingOf(traced, clientId, entry);
    const delivery = known ?? this.#beginDelivery(traced, clientId, entry?.qos ?? 0);
    if (delivery !== null) this.#lose(traced, delivery, reason);
  }

  lostStored({ clientId }: Session, sequence: number, reason: DropReason): void {
    const traced = this.#stored.get(sequence);
    const delivery = traced?.deliveries.find(
      (one) => one.clientId === clientId && one.packetId === 0,
    );
    if (traced !== undefined && delivery !== undefined) this.#lose(traced, delivery, reason);
  }

  /** What is lost of the message being published as a whole; what one client does not get is told by `lost`. */
  onDrop(reason: DropReason, clientId: string | null, topicName: string): void {
    const traced = this.#current;
    if (traced === null || clientId !== traced.publisherId || topicName !== traced.topicName)
      return;
    // Of its publisher's own queue, too: which of the two it was is clear when it has been handed to nobody.
    if (reason === DropReason.Expired) traced.hasExpired = true;
    if (!WHOLE_LOSSES.has(reason)) return;
    const name = DROP_REASON_NAMES[reason];
    traced.span.attributes[DROP_REASON] = name;
    if (traced.span.error === null) return;
    traced.span.error = name;
    this.#current = null;
    this.#endPublish(traced);
  }

  // These are about no message.
  connected(): void {}
  refused(): void {}
  disconnected(): void {}
  subscribed(): void {}
  unsubscribed(): void {}

  onTimer(): void {
    const { clock, wheel } = this.#parts.context;
    const untilMs = clock.now() - OPEN_MS;
    for (const traced of this.#messages.values()) {
      if (traced.beganMs > untilMs) break;
      this.#giveUp(traced);
    }
    if (this.#messages.size > 0) wheel.arm(this.#timer, SWEEP_MS);
  }

  /** Whatever is not over is told as it is. */
  close(): void {
    this.#current = null;
    for (const traced of [...this.#messages.values()]) this.#giveUp(traced);
    this.#uncommitted = [];
    this.#parts.context.wheel.cancel(this.#timer);
  }

  #begin(name: 'publish' | 'will', message: Message): void {
    this.#current = null;
    const { context, ids, options, selection } = this.#parts;
    const filter = selection.filterOf(message.publisher?.clientId ?? '', message.topic.name);
    if (filter === null) return;
    const nowMs = context.clock.now();
    if (!this.#mayBegin(nowMs, null)) return;
    const origin = {
      ...{ name, filter, follow: options.follow, context: traceContextOf(message) },
      wallOffsetMs: context.clock.wallNow() - nowMs,
    };
    const traced = new TracedMessage(message, origin, ids);
    this.#current = traced;
    this.#messages.set(traced.sequence, traced);
    if (!this.#timer.isArmed) context.wheel.arm(this.#timer, SWEEP_MS);
  }

  /** null: it has no span. */
  #beginDelivery(traced: TracedMessage, clientId: string, qos: QoS): Delivery | null {
    const nowMs = this.#parts.context.clock.now();
    if (traced.told >= DELIVERIES_MAX) {
      this.#parts.counts.lost.limit++;
      traced.untold++;
      return null;
    }
    if (!this.#mayBegin(nowMs, traced)) {
      traced.untold++;
      return null;
    }
    traced.told++;
    const delivery = traced.deliver(clientId, qos, nowMs);
    traced.deliveries.push(delivery);
    return delivery;
  }

  /** Whether there may be one more, of that message; it is then. */
  #mayBegin(nowMs: number, of: TracedMessage | null): boolean {
    if (!this.#bucket.has(1, nowMs)) {
      this.#parts.counts.lost.rate++;
      return false;
    }
    this.#bucket.take(1);
    if (this.#open >= OPEN_MAX) this.#giveUpOldest(of);
    this.#open++;
    return true;
  }

  /** `but`: not this one, which may be old and moves to another client. */
  #giveUpOldest(but: TracedMessage | null): void {
    for (const traced of this.#messages.values()) {
      if (traced === but) continue;
      this.#giveUp(traced);
      return;
    }
  }

  #find({ sequence }: Message): TracedMessage | null {
    return this.#messages.get(sequence) ?? this.#copies.get(sequence) ?? null;
  }

  #waitForCommit(): void {
    if (this.#isHolder) return;
    this.#isHolder = true;
    this.#parts.context.commits?.waitFor(this);
  }

  #end(
    clientId: string,
    entry: OutboundMessage,
    end: (traced: TracedMessage, delivery: Delivery) => void,
  ): void {
    const traced = this.#find(entry.message);
    const delivery = traced === null ? undefined : waitingOf(traced, clientId, entry);
    if (traced !== null && delivery !== undefined) end(traced, delivery);
  }

  #lose(traced: TracedMessage, delivery: Delivery, reason: DropReason): void {
    const name = DROP_REASON_NAMES[reason];
    delivery.span.attributes[DROP_REASON] = name;
    delivery.span.error = name;
    this.#endDelivery(traced, delivery, 'dropped');
  }

  #endDelivery(traced: TracedMessage, delivery: Delivery, outcome: string): void {
    traced.deliveries.splice(traced.deliveries.indexOf(delivery), 1);
    delivery.span.attributes['iothub.delivery.outcome'] = outcome;
    this.#over(traced, delivery.span);
  }

  #endPublish(traced: TracedMessage): void {
    if (traced.isPublished) return;
    traced.isPublished = true;
    if (traced.untold > 0) traced.span.attributes['iothub.deliveries.untold'] = traced.untold;
    this.#over(traced, traced.span);
  }

  #giveUp(traced: TracedMessage): void {
    for (const delivery of [...traced.deliveries])
      this.#endDelivery(traced, delivery, 'unfinished');
    this.#endPublish(traced);
  }

  #over(traced: TracedMessage, span: Span): void {
    this.#open--;
    span.endMs = Math.max(span.startMs, traced.wallMs(this.#parts.context.clock.now()));
    if (span.error !== null) span.attributes['error.type'] = span.error;
    this.#parts.take(span);
    if (!traced.isPublished || traced.deliveries.length > 0) return;
    this.#messages.delete(traced.sequence);
    for (const sequence of traced.copies) this.#copies.delete(sequence);
    for (const sequence of traced.stored) this.#stored.delete(sequence);
  }
}

/** Of the message as it was published, for everybody; all other losses are one client's. */
const WHOLE_LOSSES: ReadonlySet<DropReason> = new Set([
  DropReason.NoSubscriber,
  DropReason.NoLocal,
  DropReason.NoSharedMember,
  DropReason.NotAuthorized,
  DropReason.RetainedLimit,
  DropReason.StoreFailing,
  DropReason.Limit,
  DropReason.Quota,
]);

/** A delivery to that client, of that QoS, that has this packet id, or none yet: two subscriptions may bring it one each. */
function waitingOf(
  { deliveries }: TracedMessage,
  clientId: string,
  { qos, packetId }: Pick<OutboundMessage, 'qos' | 'packetId'>,
): Delivery | undefined {
  const ofClient = deliveries.filter((one) => one.clientId === clientId && one.qos === qos);
  return (
    ofClient.find((one) => one.packetId === packetId) ?? ofClient.find((one) => one.packetId === 0)
  );
}
