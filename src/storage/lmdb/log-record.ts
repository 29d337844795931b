// A record of the log: one message, and all sessions that it is for. While its batch gathers it is a list of targets; as bytes
// the targets are sorted and all of one width, so that one of ten thousand is found without reading the others.
//
//   varint   number of attributes; for each: 1 byte flags and QoS, subscription identifiers, shared filter
//   1 byte   bytes of a session number (low 4 bits) and of the number of its attributes (high 4 bits)
//   varint   number of targets; for each: session number, number of its attributes
//   n        message

import type { Message } from '../../protocol/message.ts';
import type { QoS } from '../../protocol/packet.ts';
import type { StoredDelivery } from '../storage.ts';
import { readUint, textBytesMax, ValueReader, type ValueWriter } from './bytes.ts';
import { NUMBER_BYTES } from './layout.ts';
import type { SessionState } from './session-state.ts';

const RETAIN = 4;
const HAS_IDENTIFIERS = 8;
const HAS_FILTER = 16;
/** How far back a target looks for attributes that are the same as its own. */
const LOOK_BACK = 4;
const NO_IDENTIFIERS: readonly number[] = [];

/** What a delivery has of its own, beside the message. */
export interface Attributes {
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  readonly sharedFilter: string | null;
}

/** In a batch that is not durable yet. */
export class PendingRecord {
  readonly sequence: number;
  /** Encoded. */
  readonly message: Uint8Array;
  /** Once somebody has read it: all who do share it. */
  decoded: Message | null = null;
  /** Some target has gone since. */
  hasGaps = false;
  readonly #attributes: Attributes[] = [];
  readonly #sessions: SessionState[] = [];
  /** By target. */
  readonly #attributesOf: number[] = [];
  /** Sessions ask in the order in which they were added. */
  #hint = 0;

  constructor(sequence: number, message: Uint8Array) {
    this.sequence = sequence;
    this.message = message;
  }

  add(session: SessionState, delivery: StoredDelivery): void {
    this.#sessions.push(session);
    this.#attributesOf.push(this.#indexOf(delivery));
  }

  /** What it has for this session, or null. */
  find(session: number): Attributes | null {
    const sessions = this.#sessions;
    for (let i = 0; i < sessions.length; i++) {
      const at = (this.#hint + i) % sessions.length;
      if (sessions[at].number !== session) continue;
      this.#hint = at + 1;
      return this.#attributes[this.#attributesOf[at]];
    }
    return null;
  }

  /** Null when nobody wants it any more. */
  write(writer: ValueWriter, seed: number): Uint8Array | null {
    const targets = this.#liveTargets();
    if (targets.length === 0) return null;
    const attributeCount = this.#attributes.length;
    const highest = this.#sessions[targets[targets.length - 1]].number;
    const sessionBytes = bytesOf(highest);
    const attributeBytes = attributeCount === 1 ? 0 : bytesOf(attributeCount - 1);
    let bytesMax = 32 + this.message.length + targets.length * (sessionBytes + attributeBytes);
    for (const one of this.#attributes) {
      bytesMax += 32 + 8 * one.subscriptionIdentifiers.length;
      if (one.sharedFilter !== null) bytesMax += textBytesMax(one.sharedFilter);
    }
    writer.begin(bytesMax);
    writer.varint(attributeCount);
    for (const one of this.#attributes) writeAttributes(writer, one);
    writer.uint8(sessionBytes | (attributeBytes << 4));
    writer.varint(targets.length);
    for (const target of targets) {
      writer.uint(this.#sessions[target].number, sessionBytes);
      writer.uint(this.#attributesOf[target], attributeBytes);
    }
    writer.bytes(this.message);
    return writer.end(seed);
  }

  /** Those that still want it, by session number. */
  #liveTargets(): number[] {
    const sessions = this.#sessions;
    const targets: number[] = [];
    let last = 0;
    let isSorted = true;
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i];
      if (session.isDeleted || (this.hasGaps && !session.has(this.sequence))) continue;
      if (session.number < last) isSorted = false;
      last = session.number;
      targets.push(i);
    }
    return isSorted ? targets : targets.sort((a, b) => sessions[a].number - sessions[b].number);
  }

  #indexOf(delivery: StoredDelivery): number {
    const all = this.#attributes;
    const lookTo = Math.max(0, all.length - LOOK_BACK);
    for (let i = all.length - 1; i >= lookTo; i--) if (isSame(all[i], delivery)) return i;
    const { qos, retain, subscriptionIdentifiers, sharedFilter } = delivery;
    const identifiers =
      subscriptionIdentifiers.length === 0 ? NO_IDENTIFIERS : [...subscriptionIdentifiers];
    all.push({ qos, retain, subscriptionIdentifiers: identifiers, sharedFilter });
    return all.length - 1;
  }
}

