// The least that an MQTT 3.1.1 client needs for this benchmark, by hand: peers must not be measured through IoTHub's own codec,
// and it has to cost less than any server under test. All packets that one chunk calls for leave in one write.

import net from 'node:net';

const CONNACK = 2;
const PUBLISH = 3;
const PUBACK = 4;
const SUBACK = 9;
/** Of one publisher; a payload holds its number and the number of the message. */
const HEADER_BYTES = 6;

/** One connection. Whoever extends it says what to do with PUBLISH and PUBACK. */
export class Client {
  isClosed = false;
  #socket;
  /** @type {Buffer | null} the beginning of a packet whose end is not here yet */
  #rest = null;
  /** @type {((bytes: Buffer) => void) | null} */
  #onAnswer = null;
  #answerType = 0;
  /** @type {((error: Error) => void) | null} */
  #onFailed = null;

  /** @param {number} port */
  constructor(port) {
    this.#socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk) => this.#onData(chunk));
    this.#socket.on('error', (error) => this.#onEnd(error));
    this.#socket.on('close', () => this.#onEnd(new Error('the server closed the connection')));
  }

  /** @param {Buffer} _packetId two bytes */
  onPuback(_packetId) {}
  /** @param {number} _publisher @param {number} _number @param {boolean} _isDup */
  onMessage(_publisher, _number, _isDup) {}

  /** @param {string} clientId @param {boolean} cleanSession @returns {Promise<boolean>} Session Present */
  async connect(clientId, cleanSession) {
    const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, cleanSession ? 2 : 0, 0, 0]);
    this.write(packet(0x10, Buffer.concat([head, text(clientId)])));
    const answer = await this.#answer(CONNACK);
    if (answer[1] !== 0) throw new Error(`CONNACK ${answer[1]} for ${clientId}`);
    return answer[0] === 1;
  }

  /** @param {string} topicFilter */
  async subscribe(topicFilter) {
    this.write(packet(0x82, Buffer.concat([Buffer.from([0, 1]), text(topicFilter), ONE])));
    const answer = await this.#answer(SUBACK);
    if (answer[2] !== 1) throw new Error(`SUBACK ${answer[2]} for ${topicFilter}`);
  }

  /** @param {Buffer} bytes */
  write(bytes) {
    this.#socket.write(bytes);
  }

  /** Says goodbye and waits until the connection is closed. */
  async disconnect() {
    this.#onFailed = () => {};
    if (this.isClosed) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.end(Buffer.from([0xe0, 0]));
    await closed;
  }

  destroy() {
    this.#onFailed = () => {};
    this.#socket.destroy();
  }

  #answer(type) {
    this.#answerType = type;
    return new Promise((resolve, reject) => {
      this.#onFailed = reject;
      this.#onAnswer = resolve;
    });
  }

  #onEnd(error) {
    this.isClosed = true;
    if (this.#onFailed === null) throw error;
    this.#onFailed(error);
  }

  #onData(chunk) {
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    let acks = null;
    let acksEnd = 0;
    let at = 0;
    while (at + 2 <= bytes.length) {
      let length = 0;
      let body = at + 1;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[body++];
        length |= (byte & 127) << shift;
        if (byte < 128 || body >= bytes.length) break;
      }
      const end = body + length;
      if (end > bytes.length || bytes[body - 1] >= 128) break;
      const first = bytes[at];
      if (first >> 4 === PUBACK) this.onPuback((bytes[body] << 8) | bytes[body + 1]);
      else if (first >> 4 === PUBLISH) {
        const packetId = body + 2 + ((bytes[body] << 8) | bytes[body + 1]);
        if (acks === null) acks = Buffer.allocUnsafe(4 * Math.ceil((bytes.length - at) / 16));
        acks[acksEnd] = 0x40;
        acks[acksEnd + 1] = 2;
        acks[acksEnd + 2] = bytes[packetId];
        acks[acksEnd + 3] = bytes[packetId + 1];
        acksEnd += 4;
        const payload = packetId + 2;
        const publisher = (bytes[payload] << 8) | bytes[payload + 1];
        this.onMessage(publisher, bytes.readUInt32BE(payload + 2), (first & 8) !== 0);
      } else if (first >> 4 === this.#answerType) {
        this.#answerType = 0;
        this.#onFailed = null; // from now on nobody expects an end
        this.#onAnswer?.(bytes.subarray(body, end));
      }
      at = end;
    }
    this.#rest = at === bytes.length ? null : bytes.subarray(at);
    if (acks !== null) this.write(acks.subarray(0, acksEnd));
    this.afterChunk();
  }

  /** All packets of a chunk were looked at. */
  afterChunk() {}
}

const ONE = Buffer.from([1]);

function packet(first, body) {
  if (body.length > 127) throw new Error('longer than this client can say');
  return Buffer.concat([Buffer.from([first, body.length]), body]);
}

function text(value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length]), bytes]);
}

