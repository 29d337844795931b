// What a generator process does for the scenario `slow`: one publisher that is faster than any subscriber, and one subscriber that
// does not read, until at the end it is allowed to read what was kept for it.

import { encodePacket, PacketType } from '../../dist/protocol/index.js';
import { nowMs } from '../lib/monotonic.mjs';
import { Connection } from './connection.mjs';
import { Ledger } from './ledger.mjs';
import { isWhole, numberOf, payloadOf, stamp } from './payload.mjs';

const BATCH = 64;
/** QoS 1 and 2 messages on their way to the server. */
const WINDOW = 64;
/** Without a message for so long, nothing more is there. */
const SILENCE_MS = 500;

/** Publishes as fast as the server reads, at QoS 1 and 2 as fast as it acknowledges. */
class Flooder extends Connection {
  sent = 0;
  unacknowledged = 0;
  isRunning = false;
  #qos;
  #bytes;
  #size;
  /** @type {(() => void) | null} */
  #onRoom = null;

  constructor(target, topicName, qos, size) {
    super(target);
    this.#qos = qos;
    this.#size = size;
    const payload = payloadOf(0, size);
    const rest = { dup: false, retain: false, packetId: qos === 0 ? 0 : 1, properties: {} };
    const packet = { type: PacketType.Publish, qos, topicName, payload, ...rest };
    this.#bytes = encodePacket(packet, target.version);
    this.#idAt = this.#bytes.length - size - 2 - (target.version === 5 ? 1 : 0);
  }

  #idAt;

  onAck(type, packetId) {
    if (type === PacketType.Pubrec) {
      this.answer(PacketType.Pubrel, packetId);
      return;
    }
    this.unacknowledged--;
    this.#onRoom?.();
  }

  /** @param {number} rate messages a second, 0 = as many as it can */
  async run(rate) {
    this.isRunning = true;
    const startMs = nowMs();
    while (this.isRunning) {
      const due = rate === 0 ? BATCH : Math.floor(((nowMs() - startMs) * rate) / 1_000) - this.sent;
      const room = this.#qos === 0 ? BATCH : WINDOW - this.unacknowledged;
      const isDrained = this.#write(Math.min(due, room, BATCH));
      if (!isDrained) await this.drained();
      else if (room === 0) await this.#room();
      else
        await new Promise((resolve) => (due <= 0 ? setTimeout(resolve, 1) : setImmediate(resolve)));
    }
    if (this.#qos === 0) await this.ping();
    else while (this.unacknowledged > 0) await this.#room();
  }

  #room() {
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  #write(count) {
    if (count <= 0) return true;
    const { length } = this.#bytes;
    const bytes = Buffer.allocUnsafe(count * length);
    for (let i = 0; i < count; i++) {
      const at = i * length;
      const number = this.sent++;
      bytes.set(this.#bytes, at);
      stamp(bytes, at + length - this.#size, at + length, number, 0);
      if (this.#qos === 0) continue;
      const packetId = (number % 65_535) + 1;
      bytes[at + this.#idAt] = packetId >> 8;
      bytes[at + this.#idAt + 1] = packetId;
      this.unacknowledged++;
    }
    return this.write(bytes);
  }
}

class Sleeper extends Connection {
  ledger = new Ledger(0, 1);
  isGone = false;
  #size;

  constructor(target, size) {
    super(target);
    this.#size = size;
  }

  onMessage(_header, bytes, start, end) {
    if (isWhole(bytes, start, end, this.#size)) this.ledger.take(0, numberOf(bytes, start));
    else this.ledger.damaged++;
  }

  /** The server has had enough of it. */
  onFailed() {
    this.isGone = true;
  }
}

/** @type {Flooder} */
let flooder;
/** @type {Sleeper} */
let sleeper;
/** @type {Promise<void>} */
let flood;

export const floodSteps = {
  async prepareFlood({ prefix, qos, floodSize, ...target }) {
    const topicName = `${prefix}/flood`;
    sleeper = new Sleeper(target, floodSize);
    await sleeper.connect(`${prefix}-slow`);
    await sleeper.subscribe([topicName], qos);
    sleeper.pause();
    flooder = new Flooder(target, topicName, qos, floodSize);
    await flooder.connect(`${prefix}-flood`);
  },

  async startFlood({ rate }) {
    flood = flooder.run(rate);
    flood.catch(() => {});
  },

  /** Until the server has taken the last one. */
  async stopFlood() {
    flooder.isRunning = false;
    await flood;
    return flooder.sent;
  },

  /** The subscriber reads, and gets what is left; everything else was dropped. */
  async wakeSleeper() {
    sleeper.resume();
    const { ledger } = sleeper;
    let sinceMs = nowMs();
    for (let last = -1; nowMs() - sinceMs < SILENCE_MS; ) {
      if (ledger.received !== last) sinceMs = nowMs();
      last = ledger.received;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { received, duplicates, outOfOrder, damaged } = ledger;
    const dropped = ledger.lost(Uint32Array.of(flooder.sent));
    const { isGone } = sleeper;
    await flooder.disconnect();
    await sleeper.disconnect();
    return { received, duplicates, outOfOrder, damaged, dropped, isGone };
  },
};
