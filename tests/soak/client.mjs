// A client of the soak: small, acknowledges what it gets when it is told to, and dies as rudely as it is asked to.

import net from 'node:net';
import { Decoder, encodePacket, PacketType } from '../../dist/protocol/index.js';

export class Client {
  isConnected = false;
  isGone = false;
  /** Set by whoever wants to see messages. */
  onPublish = null;
  #socket;
  #decoder;
  #version;
  #waiting = new Map();
  #packetId = 0;
  #closed;

  constructor(port, version) {
    this.#version = version;
    this.#decoder = new Decoder({ role: 'client', protocolVersion: version });
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', () => {}); // many die in the middle of something
    this.#closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.isGone = true;
        this.isConnected = false;
        for (const { settle } of this.#waiting.values()) settle(null);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  get backlog() {
    return this.#socket.writableLength;
  }

  /** Resolves with CONNACK, or null if the connection ended instead. */
  async connect(clientId, cleanStart, expiry, will = null) {
    this.#send({
      type: PacketType.Connect,
      protocolVersion: this.#version,
      isBridge: false,
      cleanStart,
      keepAlive: 60,
      clientId,
      will,
      username: null,
      password: null,
      properties:
        this.#version === 5 ? { sessionExpiryInterval: expiry, topicAliasMaximum: 8 } : {},
    });
    const connack = await this.#answer('connack');
    this.isConnected = connack !== null && connack.reasonCode === 0;
    return connack;
  }

  subscribe(filters, qos) {
    const packetId = this.#nextPacketId();
    const subscriptions = filters.map((topicFilter) => ({
      topicFilter,
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    }));
    this.#send({ type: PacketType.Subscribe, packetId, subscriptions, properties: {} });
    return this.#answer(packetId);
  }

  unsubscribe(topicFilters) {
    const packetId = this.#nextPacketId();
    this.#send({ type: PacketType.Unsubscribe, packetId, topicFilters, properties: {} });
    return this.#answer(packetId);
  }

  /** Resolves when it is acknowledged to its end, with null if the connection ended before. */
  publish(topicName, payload, qos, retain = false) {
    const packetId = qos === 0 ? 0 : this.#nextPacketId();
    this.#send(this.#publishPacket(topicName, payload, qos, retain, packetId));
    return qos === 0 ? Promise.resolve(null) : this.#answer(packetId);
  }

  disconnect() {
    this.#send({ type: PacketType.Disconnect, reasonCode: 0, properties: {} });
    this.#socket.end();
    return this.#closed;
  }

  /** In the middle of a packet. */
  die() {
    const whole = encodePacket(
      this.#publishPacket('half', Buffer.alloc(200), 1, false, 1),
      this.#version,
    );
    this.#socket.write(whole.subarray(0, 50), () => this.#socket.destroy());
    return this.#closed;
  }

  destroy() {
    this.#socket.destroy();
    return this.#closed;
  }

  /** Reads nothing any more; all that is left to do with it is to destroy it. */
  turnDeaf() {
    this.isConnected = false;
    this.#socket.pause();
  }

  #publishPacket(topicName, payload, qos, retain, packetId) {
    const dup = false;
    return {
      type: PacketType.Publish,
      dup,
      qos,
      retain,
      topicName,
      packetId,
      payload,
      properties: {},
    };
  }

  #send(packet) {
    if (!this.#socket.destroyed) this.#socket.write(encodePacket(packet, this.#version));
  }

  #answer(key) {
    if (this.isGone) return Promise.resolve(null);
    return new Promise((settle) => {
      this.#waiting.set(key, { settle });
    });
  }

  #nextPacketId() {
    do this.#packetId = (this.#packetId % 65_535) + 1;
    while (this.#waiting.has(this.#packetId));
    return this.#packetId;
  }

  #receive(chunk) {
    for (const packet of this.#decoder.push(chunk)) this.#on(packet);
  }

  #on(packet) {
    const { packetId, type } = packet;
    switch (type) {
      case PacketType.Connack:
        this.#settle('connack', packet);
        return;
      case PacketType.Publish:
        this.onPublish?.(packet);
        if (packet.qos > 0) this.#acknowledge(packet.qos === 1 ? 4 : 5, packetId);
        return;
      case PacketType.Pubrec:
        this.#acknowledge(6, packetId);
        return;
      case PacketType.Pubrel:
        this.#acknowledge(7, packetId);
        return;
      case PacketType.Puback:
      case PacketType.Pubcomp:
      case PacketType.Suback:
      case PacketType.Unsuback:
        this.#settle(packetId, packet);
    }
  }

  #acknowledge(type, packetId) {
    this.#send({ type, packetId, reasonCode: 0, properties: {} });
  }

  #settle(key, packet) {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    waiting?.settle(packet);
  }
}
