// An Application Message: what travels from a publisher to its subscribers. Immutable once filled. What differs per subscriber
// (QoS, retain, subscription identifiers, alias) is an argument of the encoder, never a copy. The properties that travel
// unchanged (§3.3.2.3) stay the bytes that the publisher sent, so their order survives and nothing is parsed twice.
//
// A message made from a PUBLISH is *borrowed*: its bytes lie in the read buffer. `own()` makes the one copy that all who
// keep it share.

import { copyBytes, copyView, viewOf } from './bytes.ts';
import type { QoS } from './packet.ts';
import type { PublishView } from './publish-view.ts';
import type { Topic } from './topic.ts';

/** Who published: plain values, so that a message refers to no living object. */
export interface Publisher {
  /** internal session id, `__client_<clientId>` */
  readonly sessionId: string;
  readonly clientId: string;
  readonly username: string | null;
}

const EMPTY = new Uint8Array(0);

/** `messageExpiryInterval` of a message that never expires. */
export const NO_EXPIRY = -1;

let lastSequence = 0;

/** Messages up to a part of it share one buffer: whoever keeps a small one pins no more than that. */
const SLAB_BYTES = 8_192;
const SLAB_SHARE_MAX = 2_048;
let slab: Uint8Array = EMPTY;
let slabView: DataView = viewOf(EMPTY);
let slabLength = 0;

export class Message {
  topic: Topic;
  qos: QoS;
  /** RETAIN as published */
  retain: boolean;
  /** Properties and payload lie in here. */
  bytes: Uint8Array;
  /** Raw properties that are forwarded unchanged: all but Topic Alias, Message Expiry Interval, Subscription Identifier. */
  propertiesStart: number;
  propertiesEnd: number;
  payloadStart: number;
  payloadEnd: number;
  /**
   * Where the packet that brought it has its topic, and all that follows to the end of the payload lies behind, just as a
   * subscriber of the same version and with or without a packet id gets it; or -1.
   */
  rawStart = -1;
  rawIsV5 = false;
  /** seconds, or NO_EXPIRY. MQTT 5 §3.3.2.3.3 */
  messageExpiryInterval: number;
  /** monotonic milliseconds */
  receivedAtMs: number;
  publisher: Publisher | null;
  /** Tells messages apart, for encode-once; the owned copy of a borrowed message has the same. */
  sequence = 0;
  #view: DataView | null = null;
  #isOwned: boolean;
  /** The bytes it borrows belong to its packet alone: whoever keeps it may keep them. */
  #mayAdopt = false;
  #owned: Message | null = null;

  /** Takes `bytes` over: the caller must not change them any more. */
  constructor(topic: Topic, qos: QoS, retain: boolean, bytes: Uint8Array, payloadStart: number) {
    this.topic = topic;
    this.qos = qos;
    this.retain = retain;
    this.bytes = bytes;
    this.propertiesStart = 0;
    this.propertiesEnd = payloadStart;
    this.payloadStart = payloadStart;
    this.payloadEnd = bytes.length;
    this.messageExpiryInterval = NO_EXPIRY;
    this.receivedAtMs = 0;
    this.publisher = null;
    this.#isOwned = true;
    this.sequence = ++lastSequence;
  }

  /** The view of `bytes`. */
  get view(): DataView {
    this.#view ??= viewOf(this.bytes);
    return this.#view;
  }

  get payloadLength(): number {
    return this.payloadEnd - this.payloadStart;
  }

  get propertiesLength(): number {
    return this.propertiesEnd - this.propertiesStart;
  }

  /** A view of the payload; of a borrowed message it dies with the read buffer. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  /** Bytes that the message is charged with where queues and stores are bounded: topic, properties, payload. */
  get size(): number {
    return (
      this.topic.wire.length +
      (this.propertiesEnd - this.propertiesStart) +
      (this.payloadEnd - this.payloadStart)
    );
  }

  /** Whether its bytes are its own (or its maker's, who promised not to touch them). */
  get isOwned(): boolean {
    return this.#isOwned;
  }

  /** Fills this scratch message from the PUBLISH that was just read; it is borrowed until the next one. */
  borrow(view: PublishView, topic: Topic, publisher: Publisher | null, nowMs: number): void {
    this.topic = topic;
    this.qos = view.qos;
    this.retain = view.retain;
    this.messageExpiryInterval = view.messageExpiryInterval;
    this.receivedAtMs = nowMs;
    this.publisher = publisher;
    this.#isOwned = false;
    this.#owned = null;
    this.sequence = ++lastSequence;
    this.rawStart = -1;
    this.#mayAdopt = false;
    if (view.mustStrip) {
      const forwarded = view.forwardedPropertiesLength();
      const bytes = new Uint8Array(forwarded + view.payloadEnd - view.payloadStart);
      view.copyForwardedProperties(bytes, 0);
      copyBytes(view.bytes, view.payloadStart, view.payloadEnd, bytes, forwarded);
      this.bytes = bytes;
      this.#view = null;
      this.propertiesStart = 0;
      this.propertiesEnd = forwarded;
      this.payloadStart = forwarded;
      this.payloadEnd = bytes.length;
      return;
    }
    this.bytes = view.bytes;
    this.#mayAdopt = view.isOwn;
    this.#view = view.view;
    if (view.topicEnd > view.topicStart) {
      this.rawStart = view.topicStart - 2;
      this.rawIsV5 = view.isV5;
    }
    this.propertiesStart = view.propertiesStart;
    this.propertiesEnd = view.propertiesEnd;
    this.payloadStart = view.payloadStart;
    this.payloadEnd = view.payloadEnd;
  }

