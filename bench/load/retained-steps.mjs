// What a generator process does for the scenario `retained`: it sets a retained message on each of many topics, then subscribes
// to all of them. A PINGRESP says that the server has handled what was sent before, so QoS 0 has a closed loop, too.

import { encodePacket, PacketType } from '../../dist/protocol/index.js';
import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { Connection } from './connection.mjs';
import { flowOf, isWhole, payloadOf, stamp } from './payload.mjs';

const RETAIN = 1;
const PUBLISHED_AT_ONCE = 64;
/** Without a message for so long, what is missing is lost. */
const SILENCE_MS = 2_000;

class Publisher extends Connection {
  acknowledged = 0;
  refused = 0;
  /** @type {(() => void) | null} */
  onAllAcknowledged = null;
  #wanted = 0;

  onAck(type, packetId, reasonCode) {
    if (reasonCode >= 0x80) this.refused++;
    else if (type === PacketType.Pubrec) {
      this.answer(PacketType.Pubrel, packetId);
      return;
    }
    this.acknowledged++;
    if (this.acknowledged === this.#wanted) this.onAllAcknowledged?.();
  }

  /** Until the server has taken all of the packets. */
  async publish(packets, qos) {
    this.#wanted = this.acknowledged + packets.length;
    const answered = new Promise((resolve) => {
      this.onAllAcknowledged = resolve;
    });
    this.write(Buffer.concat(packets));
    await (qos === 0 ? this.ping() : answered);
  }
}

/** Notes which retained messages came, each of which belongs once. */
class Subscriber extends Connection {
  received = 0;
  duplicates = 0;
  damaged = 0;
  latencies = new Histogram();
  #seen;
  #size;
  #askedMs = 0;

  constructor(target, count, size) {
    super(target);
    this.#seen = new Uint8Array(count);
    this.#size = size;
  }

  async askFor(topicFilter, qos) {
    this.#askedMs = nowMs();
    await this.subscribe([topicFilter], qos);
  }

  onMessage(header, bytes, start, end) {
    const isGood = isWhole(bytes, start, end, this.#size) && (header & RETAIN) !== 0;
    const i = isGood ? flowOf(bytes, start) : this.#seen.length;
    if (i >= this.#seen.length) this.damaged++;
    else if (this.#seen[i] === 1) this.duplicates++;
    else {
      this.#seen[i] = 1;
      this.received++;
      this.latencies.record((this.arrivedMs - this.#askedMs) * 1_000);
    }
  }
}

/** All messages, some at a time; empty ones delete what was there. */
async function publishAll(publisher, { n, prefix, size, qos, version }, isEmpty) {
  for (let first = 0; first < n; first += PUBLISHED_AT_ONCE) {
    const packets = [];
    for (let i = first; i < Math.min(n, first + PUBLISHED_AT_ONCE); i++) {
      const payload = isEmpty ? Buffer.alloc(0) : payloadOf(i, size);
      if (!isEmpty) stamp(payload, 0, size, 0, 0);
      const packet = {
        type: PacketType.Publish,
        dup: false,
        qos,
        retain: true,
        topicName: `${prefix}/retained/${i}`,
        packetId: qos === 0 ? 0 : (i % 65_535) + 1,
        payload,
        properties: {},
      };
      packets.push(encodePacket(packet, version));
    }
    await publisher.publish(packets, qos);
  }
}

/** @type {Publisher} */
let publisher;

export const retainedSteps = {
  /** Sets them all. */
  async retain(options) {
    publisher = new Publisher(options);
    await publisher.connect(`${options.prefix}-p`);
    const startMs = nowMs();
    await publishAll(publisher, options, false);
    return { elapsedMs: nowMs() - startMs, refused: publisher.refused };
  },

  /** Gets them all, as a new subscriber. */
  async fetchRetained(options) {
    const { n, prefix, size, qos } = options;
    const subscriber = new Subscriber(options, n, size);
    await subscriber.connect(`${prefix}-s`);
    const before = process.cpuUsage();
    await subscriber.askFor(`${prefix}/retained/+`, qos);
    let last = -1;
    let sinceMs = nowMs();
    while (subscriber.received < n && nowMs() - sinceMs < SILENCE_MS) {
      if (subscriber.received !== last) sinceMs = nowMs();
      last = subscriber.received;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    // What comes behind it, if anything does.
    await subscriber.ping();
    const elapsedMs = Math.max(subscriber.latencies.maxUs / 1_000, 0.001);
    const { user, system } = process.cpuUsage(before);
    const { received, duplicates, damaged, latencies } = subscriber;
    await subscriber.disconnect();
    return { cpuUs: user + system, elapsedMs, received, duplicates, damaged, latencies };
  },

  /** Deletes them all. */
  async clearRetained(options) {
    await publishAll(publisher, options, true);
    await publisher.disconnect();
  },
};
