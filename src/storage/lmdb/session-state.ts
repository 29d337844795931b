// What the store keeps in memory of a session: the numbers of what is queued, and what its one small record says. Everything up
// to the cursor has left the queue, so that most of the time no more than that is written: a record of the log counts for a
// session while it is in flight, or past the cursor and not a hole. Holes are what was taken from the middle of the queue
// while others still want the message.

import { DeliveryState } from '../storage.ts';
import { ValueReader, type ValueWriter } from './bytes.ts';
import { Sequences, search } from './sequences.ts';

/** What a state record says; ascending, the packet ids and states beside. */
export interface StateRecord {
  readonly cursor: number;
  readonly inflight: readonly number[];
  readonly packets: readonly number[];
  readonly holes: readonly number[];
  readonly inboundPacketIds: readonly number[];
}

export const EMPTY_STATE: StateRecord = {
  cursor: 0,
  inflight: [],
  packets: [],
  holes: [],
  inboundPacketIds: [],
};

/** What most sessions have of most things; never changed. */
const NONE: number[] = [];

/** A delivery that got its packet id in the batch that brings its message: if it ends in there too, nothing is written. */
const IS_NEW = 0x100_0000;

/** A packet id and its state as one number. */
export function packetOf(packetId: number, state: DeliveryState): number {
  return packetId | (state << 16);
}

export function packetIdOf(packet: number): number {
  return packet & 0xffff;
}

export function stateOf(packet: number): DeliveryState {
  return ((packet >> 16) & 3) as DeliveryState;
}

export class SessionState {
  readonly number: number;
  readonly queue = new Sequences();
  isDeleted = false;
  /** Whether there may be something of it in these tables. */
  hasRecord = false;
  hasWill = false;
  hasSubscriptions = false;
  /** The highest that it was ever given. */
  lastSequence = 0;
  /** Its record differs from the one that is written, or on its way. */
  mustWrite = false;
  /** New deliveries in flight, which would have to be written if they stayed. */
  newInflight = 0;
  #inflight = NONE;
  #packets = NONE;
  #holes = NONE;
  #inbound: Set<number> | null = null;

  constructor(number: number) {
    this.number = number;
  }

  /** Takes over what was stored. */
  restore(record: StateRecord): void {
    this.hasRecord = true;
    this.lastSequence = record.cursor;
    this.#inflight = copyOf(record.inflight);
    this.#packets = copyOf(record.packets);
    this.#holes = copyOf(record.holes);
    if (record.inboundPacketIds.length > 0) this.#inbound = new Set(record.inboundPacketIds);
  }

  get inflight(): readonly number[] {
    return this.#inflight;
  }

  get inboundPacketIds(): readonly number[] {
    return this.#inbound === null ? [] : [...this.#inbound];
  }

  get needsWrite(): boolean {
    return this.mustWrite || this.newInflight > 0;
  }

