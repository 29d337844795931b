// A client that speaks packets, over any stream: it encodes and decodes with the library's own codec, resolves the server's
// topic aliases, and answers nothing by itself. What it received stays in `packets` until it is taken.

import net from 'node:net';
import {
  type ConnackPacket,
  type ConnectPacket,
  Decoder,
  encodePacket,
  type Packet,
  PacketType,
  type Properties,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type SubscriptionRequest,
} from '../../src/protocol/index.ts';
import { SocketStream } from '../../src/transport/socket-stream.ts';
import type { Stream, StreamSink } from '../../src/transport/stream.ts';
import { until } from './until.ts';

export interface ConnectOptions {
  readonly cleanStart?: boolean;
  readonly keepAlive?: number;
  readonly will?: ConnectPacket['will'];
  readonly username?: string;
  readonly password?: string;
  readonly properties?: Properties;
}

export class PacketClient implements StreamSink {
  readonly stream: Stream;
  readonly version: ProtocolVersion;
  packets: Packet[] = [];
  /** The server ended its side, or the stream is gone. */
  hasEnded = false;
  isClosed = false;
  readonly #decoder: Decoder;
  readonly #aliases = new Map<number, string>();
  #pending: Uint8Array[] = [];
  #isWriting = false;
  #lastPacketId = 0;

  constructor(stream: Stream, version: ProtocolVersion = 5) {
    this.stream = stream;
    this.version = version;
    this.#decoder = new Decoder({ role: 'client', protocolVersion: version });
    stream.open(this);
  }

  /** A client on a socket of its own. */
  static tcp(port: number, version: ProtocolVersion = 5): PacketClient {
    const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    return new PacketClient(new SocketStream(socket, 'tcp'), version);
  }

  get nextPacketId(): number {
    this.#lastPacketId = this.#lastPacketId === 65_535 ? 1 : this.#lastPacketId + 1;
    return this.#lastPacketId;
  }

  send(packet: Packet): void {
    const bytes = encodePacket(packet, this.version);
    if (bytes !== null) this.write(bytes);
  }

  /** Bytes as they are. */
  write(bytes: Uint8Array): void {
    if (this.isClosed) return;
    this.#pending.push(bytes);
    this.#flush();
  }

  sendConnect(clientId: string, options: ConnectOptions = {}): void {
    this.send({
      type: PacketType.Connect,
      protocolVersion: this.version,
      isBridge: false,
      cleanStart: options.cleanStart ?? true,
      keepAlive: options.keepAlive ?? 0,
      clientId,
      will: options.will ?? null,
      username: options.username ?? null,
      password: options.password === undefined ? null : new TextEncoder().encode(options.password),
      properties: options.properties ?? {},
    });
  }

  /** Connects and waits for the answer. */
  async connect(clientId: string, options: ConnectOptions = {}): Promise<ConnackPacket> {
    this.sendConnect(clientId, options);
    return (await this.next(PacketType.Connack)) as ConnackPacket;
  }

  subscribe(...filters: (string | Partial<SubscriptionRequest>)[]): void {
    this.send({
      type: PacketType.Subscribe,
      packetId: this.nextPacketId,
      subscriptions: filters.map((filter) => ({
        topicFilter: '#',
        qos: 0,
        noLocal: false,
        retainAsPublished: false,
        retainHandling: 0,
        ...(typeof filter === 'string' ? { topicFilter: filter } : filter),
      })),
      properties: {},
    });
  }

  publish(
    topicName: string,
    payload: string | Uint8Array,
    qos: QoS = 0,
    rest: Partial<PublishPacket> = {},
  ): void {
    this.send({
      type: PacketType.Publish,
      dup: false,
      qos,
      retain: false,
      topicName,
      packetId: qos === 0 ? 0 : this.nextPacketId,
      payload: typeof payload === 'string' ? new TextEncoder().encode(payload) : payload,
      properties: {},
      ...rest,
    });
  }

  acknowledge(type: 4 | 5 | 6 | 7, packetId: number): void {
    this.send({ type, packetId, reasonCode: 0, properties: {} });
  }

  /** Everything received since the last call. */
  take(): Packet[] {
    const packets = this.packets;
    this.packets = [];
    return packets;
  }

  /** What of it is PUBLISH. */
  takePublishes(): PublishPacket[] {
    const packets = this.take();
    return packets.filter((packet) => packet.type === PacketType.Publish);
  }

  /** Waits for the next packet of that type and takes it out; rejects when the server ends the connection instead. */
  async next(type: PacketType): Promise<Packet> {
    const find = () => this.packets.findIndex((packet) => packet.type === type);
    await until(() => find() >= 0 || this.hasEnded);
    const index = find();
    if (index < 0) throw new Error(`the connection ended before a packet of type ${type} came`);
    return this.packets.splice(index, 1)[0];
  }

  /** Goes without a word. */
  destroy(): void {
    this.stream.destroy();
  }

  onData(chunk: Uint8Array, length: number): void {
    for (const packet of this.#decoder.push(chunk.subarray(0, length))) {
      this.packets.push(packet.type === PacketType.Publish ? this.#withTopic(packet) : packet);
    }
  }

  onWritten(): void {
    this.#isWriting = false;
    this.#flush();
  }

  onEnd(): void {
    this.hasEnded = true;
    this.stream.end();
  }

  onClose(): void {
    this.hasEnded = true;
    this.isClosed = true;
  }

  #flush(): void {
    while (!this.#isWriting) {
      const bytes = this.#pending.shift();
      if (bytes === undefined) return;
      this.#isWriting = !this.stream.write(bytes);
    }
  }

  #withTopic(packet: PublishPacket): PublishPacket {
    const alias = packet.properties.topicAlias;
    if (alias === undefined) return packet;
    if (packet.topicName !== '') this.#aliases.set(alias, packet.topicName);
    const topicName = this.#aliases.get(alias);
    if (topicName === undefined) throw new Error(`topic alias ${alias} stands for nothing`);
    return { ...packet, topicName };
  }
}