  /** Lets go of borrowed bytes once everybody has been served. */
  release(): void {
    this.bytes = EMPTY;
    this.#view = null;
    this.rawStart = -1;
    this.#owned = null;
  }

  /** This message with bytes of its own: the same object if it owns them already, else one copy for all who ask. */
  own(): Message {
    if (this.#isOwned) return this;
    if (this.#owned !== null) return this.#owned;
    // All of it lies together: topic, packet id, properties, payload; or without what comes first.
    const start = this.rawStart >= 0 ? this.rawStart : this.propertiesStart;
    const length = this.payloadEnd - start;
    const isAdopted = this.#mayAdopt && length > SLAB_SHARE_MAX;
    const at = isAdopted ? start : takeFromSlab(length);
    if (!isAdopted) copyView(this.view, start, this.payloadEnd, slabView, at);
    const owned = new Message(this.topic, this.qos, this.retain, isAdopted ? this.bytes : slab, 0);
    const moved = at - start;
    owned.#view = isAdopted ? this.view : slabView;
    owned.propertiesStart = this.propertiesStart + moved;
    owned.propertiesEnd = this.propertiesEnd + moved;
    owned.payloadStart = this.payloadStart + moved;
    owned.payloadEnd = this.payloadEnd + moved;
    if (this.rawStart >= 0) {
      owned.rawStart = at;
      owned.rawIsV5 = this.rawIsV5;
    }
    owned.messageExpiryInterval = this.messageExpiryInterval;
    owned.receivedAtMs = this.receivedAtMs;
    owned.publisher = this.publisher;
    owned.sequence = this.sequence;
    this.#owned = owned;
    return owned;
  }

  /** A copy whose bytes pin no pooled slab: for what stays long, such as retained messages. */
  compact(): Message {
    const propertiesLength = this.propertiesEnd - this.propertiesStart;
    const bytes = new Uint8Array(propertiesLength + this.payloadEnd - this.payloadStart);
    copyBytes(this.bytes, this.propertiesStart, this.propertiesEnd, bytes, 0);
    copyBytes(this.bytes, this.payloadStart, this.payloadEnd, bytes, propertiesLength);
    const copy = new Message(this.topic, this.qos, this.retain, bytes, propertiesLength);
    copy.messageExpiryInterval = this.messageExpiryInterval;
    copy.receivedAtMs = this.receivedAtMs;
    copy.publisher = this.publisher;
    return copy;
  }

  /** Whether its Message Expiry Interval has passed. [MQTT-3.3.2-5] */
  isExpired(nowMs: number): boolean {
    const interval = this.messageExpiryInterval;
    return interval !== NO_EXPIRY && nowMs - this.receivedAtMs >= interval * 1_000;
  }

  /** It comes from a store whose clock was ahead for a while: it cannot have been received after now. */
  receivedAtLatest(nowMs: number): this {
    if (this.receivedAtMs > nowMs) this.receivedAtMs = nowMs;
    return this;
  }

  /** Monotonic milliseconds; infinite for a message that never expires. */
  get expiresAtMs(): number {
    const interval = this.messageExpiryInterval;
    return interval === NO_EXPIRY ? Number.POSITIVE_INFINITY : this.receivedAtMs + interval * 1_000;
  }

  /** Seconds left as a subscriber is told: the interval less the whole seconds spent waiting. [MQTT-3.3.2-6] */
  remainingExpiry(nowMs: number): number {
    const interval = this.messageExpiryInterval;
    if (interval === NO_EXPIRY) return NO_EXPIRY;
    const waited = Math.max(0, Math.floor((nowMs - this.receivedAtMs) / 1_000));
    return waited >= interval ? 0 : interval - waited;
  }
}

/** Makes room for a message of that length in `slab`; returns where. */
function takeFromSlab(length: number): number {
  if (length > SLAB_SHARE_MAX) {
    slab = Buffer.allocUnsafeSlow(length);
    slabView = viewOf(slab);
    slabLength = length;
    return 0;
  }
  if (slabLength + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    slabView = viewOf(slab);
    slabLength = 0;
  }
  const at = slabLength;
  slabLength += length;
  return at;
}
