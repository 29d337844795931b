// One client's connection as the generator has it: IoTHub's own codec on a wire. PUBLISH and acknowledgements are read where
// they lie, and all answers that one chunk calls for leave in one write. Whoever extends it says what a message and an
// acknowledgement mean.

import { decodePacket, encodePacket, Framer, PacketType } from '../../dist/protocol/index.js';
import { nowMs } from '../lib/monotonic.mjs';
import { NotLetIn } from './errors.mjs';
import { credentialsOf } from './login.mjs';
import { openWire, READ_BYTES } from './wire.mjs';

const ACK_BYTES = 4;
const FAILURE = 0x80;
const CONTINUE_AUTHENTICATION = 0x18;
const FIRST_BYTES = {
  [PacketType.Puback]: 0x40,
  [PacketType.Pubrec]: 0x50,
  [PacketType.Pubrel]: 0x62,
  [PacketType.Pubcomp]: 0x70,
};

/** Acknowledgements of the chunk at hand; a packet has at least two bytes. */
const acks = Buffer.allocUnsafeSlow((READ_BYTES / 2) * ACK_BYTES);

/** @typedef {import('./wire.mjs').Place & { version: 4 | 5 }} Target */

/** MQTT 5 §4.12 */
function authenticating({ method }, authenticationData) {
  return { authenticationMethod: method, authenticationData };
}

function dataOf({ properties }) {
  return properties.authenticationData;
}

export class Connection {
  isClosed = false;
  /** When the chunk at hand came. */
  arrivedMs = 0;
  /** What the server allows to be unacknowledged. MQTT 5 §3.2.2.3.3 */
  receiveMaximum = 65_535;
  clientId = '';
  #version;
  #login;
  #wire;
  #framer = new Framer(Number.POSITIVE_INFINITY);
  #acksEnd = 0;
  #isLeaving = false;
  #lastPacketId = 0;
  /** @type {{ types: number[], resolve(packet: object): void, reject(error: Error): void } | null} */
  #awaited = null;

  /** @param {Target} target */
  constructor({ version, login = null, ...place }) {
    this.#version = version;
    this.#login = login;
    this.#wire = openWire(place, this);
  }

  /** What a later connection can resume, if `keepsSession` was said. */
  get session() {
    return this.#wire.session;
  }

  get isResumed() {
    return this.#wire.isResumed;
  }

  /** Whether it failed because of the server's certificate. */
  get isDistrusted() {
    return this.#wire.isDistrusted;
  }

  /**
   * A PUBLISH; its payload is `bytes[start..end)`, which die with the call.
   * @param {number} _header @param {Uint8Array} _bytes @param {number} _start @param {number} _end
   */
  onMessage(_header, _bytes, _start, _end) {}
  /** PUBACK, PUBREC or PUBCOMP. @param {number} _type @param {number} _packetId @param {number} _reasonCode */
  onAck(_type, _packetId, _reasonCode) {}
  /** The connection ended, and nobody asked for it. @param {Error} error */
  onFailed(error) {
    throw error;
  }

  /**
   * Rejects with NotLetIn when the server refuses.
   * @param {string} clientId @param {number} number which of the clients it is, for its name and password
   */
  async connect(clientId, number = 0) {
    this.clientId = clientId;
    const { username, password, exchange } = credentialsOf(this.#login, number);
    const packet = {
      type: PacketType.Connect,
      protocolVersion: this.#version,
      isBridge: false,
      cleanStart: true,
      keepAlive: 0,
      clientId,
      will: null,
      username,
      password,
      properties: exchange === null ? {} : authenticating(exchange, exchange.first()),
    };
    let answer = await this.#ask(packet, PacketType.Connack, PacketType.Auth);
    while (answer.type === PacketType.Auth) {
      const properties = authenticating(exchange, exchange.next(dataOf(answer)));
      const next = { type: PacketType.Auth, reasonCode: CONTINUE_AUTHENTICATION, properties };
      answer = await this.#ask(next, PacketType.Connack, PacketType.Auth);
    }
    if (answer.reasonCode !== 0) throw new NotLetIn(answer.reasonCode, clientId);
    exchange?.finish(dataOf(answer));
    this.receiveMaximum = answer.properties.receiveMaximum ?? 65_535;
  }

  /** @param {readonly string[]} topicFilters @param {0 | 1 | 2} qos */
  async subscribe(topicFilters, qos) {
    const rest = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 };
    const packet = {
      type: PacketType.Subscribe,
      packetId: this.#nextPacketId(),
      subscriptions: topicFilters.map((topicFilter) => ({ topicFilter, ...rest })),
      properties: {},
    };
    const { reasonCodes } = await this.#ask(packet, PacketType.Suback);
    const refused = reasonCodes.findIndex((code) => code >= FAILURE);
    if (refused >= 0) {
      throw new Error(`SUBACK ${reasonCodes[refused]} for ${topicFilters[refused]}`);
    }
  }

