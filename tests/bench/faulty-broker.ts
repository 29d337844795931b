// A broker for one test that does everything wrong on purpose, and knows how often: it loses, doubles, swaps and damages the
// messages with certain numbers of each flow, or acknowledges what nobody sent. Small: it matches filters one by one.

import { createServer, type Server } from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { createWebSocketStream, WebSocketServer } from 'ws';
import {
  Decoder,
  encodePacket,
  matchesFilter,
  type Packet,
  PacketType,
  type PublishPacket,
  type QoS,
} from '../../src/protocol/index.ts';

/** Numbers of messages within their flow. */
export interface Faults {
  readonly lost?: readonly number[];
  readonly doubled?: readonly number[];
  /** Sent after the next one of its flow. */
  readonly swapped?: readonly number[];
  readonly damaged?: readonly number[];
  /** A second acknowledgement, for another packet id. */
  readonly strayAck?: readonly number[];
  /** Not acknowledged. */
  readonly unacknowledged?: readonly number[];
}

/** Where the payload has the message's number; see bench/load/payload.mjs. */
const NUMBER_AT = 4;
const STRAY_PACKET_ID = 60_000;

export class FaultyBroker {
  readonly #faults: Faults;
  readonly #server: net.Server;
  readonly #clients = new Set<Client>();
  /** By topic: what waits to be swapped. */
  readonly #kept = new Map<string, PublishPacket>();

  constructor(faults: Faults, options: { isWebSocket?: boolean; tls?: tls.TlsOptions } = {}) {
    this.#faults = faults;
    const { isWebSocket = false, tls: tlsOptions } = options;
    const http = isWebSocket ? this.#webSockets() : null;
    const onSocket = (socket: net.Socket) => {
      socket.setNoDelay(true);
      if (http === null) this.#serve(socket);
      else http.emit('connection', socket);
    };
    this.#server =
      tlsOptions === undefined
        ? net.createServer(onSocket)
        : tls.createServer(tlsOptions, onSocket);
  }

  #webSockets(): Server {
    const http = createServer();
    new WebSocketServer({ server: http, path: '/mqtt' }).on('connection', (socket) =>
      this.#serve(createWebSocketStream(socket)),
    );
    return http;
  }

  #serve(stream: Duplex): void {
    const client = new Client(this, stream);
    this.#clients.add(client);
    stream.on('close', () => this.#clients.delete(client));
  }

  /** The port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as net.AddressInfo).port;
  }

  close(): void {
    for (const client of this.#clients) client.destroy();
    this.#server.close();
  }

  publish(packet: PublishPacket, from: Client): void {
    const number = new DataView(packet.payload.buffer, packet.payload.byteOffset).getUint32(
      NUMBER_AT,
      true,
    );
    const has = (fault: keyof Faults) => this.#faults[fault]?.includes(number) === true;
    if (!has('unacknowledged')) from.acknowledge(packet.qos, packet.packetId);
    if (has('strayAck')) from.acknowledge(packet.qos, STRAY_PACKET_ID);
    if (has('lost')) return;
    if (has('damaged')) packet.payload[packet.payload.length - 1] ^= 1;
    if (has('swapped')) {
      this.#kept.set(packet.topicName, packet);
      return;
    }
    this.#deliver(packet);
    if (has('doubled')) this.#deliver(packet);
    const kept = this.#kept.get(packet.topicName);
    if (kept === undefined) return;
    this.#kept.delete(packet.topicName);
    this.#deliver(kept);
  }

  #deliver(packet: PublishPacket): void {
    for (const client of this.#clients) client.deliver(packet);
  }
}

class Client {
  readonly #broker: FaultyBroker;
  readonly #socket: Duplex;
  readonly #decoder = new Decoder();
  readonly #filters: string[] = [];
  #lastPacketId = 0;

  constructor(broker: FaultyBroker, socket: Duplex) {
    this.#broker = broker;
    this.#socket = socket;
    socket.on('error', () => {}); // the other side is gone
    socket.on('data', (chunk) => {
      for (const packet of this.#decoder.push(chunk)) this.#on(packet);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  acknowledge(qos: QoS, packetId: number): void {
    if (qos === 0) return;
    const type = qos === 1 ? PacketType.Puback : PacketType.Pubrec;
    this.#send({ type, packetId, reasonCode: 0, properties: {} });
  }

  deliver(packet: PublishPacket): void {
    if (!this.#filters.some((filter) => matchesFilter(packet.topicName, filter))) return;
    this.#lastPacketId = (this.#lastPacketId % 65_535) + 1;
    this.#send({ ...packet, packetId: packet.qos === 0 ? 0 : this.#lastPacketId });
  }

  #on(packet: Packet): void {
    switch (packet.type) {
      case PacketType.Connect:
        this.#send({
          type: PacketType.Connack,
          sessionPresent: false,
          reasonCode: 0,
          properties: {},
        });
        break;
      case PacketType.Subscribe: {
        const { packetId, subscriptions } = packet;
        for (const { topicFilter } of subscriptions) this.#filters.push(topicFilter);
        const reasonCodes = subscriptions.map(({ qos }) => qos);
        this.#send({ type: PacketType.Suback, packetId, reasonCodes, properties: {} });
        break;
      }
      case PacketType.Publish:
        this.#broker.publish(packet, this);
        break;
      case PacketType.Pubrec:
        this.#answer(PacketType.Pubrel, packet.packetId);
        break;
      case PacketType.Pubrel:
        this.#answer(PacketType.Pubcomp, packet.packetId);
        break;
      default:
    }
  }

  #answer(type: typeof PacketType.Pubrel | typeof PacketType.Pubcomp, packetId: number): void {
    this.#send({ type, packetId, reasonCode: 0, properties: {} });
  }

  #send(packet: Packet): void {
    const version = this.#decoder.protocolVersion ?? 4;
    const bytes = encodePacket(packet, version);
    if (bytes !== null && !this.#socket.destroyed) this.#socket.write(bytes);
  }
}
