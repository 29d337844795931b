// An MQTT client on one Network Connection: CONNECT, what is in flight both ways, keep alive, DISCONNECT. It does not connect
// again; who wants that makes another one (see `subscriber.ts`). It keeps what the server announced: Receive Maximum, Maximum
// Packet Size, Maximum QoS, Server Keep Alive. Enhanced authentication is left out on purpose.

import type { Duplex } from 'node:stream';
import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import { Decoder } from '../protocol/decoder.ts';
import { encodePacket } from '../protocol/encoder.ts';
import {
  type AckPacket,
  type ConnackPacket,
  type DisconnectPacket,
  type Packet,
  PacketType,
  type Properties,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type SubscriptionRequest,
  type Will,
} from '../protocol/packet.ts';
import { NO_PROPERTIES } from '../protocol/properties.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { ConnectionError } from './dial.ts';
import { Inflight } from './inflight.ts';

export interface ClientOptions {
  readonly protocolVersion: ProtocolVersion;
  readonly clientId: string;
  readonly cleanStart: boolean;
  /** seconds; 0 = none */
  readonly keepAlive: number;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly will: Will | null;
  /** Of CONNECT; v5 */
  readonly properties: Properties;
  /** QoS 1 and 2 messages that may be unacknowledged; the server may allow fewer. */
  readonly inflightMax: number;
}

/** How a connection ended. */
export type Ended =
  | { readonly by: 'client' }
  /** It broke, or went silent. */
  | { readonly by: 'network'; readonly message: string }
  /** DISCONNECT of the server (v5), or something that no server may send. */
  | { readonly by: 'server'; readonly reasonCode: number; readonly message: string };

export interface ClientHandler {
  /** A message, once for QoS 2; it is acknowledged afterwards. False: it was the last one that is wanted. */
  onMessage(message: PublishPacket): boolean;
  /** Once, when the connection has ended after CONNACK. */
  onEnd(ended: Ended): void;
  /** Every packet; null while nobody looks. */
  readonly onPacket: ((direction: 'sending' | 'received', packet: Packet) => void) | null;
}

export interface OutgoingMessage {
  readonly topicName: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: Properties;
}

/** Time for CONNACK to come. */
const CONNACK_TIMEOUT_MS = 30_000;

export class MqttClient {
  readonly #stream: Duplex;
  readonly #options: ClientOptions;
  readonly #handler: ClientHandler;
  readonly #clock: Clock;
  readonly #decoder: Decoder;
  readonly #inflight: Inflight;
  /** Identifiers of QoS 2 messages between PUBREC and PUBREL. */
  readonly #received: Set<number>;
  readonly #aliases = new Map<number, string>();
  #connack: ConnackPacket | null = null;
  #waiting: { resolve(packet: ConnackPacket): void; reject(error: Error): void } | null = null;
  #takesMessages = true;
  #isPaused = false;
  #ended: Ended | null = null;
  #timer: Cancellable | null = null;
  #sentAtMs = 0;
  #pingSentAtMs: number | null = null;