  /** Waits until the server has handled everything that was sent before. */
  async ping() {
    await this.#ask({ type: PacketType.Pingreq }, PacketType.Pingresp);
  }

  /** False: the socket is full, see `drained`. @param {Uint8Array} bytes */
  write(bytes) {
    return this.#wire.write(bytes);
  }

  /** Until the socket takes more, or is closed. */
  drained() {
    const { socket } = this.#wire;
    return new Promise((resolve) => {
      const end = () => {
        socket.off('drain', end).off('close', end);
        resolve();
      };
      socket.on('drain', end).on('close', end);
    });
  }

  /** Reads nothing any more. */
  pause() {
    this.#wire.socket.pause();
  }

  resume() {
    this.#wire.socket.resume();
  }

  /** Ends it without a word. */
  destroy() {
    this.#wire.socket.destroy();
  }

  /** PUBACK and its like, with what else the chunk at hand calls for. Only from within `onAck`. */
  answer(type, packetId) {
    acks[this.#acksEnd] = FIRST_BYTES[type];
    acks[this.#acksEnd + 1] = 2;
    acks[this.#acksEnd + 2] = packetId >> 8;
    acks[this.#acksEnd + 3] = packetId;
    this.#acksEnd += ACK_BYTES;
  }

  /** Says goodbye and waits until the connection is closed. */
  async disconnect() {
    this.#isLeaving = true;
    if (this.isClosed) return;
    const { socket } = this.#wire;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    this.#wire.end(
      encodePacket({ type: PacketType.Disconnect, reasonCode: 0, properties: {} }, this.#version),
    );
    socket.resume();
    await closed;
  }

  #ask(packet, ...types) {
    this.#wire.write(encodePacket(packet, this.#version));
    return new Promise((resolve, reject) => {
      this.#awaited = { types, resolve, reject };
    });
  }

  #nextPacketId() {
    this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    return this.#lastPacketId;
  }

  /** The wire says so. @param {Error} error */
  onEnd(error) {
    if (this.isClosed) return;
    this.isClosed = true;
    const awaited = this.#awaited;
    this.#awaited = null;
    if (awaited !== null) awaited.reject(error);
    else if (!this.#isLeaving) this.onFailed(error);
  }

  /** The wire has read something. */
  onChunkStart() {
    this.arrivedMs = nowMs();
    this.#acksEnd = 0;
  }

  /** This of it is MQTT. @param {Uint8Array} bytes @param {number} start @param {number} end */
  onBytes(bytes, start, end) {
    const framer = this.#framer;
    framer.feed(bytes, start, end);
    while (framer.next()) this.#onPacket(framer);
    framer.keep();
  }

  /** That was all of it. */
  onChunkEnd() {
    if (this.#acksEnd > 0) this.#wire.write(Buffer.from(acks.subarray(0, this.#acksEnd)));
  }

  #onPacket({ header, bytes, start, end }) {
    const type = header >> 4;
    if (type === PacketType.Publish) this.#onPublish(header, bytes, start, end);
    else if (type === PacketType.Pubrel) {
      this.answer(PacketType.Pubcomp, (bytes[start] << 8) | bytes[start + 1]);
    } else if (type >= PacketType.Puback && type <= PacketType.Pubcomp) {
      const reasonCode = end - start > 2 ? bytes[start + 2] : 0;
      this.onAck(type, (bytes[start] << 8) | bytes[start + 1], reasonCode);
    } else {
      const packet = decodePacket(header, bytes, start, end, this.#version, undefined, 'client');
      if (!this.#awaited?.types.includes(type)) {
        throw new Error(`unexpected packet of type ${type}`);
      }
      const { resolve } = this.#awaited;
      this.#awaited = null;
      resolve(packet);
    }
  }

  #onPublish(header, bytes, start, end) {
    const qos = (header >> 1) & 3;
    let position = start + 2 + ((bytes[start] << 8) | bytes[start + 1]);
    if (qos > 0) {
      const packetId = (bytes[position] << 8) | bytes[position + 1];
      this.answer(qos === 1 ? PacketType.Puback : PacketType.Pubrec, packetId);
      position += 2;
    }
    if (this.#version === 5) {
      let propertiesLength = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = bytes[position++];
        propertiesLength += (byte & 127) * factor;
        if (byte < 128) break;
      }
      position += propertiesLength;
    }
    this.onMessage(header, bytes, position, end);
  }
}
