// What a generator process does to see whether a server keeps to its rules: each question is put three times, since an answer may
// be remembered wrongly, and what counts is whether anybody gets something. Behind each question comes a message that is allowed,
// so that a server which delivers nothing at all does not pass for one that denies.

import { encodePacket, PacketType } from '../../dist/protocol/index.js';
import { nowMs } from '../lib/monotonic.mjs';
import { Connection } from './connection.mjs';
import { AUDITOR_LOGIN, SECRET } from './rule-sets.mjs';

export const TIMES = 3;
const PAYLOAD_BYTES = 16;
const ASKED = 'asked';
const FENCE = 'fence';
const WAIT_MAX_MS = 5_000;
/** The last level of topics that no client of the load uses. */
const PROBE = 'probe';

class Talker extends Connection {
  /** @type {string[]} */
  #heard = [];
  /** Reason codes of PUBACK. @type {number[]} */
  answers = [];
  #version;
  #lastId = 0;

  constructor(target) {
    super(target);
    this.#version = target.version;
  }

  onMessage(_header, bytes, start, end) {
    this.#heard.push(Buffer.from(bytes.subarray(start, end)).toString().trim());
  }

  onAck(_type, _packetId, reasonCode) {
    this.answers.push(reasonCode);
  }

  /** The server ends it: then nothing comes any more. */
  onFailed() {}

  /** As often as a question is put, and the fence to the other topic. */
  async ask(topicName, allowed) {
    for (let i = 0; i < TIMES; i++) await this.#publish(topicName, ASKED);
    await this.#publish(allowed, FENCE);
  }

  /** How many of the messages that were asked about came, and whether the one behind them did. */
  async outcome() {
    await until(() => this.#heard.includes(FENCE));
    const delivered = this.#heard.filter((text) => text === ASKED).length;
    return { delivered, isAlive: this.#heard.includes(FENCE) };
  }

  /** Null: the filter is granted. */
  async whyNoSubscription(topicFilter) {
    try {
      await this.subscribe([topicFilter], 1);
      return null;
    } catch (error) {
      return error.message;
    }
  }

  /** QoS 1, until it is acknowledged. */
  async #publish(topicName, text) {
    const payload = Buffer.from(text.padEnd(PAYLOAD_BYTES));
    const rest = { dup: false, qos: 1, retain: false, packetId: ++this.#lastId, properties: {} };
    const packet = { type: PacketType.Publish, topicName, payload, ...rest };
    const answered = this.answers.length;
    this.write(encodePacket(packet, this.#version));
    await until(() => this.answers.length > answered || this.isClosed);
  }
}

/** Not for ever. */
async function until(isSo) {
  const endMs = nowMs() + WAIT_MAX_MS;
  while (!isSo() && nowMs() < endMs) await new Promise((resolve) => setTimeout(resolve, 1));
}

export const accessSteps = {
  /**
   * Users 0 and 1 have topics of their own, and the auditor may use all. Answers for each of three questions how many of the
   * messages came that the rules deny, and whether the one came that they allow.
   */
  async checkAccess({ prefix, ...target }) {
    const [others, own] = [0, 1].map((user) => `${prefix}/pair/${user}`);
    const talkers = [];
    const talker = async (name, login, number) => {
      const one = new Talker({ ...target, login });
      talkers.push(one);
      await one.connect(`${prefix}-${name}`, number);
      return one;
    };
    const auditor = await talker('auditor', AUDITOR_LOGIN, 0);

    const witness = await talker('witness', AUDITOR_LOGIN, 0);
    await witness.subscribe([`${prefix}/pair/+/${PROBE}`], 1);
    const intruder = await talker('intruder', target.login, 1);
    await intruder.ask(`${others}/${PROBE}`, `${own}/${PROBE}`);
    const publish = { ...(await witness.outcome()), answers: intruder.answers.slice(0, TIMES) };

    const listener = await talker('listener', target.login, 1);
    const refusal = await listener.whyNoSubscription(`${others}/#`);
    await listener.whyNoSubscription(`${own}/#`);
    await auditor.ask(`${others}/${PROBE}`, `${own}/${PROBE}`);
    const subscribe = { ...(await listener.outcome()), refusal };

    const owner = await talker('owner', target.login, 0);
    await owner.whyNoSubscription(`${others}/+`);
    await auditor.ask(`${others}/${SECRET}`, `${others}/${PROBE}`);
    const receive = await owner.outcome();

    for (const one of talkers) await one.disconnect();
    return { publish, subscribe, receive };
  },
};
