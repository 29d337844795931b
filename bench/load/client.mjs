// A client of a scenario: it hears some flows and publishes others. Closed loop: it keeps a window of messages on their way,
// refilled at the end of the turn with one write. Open loop: it sends what is due, and what the server does not allow yet
// waits here, its latency counting.

import { encodePacket, PacketType } from '../../dist/protocol/index.js';
import { Connection } from './connection.mjs';
import { Ledger } from './ledger.mjs';
import { dueMsOf, flowOf, isWhole, numberOf, payloadOf, stamp } from './payload.mjs';

const FAILURE = 0x80;
const PACKET_IDS_MAX = 65_535;
const PACKET_IDS_AT_FIRST = 63;
/** What became of a packet id. */
const FREE = 0;
const PUBLISHED = 1;
const RELEASED = 2;

/**
 * What all clients of a process share.
 * @typedef {object} Load
 * @property {import('./plan.mjs').Plan} plan
 * @property {number} size bytes of a payload
 * @property {0 | 1 | 2} qos
 * @property {4 | 5} version
 * @property {number} window
 * @property {number} count messages of each client at most
 * @property {Uint32Array} sent by flow
 * @property {import('./progress.mjs').Progress | null} progress null in an open loop
 * @property {import('../lib/histogram.mjs').Histogram[]} latencies by group
 * @property {(client: Client) => void} markDirty it may have something to send
 * @property {(client: Client, error: Error) => void} onFailed
 */

/** One PUBLISH as it always is, and where it differs. */
class Template {
  constructor(flow, topicName, qos, size, version) {
    this.flow = flow;
    const payload = payloadOf(flow, size);
    const packetId = qos === 0 ? 0 : 1;
    const rest = { dup: false, retain: false, topicName, packetId, payload, properties: {} };
    this.bytes = encodePacket({ type: PacketType.Publish, qos, ...rest }, version);
    this.payloadAt = this.bytes.length - size;
    this.packetIdAt = this.payloadAt - 2 - (version === 5 ? 1 : 0);
  }
}

export class Client extends Connection {
  ledger;
  sent = 0;
  /** PUBLISH that is not acknowledged to its end. */
  unacknowledged = 0;
  acknowledged = 0;
  /** Acknowledged with a failure. */
  refused = 0;
  /** Acknowledgements of what was not sent, or not in this state. */
  strayAcks = 0;
  isDirty = false;
  #load;
  #planned;
  #qos;
  /** @type {Template[]} */
  #templates;
  #turn = 0;
  #completed = 0;
  #isRunning = false;
  #idStates = new Uint8Array(PACKET_IDS_AT_FIRST + 1);
  #lastId = 0;
  /** Open loop: due, but more than the server allows at once. @type {{ template: Template, dueMs: number }[]} */
  #waiting = [];