/** A session that outlives its connections unless it is clean; counts how often each message came. */
export class Subscriber {
  /** @type {Client | null} */
  client = null;
  /** Different messages that came. */
  received = 0;
  /** Messages that came again, with and without DUP. */
  again = 0;
  againWithoutDup = 0;
  /** Of each publisher: how often each message came. */
  counts;

  /** @param {string} clientId @param {number} publishers @param {number} messagesMax of each @param {boolean} isClean */
  constructor(clientId, publishers, messagesMax, isClean) {
    this.clientId = clientId;
    this.isClean = isClean;
    this.counts = Array.from({ length: publishers }, () => new Uint8Array(messagesMax));
  }

  /** @param {number} port @param {string | null} topicFilter null = it has subscribed before */
  async connect(port, topicFilter) {
    const client = new Client(port);
    this.client = client;
    client.onMessage = (publisher, number, isDup) => {
      if (this.counts[publisher][number]++ === 0) this.received++;
      else {
        this.again++;
        if (!isDup) this.againWithoutDup++;
      }
    };
    const isPresent = await client.connect(this.clientId, this.isClean);
    if (topicFilter !== null) await client.subscribe(topicFilter);
    else if (!isPresent) throw new Error(`the session of ${this.clientId} is gone`);
  }

  async disconnect() {
    await this.client?.disconnect();
    this.client = null;
  }

  /** Ends the session. @param {number} port */
  async end(port) {
    await this.disconnect();
    const client = new Client(port);
    await client.connect(this.clientId, true);
    await client.disconnect();
  }
}

/** Publishes to one topic, at most `window` messages unacknowledged; each is told from all others by its payload. */
export class Publisher extends Client {
  sent = 0;
  acknowledged = 0;
  /** By number of the message: it was acknowledged. */
  isAcknowledged;
  /** By packet id: when the message was due. */
  dueMs = new Float64Array(65_536);
  /** By packet id: number of the message. */
  #numbers = new Uint32Array(65_536);
  #isOpen = new Uint8Array(65_536);
  #template;
  #idAt;
  #window = 0;
  #count = 0;
  #endMs = 0;
  #due = 0;
  /** @type {((dueMs: number) => void) | null} */
  onAcknowledged = null;

  /** @param {number} port @param {number} number @param {string} topicName @param {number} payloadBytes @param {number} messagesMax */
  constructor(port, number, topicName, payloadBytes, messagesMax) {
    super(port);
    this.isAcknowledged = new Uint8Array(messagesMax);
    const payload = Buffer.alloc(Math.max(payloadBytes, HEADER_BYTES), 0x2e);
    payload.writeUInt16BE(number, 0);
    this.#template = packet(0x32, Buffer.concat([text(topicName), Buffer.from([0, 0]), payload]));
    this.#idAt = 4 + Buffer.byteLength(topicName);
  }

  get outstanding() {
    return this.sent - this.acknowledged;
  }

  get isDone() {
    return this.#due === 0 && this.outstanding === 0 && this.#isOver();
  }

  /** Keeps `window` messages on their way until there were `count`, or until then. */
  keepUp(window, count, endMs) {
    this.#window = window;
    this.#count = this.sent + count;
    this.#endMs = endMs;
    this.#due = window;
    this.afterChunk();
  }

  /** One message that was due then. */
  publishOne(dueMs) {
    this.write(this.#next(Buffer.allocUnsafe(this.#template.length), 0, dueMs));
  }

  onPuback(packetId) {
    if (this.#isOpen[packetId] === 0) throw new Error(`PUBACK ${packetId} for nothing`);
    this.#isOpen[packetId] = 0;
    this.isAcknowledged[this.#numbers[packetId]] = 1;
    this.acknowledged++;
    if (this.#window > 0) this.#due++;
    if (this.onAcknowledged !== null) this.onAcknowledged(this.dueMs[packetId]);
  }

  afterChunk() {
    if (this.#due === 0) return;
    const due = this.#isOver() ? 0 : Math.min(this.#due, this.#count - this.sent);
    this.#due = 0;
    if (due === 0) return;
    const bytes = Buffer.allocUnsafe(due * this.#template.length);
    const nowMs = performance.now();
    for (let i = 0; i < due; i++) this.#next(bytes, i * this.#template.length, nowMs);
    this.write(bytes);
  }

  #isOver() {
    return this.sent >= this.#count || performance.now() >= this.#endMs;
  }

  #next(bytes, at, dueMs) {
    const number = this.sent++;
    const packetId = (number % 65_535) + 1;
    if (this.#isOpen[packetId] === 1) throw new Error('all packet ids are in use');
    this.#isOpen[packetId] = 1;
    this.#numbers[packetId] = number;
    this.dueMs[packetId] = dueMs;
    bytes.set(this.#template, at);
    bytes[at + this.#idAt] = packetId >> 8;
    bytes[at + this.#idAt + 1] = packetId;
    bytes.writeUInt32BE(number, at + this.#idAt + 4);
    return bytes;
  }
}