  /** The packet of a delivery in flight, or -1. */
  packet(sequence: number): number {
    const place = search(this.#inflight, sequence, 0);
    return place < 0 ? -1 : this.#packets[place];
  }

  has(sequence: number): boolean {
    return search(this.#inflight, sequence, 0) >= 0 || this.queue.has(sequence);
  }

  /** Finds its queue again, record by record of the log, in their order. False when the record does not count. */
  restoreQueued(sequence: number): boolean {
    if (sequence <= this.lastSequence || search(this.#holes, sequence, 0) >= 0) return false;
    this.push(sequence);
    return true;
  }

  /** The end of its queue. */
  push(sequence: number): void {
    this.queue.push(sequence);
    this.lastSequence = sequence;
  }

  /** It gets a packet id, or another state. False when it is not there. `isNew`: its message is not even on its way yet. */
  move(sequence: number, packet: number, isNew: boolean): boolean {
    const place = search(this.#inflight, sequence, 0);
    if (place >= 0) {
      const wasNew = this.#packets[place] & IS_NEW;
      if (wasNew === 0) this.mustWrite = true;
      this.#packets[place] = packet | wasNew;
      return true;
    }
    if (!this.queue.remove(sequence)) return false;
    const at = -1 - place;
    if (this.#inflight === NONE) {
      this.#inflight = [];
      this.#packets = [];
    }
    this.#inflight.splice(at, 0, sequence);
    this.#packets.splice(at, 0, isNew ? packet | IS_NEW : packet);
    if (isNew) this.newInflight++;
    else this.mustWrite = true;
    return true;
  }

  /** It is done. False when it is not there. */
  remove(sequence: number, isNew: boolean): boolean {
    const place = search(this.#inflight, sequence, 0);
    if (place >= 0) {
      this.#inflight.splice(place, 1);
      const [packet] = this.#packets.splice(place, 1);
      if (packet & IS_NEW) this.newInflight--;
    } else if (!this.queue.remove(sequence)) {
      return false;
    }
    if (isNew) return true;
    this.mustWrite = true;
    if (this.queue.length > 0 && sequence > this.queue.first) {
      if (this.#holes === NONE) this.#holes = [];
      const hole = search(this.#holes, sequence, 0);
      if (hole < 0) this.#holes.splice(-1 - hole, 0, sequence);
    }
    return true;
  }

  /** False when nothing changes. */
  addInbound(packetId: number): boolean {
    this.#inbound ??= new Set();
    if (this.#inbound.has(packetId)) return false;
    this.#inbound.add(packetId);
    this.mustWrite = true;
    return true;
  }

  removeInbound(packetId: number): boolean {
    if (this.#inbound === null || !this.#inbound.delete(packetId)) return false;
    if (this.#inbound.size === 0) this.#inbound = null;
    this.mustWrite = true;
    return true;
  }

  /** Forgets what is in flight, and says what it was. */
  takeInflight(): readonly number[] {
    const inflight = this.#inflight;
    this.#inflight = NONE;
    this.#packets = NONE;
    return inflight;
  }

  /** Everything was found: what is in flight has left the queue, also when it came after what is still queued. */
  finishRestore(): void {
    const last = this.#inflight.at(-1) ?? 0;
    if (last > this.lastSequence) this.lastSequence = last;
  }

  /**
   * Writes the record, which from now on is the one that is written. `isStored`: whether the log still has a message, for a
   * hole without one is none.
   */
  write(writer: ValueWriter, seed: number, isStored: (sequence: number) => boolean): Uint8Array {
    const cursor = this.queue.length > 0 ? this.queue.first - 1 : this.lastSequence;
    if (this.#holes.length > 0) {
      this.#holes = this.#holes.filter((hole) => hole > cursor && isStored(hole));
    }
    const inbound = this.#inbound;
    const inboundCount = inbound === null ? 0 : inbound.size;
    const count = this.#inflight.length;
    writer.begin(32 + 11 * count + 8 * this.#holes.length + 2 * inboundCount);
    writer.varint(cursor);
    writer.varint(count);
    let last = 0;
    for (let i = 0; i < count; i++) {
      writer.varint(this.#inflight[i] - last);
      last = this.#inflight[i];
      this.#packets[i] &= ~IS_NEW;
      writer.uint16(packetIdOf(this.#packets[i]));
      writer.uint8(stateOf(this.#packets[i]));
    }
    writer.varint(this.#holes.length);
    last = cursor;
    for (const hole of this.#holes) {
      writer.varint(hole - last);
      last = hole;
    }
    writer.varint(inboundCount);
    if (inbound !== null) for (const packetId of inbound) writer.uint16(packetId);
    this.mustWrite = false;
    this.newInflight = 0;
    this.hasRecord = true;
    return writer.end(seed);
  }
}

function copyOf(numbers: readonly number[]): number[] {
  return numbers.length === 0 ? NONE : [...numbers];
}

/** Throws Error for what `write` did not write. */
export function decodeState(content: Buffer): StateRecord {
  const reader = new ValueReader(content);
  const cursor = reader.varint();
  const inflight: number[] = [];
  const packets: number[] = [];
  let last = 0;
  for (let count = reader.count(); count > 0; count--) {
    last += reader.varint();
    inflight.push(last);
    const packetId = reader.uint16();
    const state = reader.uint8();
    if (state > DeliveryState.Released) throw new Error('a delivery has an unknown state');
    packets.push(packetOf(packetId, state as DeliveryState));
  }
  const holes: number[] = [];
  last = cursor;
  for (let count = reader.count(); count > 0; count--) {
    last += reader.varint();
    holes.push(last);
  }
  const inboundPacketIds: number[] = [];
  for (let count = reader.count(); count > 0; count--) inboundPacketIds.push(reader.uint16());
  reader.finish();
  return { cursor, inflight, packets, holes, inboundPacketIds };
}