  /** @param {Load} load @param {import('./plan.mjs').PlannedClient} planned */
  constructor(target, load, planned) {
    super(target);
    this.#load = load;
    this.#planned = planned;
    this.ledger = new Ledger(planned.heard.first, planned.heard.count);
    // What it publishes belongs to the other group of a scenario with two.
    const { plan } = load;
    const { first, count } = planned.published;
    const group = plan.groups.findIndex(
      ({ flows }) => first >= flows.first && first < flows.first + flows.count,
    );
    this.#qos = plan.qosOf(Math.max(group, 0));
    this.#templates = Array.from({ length: count }, (_, i) => {
      const flow = first + i;
      return new Template(flow, plan.topicOf(flow), this.#qos, load.size, load.version);
    });
  }

  /** Which user it is, where it matters; undefined: one of its own. */
  get user() {
    return this.#planned.user;
  }

  get qosHeard() {
    return this.#load.plan.qosOf(this.#planned.group);
  }

  get waiting() {
    return this.#waiting.length;
  }

  /** Closed loop, from now on. */
  run() {
    this.#isRunning = this.#templates.length > 0;
    if (this.#isRunning) this.#load.markDirty(this);
  }

  stop() {
    this.#isRunning = false;
    this.#waiting = [];
  }

  /** Sends what the windows have room for, in one write. @param {number} nowMs */
  fill(nowMs) {
    if (this.#waiting.length > 0) this.#sendWaiting();
    if (!this.#isRunning) return;
    const { window, count } = this.#load;
    let room = Math.min(window - (this.sent - this.#completed), count - this.sent);
    if (this.#qos > 0) room = Math.min(room, window - this.unacknowledged, this.#idsLeft());
    if (room <= 0) return;
    const templates = [];
    let length = 0;
    for (let i = 0; i < room; i++) {
      const template = this.#templates[this.#turn++ % this.#templates.length];
      templates.push(template);
      length += template.bytes.length;
    }
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    for (const template of templates) at = this.#append(bytes, at, template, nowMs);
    this.write(bytes);
  }

  /** Open loop: the message of that flow which was due then. */
  publish(flow, dueMs) {
    if (this.sent + this.#waiting.length >= this.#load.count) return;
    const template = this.#templates[flow - this.#planned.published.first];
    this.#waiting.push({ template, dueMs });
    this.#load.markDirty(this);
  }

  /** All who hear it have so many more of its messages. */
  onCompleted(messages) {
    this.#completed += messages;
    this.#load.markDirty(this);
  }

  onMessage(_header, bytes, start, end) {
    const { ledger } = this;
    const { size, latencies, progress } = this.#load;
    const flow = isWhole(bytes, start, end, size) ? flowOf(bytes, start) : -1;
    if (!ledger.hears(flow)) {
      ledger.damaged++;
      return;
    }
    const before = ledger.progress(flow);
    if (!ledger.take(flow, numberOf(bytes, start))) return;
    latencies[this.#planned.group].record((this.arrivedMs - dueMsOf(bytes, start)) * 1_000);
    const after = ledger.progress(flow);
    if (progress !== null && after > before) progress.advance(flow, before, after);
  }

  onAck(type, packetId, reasonCode) {
    const state = packetId < this.#idStates.length ? this.#idStates[packetId] : FREE;
    const isFailure = reasonCode >= FAILURE;
    if (type === PacketType.Pubrec && state === PUBLISHED && this.#qos === 2 && !isFailure) {
      this.#idStates[packetId] = RELEASED;
      this.answer(PacketType.Pubrel, packetId);
      return;
    }
    const isPuback = type === PacketType.Puback && state === PUBLISHED && this.#qos === 1;
    const isPubcomp = type === PacketType.Pubcomp && state === RELEASED;
    const isRefusal = type === PacketType.Pubrec && state === PUBLISHED && isFailure;
    if (!isPuback && !isPubcomp && !isRefusal) {
      this.strayAcks++;
      return;
    }
    this.#idStates[packetId] = FREE;
    this.unacknowledged--;
    if (isFailure) this.refused++;
    else this.acknowledged++;
    this.#load.markDirty(this);
  }

  onFailed(error) {
    this.#load.onFailed(this, error);
  }

  #sendWaiting() {
    const allowed = this.#qos === 0 ? this.#waiting.length : this.#idsLeft();
    const now = this.#waiting.splice(0, allowed);
    const bytes = Buffer.allocUnsafe(
      now.reduce((sum, { template }) => sum + template.bytes.length, 0),
    );
    let at = 0;
    for (const { template, dueMs } of now) at = this.#append(bytes, at, template, dueMs);
    if (at > 0) this.write(bytes);
  }

  #idsLeft() {
    return Math.min(this.receiveMaximum, PACKET_IDS_MAX) - this.unacknowledged;
  }

  #append(bytes, at, template, dueMs) {
    const number = this.#load.sent[template.flow]++;
    this.sent++;
    bytes.set(template.bytes, at);
    const end = at + template.bytes.length;
    stamp(bytes, at + template.payloadAt, end, number, dueMs);
    if (this.#qos > 0) {
      const packetId = this.#takeId();
      bytes[at + template.packetIdAt] = packetId >> 8;
      bytes[at + template.packetIdAt + 1] = packetId;
      this.unacknowledged++;
    }
    return end;
  }

  /** The next packet id that is free; the caller knows that there is one. */
  #takeId() {
    if (this.unacknowledged >= (this.#idStates.length - 1) / 2) this.#growIds();
    const last = this.#idStates.length - 1;
    do {
      this.#lastId = (this.#lastId % last) + 1;
    } while (this.#idStates[this.#lastId] !== FREE);
    this.#idStates[this.#lastId] = PUBLISHED;
    return this.#lastId;
  }

  #growIds() {
    if (this.#idStates.length > PACKET_IDS_MAX) return;
    const larger = new Uint8Array(Math.min(this.#idStates.length * 2, PACKET_IDS_MAX + 1));
    larger.set(this.#idStates);
    this.#idStates = larger;
  }
}