  /** `received`: what an earlier connection of the same session had of it. */
  constructor(
    stream: Duplex,
    options: ClientOptions,
    handler: ClientHandler,
    received = new Set<number>(),
    clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#stream = stream;
    this.#options = options;
    this.#handler = handler;
    this.#received = received;
    this.#clock = clock;
    this.#decoder = new Decoder({
      role: 'client',
      protocolVersion: options.protocolVersion,
      ...(options.properties.maximumPacketSize === undefined
        ? {}
        : { maximumPacketSize: options.properties.maximumPacketSize }),
    });
    this.#inflight = new Inflight((packet) => this.#send(packet));
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('error', (error) => this.#end({ by: 'network', message: error.message }));
    stream.on('close', () =>
      this.#end({ by: 'network', message: 'the server closed the connection' }),
    );
    stream.on('end', () => stream.destroy());
  }

  /** Sends CONNECT; resolves with CONNACK, also one that refuses. Rejects with ConnectionError. MQTT 5 §3.1 */
  connect(): Promise<ConnackPacket> {
    const { inflightMax: _, ...connect } = this.#options;
    const answered = new Promise<ConnackPacket>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.#send({ type: PacketType.Connect, isBridge: false, ...connect });
    this.#timer = this.#clock.every(1_000, () => this.#onTick());
    return answered;
  }

  /**
   * Resolves with the reason code when the exchange of its QoS is complete; at QoS 0 when the system has taken it. Waits for the
   * server's window. Rejects with ConnectionError, and with RangeError for what cannot be sent to this server.
   */
  publish(message: OutgoingMessage): Promise<number> {
    const objection = this.#objection(message);
    if (objection !== null) return Promise.reject(new RangeError(objection));
    const packet = { type: PacketType.Publish, dup: false, packetId: 0, ...message } as const;
    if (message.qos > 0) return this.#inflight.publish(packet);
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(new ConnectionError('the connection has ended'));
        return;
      }
      this.#send(packet, (error) => {
        if (error) reject(new ConnectionError(error.message));
        else resolve(ReasonCode.Success);
      });
    });
  }

  /** Resolves with a reason code for each. MQTT 5 §3.8 */
  subscribe(
    subscriptions: readonly SubscriptionRequest[],
    properties: Properties,
  ): Promise<readonly number[]> {
    return this.#inflight.request({
      type: PacketType.Subscribe,
      packetId: 0,
      subscriptions,
      properties,
    });
  }

  /** MQTT 5 §3.10 */
  unsubscribe(topicFilters: readonly string[], properties: Properties): Promise<readonly number[]> {
    return this.#inflight.request({
      type: PacketType.Unsubscribe,
      packetId: 0,
      topicFilters,
      properties,
    });
  }

  /** Sends DISCONNECT and closes when everything is written. */
  disconnect(properties: Properties = NO_PROPERTIES): void {
    if (this.#ended !== null) return;
    this.#send({
      type: PacketType.Disconnect,
      reasonCode: ReasonCode.NormalDisconnection,
      properties,
    });
    const stream = this.#stream;
    stream.end(() => stream.destroy());
    this.#end({ by: 'client' });
  }

  /** Whoever gets the messages does not keep up: nothing is read until `resume()`. */
  pause(): void {
    this.#isPaused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#pingSentAtMs = null; // its answer may lie unread
    this.#stream.resume();
  }

  #objection({ qos, retain }: OutgoingMessage): string | null {
    const { maximumQoS = 2, retainAvailable = true } = this.#connack?.properties ?? {};
    if (qos > maximumQoS) return `the server takes messages up to QoS ${maximumQoS} only`;
    return retain && !retainAvailable ? 'the server does not retain messages' : null;
  }

  #send(packet: Packet, done?: (error?: Error | null) => void): void {
    const maximum = this.#connack?.properties.maximumPacketSize;
    const bytes = encodePacket(packet, this.#options.protocolVersion, maximum);
    if (bytes === null) {
      throw new RangeError(`the server takes packets of ${maximum} bytes at most`);
    }
    this.#handler.onPacket?.('sending', packet);
    this.#sentAtMs = this.#clock.now();
    this.#stream.write(bytes, done);
  }

  /** What answers the packets of a chunk is written at once. */
  #onData(chunk: Buffer): void {
    this.#stream.cork();
    try {
      for (const packet of this.#decoder.push(chunk)) {
        if (this.#ended !== null) return;
        this.#handler.onPacket?.('received', packet);
        this.#onPacket(packet);
      }
    } catch (error) {
      const message = `the server sent what no server may send: ${(error as Error).message}`;
      this.#end({ by: 'server', reasonCode: ReasonCode.ProtocolError, message });
      this.#stream.destroy();
    } finally {
      this.#stream.uncork();
    }
  }

  #onPacket(packet: Packet): void {
    if (this.#connack === null && packet.type !== PacketType.Connack) {
      throw new Error('its first packet is not CONNACK');
    }
    switch (packet.type) {
      case PacketType.Connack:
        this.#onConnack(packet);
        return;
      case PacketType.Publish:
        this.#onPublish(packet);
        return;
      case PacketType.Pubrel:
        this.#received.delete(packet.packetId);
        this.#acknowledge(PacketType.Pubcomp, packet.packetId);
        return;
      case PacketType.Puback:
      case PacketType.Pubrec:
      case PacketType.Pubcomp:
      case PacketType.Suback:
      case PacketType.Unsuback:
        this.#inflight.onAnswer(packet);
        return;
      case PacketType.Pingresp:
        this.#pingSentAtMs = null;
        return;
      case PacketType.Disconnect:
        this.#onDisconnect(packet);
        return;
      default:
        throw new Error('it is a packet for servers');
    }
  }

  #onConnack(packet: ConnackPacket): void {
    if (this.#connack !== null) throw new Error('there is a second CONNACK');
    this.#connack = packet;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (packet.reasonCode !== ReasonCode.Success) {
      this.#end({ by: 'client' });
      this.#stream.destroy();
      waiting?.resolve(packet);
      return;
    }
    if (!packet.sessionPresent) this.#received.clear();
    const { receiveMaximum = 65_535 } = packet.properties;
    this.#inflight.open(Math.min(receiveMaximum, this.#options.inflightMax));
    if (this.#keepAliveMs > 0 && this.#keepAliveMs < 4_000) {
      this.#timer?.cancel();
      this.#timer = this.#clock.every(this.#keepAliveMs / 4, () => this.#onTick());
    }
    waiting?.resolve(packet);
  }

  #onPublish(packet: PublishPacket): void {
    if (!this.#takesMessages) return; // not acknowledged: a session that lasts keeps it
    const message = this.#withTopicName(packet);
    const isNew = packet.qos !== 2 || !this.#received.has(packet.packetId);
    if (isNew && !this.#handler.onMessage(message)) this.#takesMessages = false;
    if (this.#ended !== null) return;
    if (packet.qos === 1) this.#acknowledge(PacketType.Puback, packet.packetId);
    if (packet.qos === 2) {
      this.#received.add(packet.packetId);
      this.#acknowledge(PacketType.Pubrec, packet.packetId);
    }
  }

  /** MQTT 5 §3.3.2.3.4 */
  #withTopicName(packet: PublishPacket): PublishPacket {
    const { topicAlias } = packet.properties;
    if (topicAlias === undefined) return packet;
    if (topicAlias > (this.#options.properties.topicAliasMaximum ?? 0)) {
      throw new Error('its topic alias is larger than was allowed');
    }
    if (packet.topicName !== '') {
      this.#aliases.set(topicAlias, packet.topicName);
      return packet;
    }
    const topicName = this.#aliases.get(topicAlias);
    if (topicName === undefined) throw new Error('its topic alias stands for no topic');
    return { ...packet, topicName };
  }

  #acknowledge(type: AckPacket['type'], packetId: number): void {
    this.#send({ type, packetId, reasonCode: ReasonCode.Success, properties: NO_PROPERTIES });
  }

  #onDisconnect({ reasonCode, properties }: DisconnectPacket): void {
    const message = properties.reasonString ?? '';
    this.#end({ by: 'server', reasonCode, message });
    this.#stream.destroy();
  }

  /** MQTT 5 §3.2.2.3.14 */
  get #keepAliveMs(): number {
    return (this.#connack?.properties.serverKeepAlive ?? this.#options.keepAlive) * 1_000;
  }

  #onTick(): void {
    const nowMs = this.#clock.now();
    if (this.#connack === null) {
      if (nowMs - this.#sentAtMs < CONNACK_TIMEOUT_MS) return;
      this.#giveUp(`the server did not answer CONNECT in ${CONNACK_TIMEOUT_MS} ms`);
      return;
    }
    const keepAliveMs = this.#keepAliveMs;
    if (keepAliveMs === 0) return;
    if (this.#pingSentAtMs !== null && !this.#isPaused) {
      if (nowMs - this.#pingSentAtMs >= keepAliveMs) {
        this.#giveUp('the server does not answer PINGREQ');
        return;
      }
    }
    if (nowMs - this.#sentAtMs < keepAliveMs) return; // [MQTT-3.1.2-20]
    this.#pingSentAtMs ??= nowMs;
    this.#send({ type: PacketType.Pingreq });
  }

  #giveUp(message: string): void {
    this.#end({ by: 'network', message });
    this.#stream.destroy();
  }

  #end(ended: Ended): void {
    if (this.#ended !== null) return;
    this.#ended = ended;
    this.#timer?.cancel();
    const message = ended.by === 'client' ? 'the connection has ended' : ended.message;
    const error = new ConnectionError(message);
    this.#inflight.close(error);
    if (this.#connack === null) this.#waiting?.reject(error);
    else if (this.#connack.reasonCode === ReasonCode.Success) this.#handler.onEnd(ended);
  }
}