/** As bytes, which it only views. Throws Error for what `write` did not write. */
export class StoredRecord {
  readonly attributes: readonly Attributes[];
  readonly targetCount: number;
  /** A view. */
  readonly message: Buffer;
  readonly #content: Buffer;
  readonly #targetsStart: number;
  readonly #sessionBytes: number;
  readonly #attributeBytes: number;

  constructor(content: Buffer) {
    const reader = new ValueReader(content);
    const attributes: Attributes[] = [];
    for (let count = reader.count(); count > 0; count--) attributes.push(readAttributes(reader));
    const widths = reader.uint8();
    this.#content = content;
    this.#sessionBytes = widths & 15;
    this.#attributeBytes = widths >> 4;
    this.attributes = attributes;
    if (this.#sessionBytes === 0 || this.#sessionBytes > NUMBER_BYTES || this.#attributeBytes > 4) {
      throw new Error('a record of the log has impossible widths');
    }
    this.targetCount = reader.count();
    this.#targetsStart = reader.skip(this.targetCount * this.#targetBytes);
    this.message = reader.rest();
  }

  get #targetBytes(): number {
    return this.#sessionBytes + this.#attributeBytes;
  }

  sessionAt(index: number): number {
    const at = this.#targetsStart + index * this.#targetBytes;
    return readUint(this.#content, at, this.#sessionBytes);
  }

  attributesAt(index: number): Attributes {
    const bytes = this.#attributeBytes;
    const at = this.#targetsStart + index * this.#targetBytes + this.#sessionBytes;
    const attributes = this.attributes[readUint(this.#content, at, bytes)];
    if (attributes === undefined) throw new Error('a record of the log lacks attributes');
    return attributes;
  }

  /** What it has for this session, or null. */
  find(session: number): Attributes | null {
    let low = 0;
    let high = this.targetCount - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.sessionAt(middle);
      if (found === session) return this.attributesAt(middle);
      if (found < session) low = middle + 1;
      else high = middle - 1;
    }
    return null;
  }
}

function isSame(attributes: Attributes, delivery: StoredDelivery): boolean {
  const identifiers = attributes.subscriptionIdentifiers;
  const others = delivery.subscriptionIdentifiers;
  if (attributes.qos !== delivery.qos || attributes.retain !== delivery.retain) return false;
  if (attributes.sharedFilter !== delivery.sharedFilter) return false;
  if (identifiers.length !== others.length) return false;
  for (let i = 0; i < others.length; i++) if (identifiers[i] !== others[i]) return false;
  return true;
}

function writeAttributes(writer: ValueWriter, attributes: Attributes): void {
  const { subscriptionIdentifiers: identifiers, sharedFilter } = attributes;
  writer.uint8(
    attributes.qos |
      (attributes.retain ? RETAIN : 0) |
      (identifiers.length > 0 ? HAS_IDENTIFIERS : 0) |
      (sharedFilter === null ? 0 : HAS_FILTER),
  );
  if (identifiers.length > 0) {
    writer.varint(identifiers.length);
    for (const identifier of identifiers) writer.varint(identifier);
  }
  if (sharedFilter !== null) writer.text(sharedFilter);
}

function readAttributes(reader: ValueReader): Attributes {
  const flags = reader.uint8();
  let subscriptionIdentifiers = NO_IDENTIFIERS;
  if (flags & HAS_IDENTIFIERS) {
    const identifiers: number[] = [];
    for (let count = reader.count(); count > 0; count--) identifiers.push(reader.varint());
    subscriptionIdentifiers = identifiers;
  }
  return {
    qos: (flags & 3) as QoS,
    retain: (flags & RETAIN) !== 0,
    subscriptionIdentifiers,
    sharedFilter: flags & HAS_FILTER ? reader.text() : null,
  };
}

/** Bytes that hold the number, at least one. */
function bytesOf(value: number): number {
  let bytes = 1;
  for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) bytes++;
  return bytes;
}
