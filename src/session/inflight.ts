// The in-flight window: outbound QoS 1 and 2 messages that have a packet id and are not acknowledged to their end. An id finds
// its entry by its low bits: the table has at least twice as many slots as entries, and an id whose slot is taken is passed
// over, so there are no collisions, no hashing and no object but the entry itself.

import type { OutboundMessage } from './outbound-message.ts';

const CAPACITY_MIN = 16;
const PACKET_ID_MAX = 65_535;

export class Inflight {
  #slots: (OutboundMessage | null)[] = [];
  #count = 0;
  #lastPacketId = 0;
  #lastOrder = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes of the messages in it, added up when asked. */
  get bytes(): number {
    let bytes = 0;
    if (this.#count === 0) return bytes;
    for (const entry of this.#slots) if (entry !== null) bytes += entry.message.size;
    return bytes;
  }

  /** Gives `entry` a packet id that is not in use. [MQTT-2.2.1-4] The caller has checked that the window has room. */
  add(entry: OutboundMessage): void {
    if (this.#count * 2 >= this.#slots.length) this.#grow();
    const mask = this.#slots.length - 1;
    let packetId = this.#lastPacketId;
    do {
      packetId = packetId === PACKET_ID_MAX ? 1 : packetId + 1;
    } while (this.#slots[packetId & mask] !== null);
    this.#lastPacketId = packetId;
    entry.packetId = packetId;
    entry.order = ++this.#lastOrder;
    this.#slots[packetId & mask] = entry;
    this.#count++;
  }

  /** Takes in an entry that has its packet id already (from the store), in order. */
  restore(entry: OutboundMessage): void {
    while (
      this.#count * 2 >= this.#slots.length ||
      this.#slots[entry.packetId & (this.#slots.length - 1)] !== null
    ) {
      this.#grow();
    }
    entry.order = ++this.#lastOrder;
    this.#slots[entry.packetId & (this.#slots.length - 1)] = entry;
    this.#lastPacketId = entry.packetId;
    this.#count++;
  }

  get(packetId: number): OutboundMessage | null {
    if (this.#slots.length === 0) return null;
    const entry = this.#slots[packetId & (this.#slots.length - 1)];
    return entry !== null && entry.packetId === packetId ? entry : null;
  }

  remove(entry: OutboundMessage): void {
    this.#slots[entry.packetId & (this.#slots.length - 1)] = null;
    this.#count--;
  }

  /** All entries in the order in which they were first sent. */
  inOrder(): OutboundMessage[] {
    const entries: OutboundMessage[] = [];
    for (const entry of this.#slots) if (entry !== null) entries.push(entry);
    return entries.sort((a, b) => a.order - b.order);
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Array<OutboundMessage | null>(Math.max(CAPACITY_MIN, old.length * 2)).fill(
      null,
    );
    for (const entry of old) if (entry !== null) slots[entry.packetId & (slots.length - 1)] = entry;
    this.#slots = slots;
  }
}
