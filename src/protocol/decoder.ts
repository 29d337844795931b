// Bytes to packets. `decodePacket` reads one packet that `Framer` has cut out; `Decoder` is both in one for library users,
// tests and tools. The server drives the framer itself and reads PUBLISH through `PublishView`.

import { type DecodeLimits, NO_LIMITS, type Role } from './decode-limits.ts';
import { Framer } from './framer.ts';
import { type Packet, PacketType, type ProtocolVersion } from './packet.ts';
import { decodeAck } from './packets/acks.ts';
import { decodeAuth } from './packets/auth.ts';
import { decodeConnack } from './packets/connack.ts';
import { decodeConnect } from './packets/connect.ts';
import { decodeDisconnect } from './packets/disconnect.ts';
import { decodePingreq, decodePingresp } from './packets/ping.ts';
import { decodePublish } from './packets/publish.ts';
import { decodeSuback } from './packets/suback.ts';
import { decodeSubscribe } from './packets/subscribe.ts';
import { decodeUnsuback } from './packets/unsuback.ts';
import { decodeUnsubscribe } from './packets/unsubscribe.ts';
import { malformed, protocolError } from './primitives.ts';

// Packets that only a server sends, as bits
const SERVERS_ONLY =
  (1 << PacketType.Connack) |
  (1 << PacketType.Suback) |
  (1 << PacketType.Unsuback) |
  (1 << PacketType.Pingresp);
const CLIENTS_ONLY =
  (1 << PacketType.Connect) |
  (1 << PacketType.Subscribe) |
  (1 << PacketType.Unsubscribe) |
  (1 << PacketType.Pingreq);

/**
 * Reads the packet whose first byte is `header` and whose body is `bytes[start..end)`, as `role` receives it. Nothing in
 * it refers to `bytes`. `version` is not used for CONNECT, which has its own. Throws ProtocolError, and nothing else.
 */
export function decodePacket(
  header: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  version: ProtocolVersion,
  limits: DecodeLimits = NO_LIMITS,
  role: Role = 'server',
): Packet {
  const type = header >> 4;
  if (((role === 'server' ? SERVERS_ONLY : CLIENTS_ONLY) & (1 << type)) !== 0) {
    throw protocolError('§2.1.2', `a ${role} does not receive packets of type ${type}`);
  }
  switch (type) {
    case PacketType.Connect:
      return decodeConnect(bytes, start, end, limits, header);
    case PacketType.Connack:
      return decodeConnack(header, bytes, start, end, version, limits);
    case PacketType.Publish:
      return decodePublish(header, bytes, start, end, version, limits, role);
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubrel:
    case PacketType.Pubcomp:
      return decodeAck(header, bytes, start, end, version, limits);
    case PacketType.Subscribe:
      return decodeSubscribe(header, bytes, start, end, version, limits);
    case PacketType.Suback:
      return decodeSuback(header, bytes, start, end, version, limits);
    case PacketType.Unsubscribe:
      return decodeUnsubscribe(header, bytes, start, end, version, limits);
    case PacketType.Unsuback:
      return decodeUnsuback(header, bytes, start, end, version, limits);
    case PacketType.Pingreq:
      return decodePingreq(header, bytes, start, end);
    case PacketType.Pingresp:
      return decodePingresp(header, bytes, start, end);
    case PacketType.Disconnect:
      return decodeDisconnect(header, bytes, start, end, version, limits, role);
    case PacketType.Auth:
      return decodeAuth(header, bytes, start, end, version, limits);
    default:
      throw malformed('§2.1.2', 'packet type 0 is reserved');
  }
}

export interface DecoderOptions {
  /** Who reads; `server` when left out. */
  readonly role?: Role;
  /** Learned from CONNECT when left out, which only a server can. */
  readonly protocolVersion?: ProtocolVersion;
  /** Bytes of one packet, fixed header included; all that MQTT allows when left out. */
  readonly maximumPacketSize?: number;
  readonly limits?: DecodeLimits;
}

/** One peer's byte stream as packets. */
export class Decoder {
  readonly #framer: Framer;
  readonly #limits: DecodeLimits;
  readonly #role: Role;
  #version: ProtocolVersion | null;
  #failure: unknown = null;

  /** Throws RangeError for a client's decoder without `protocolVersion`. */
  constructor(options: DecoderOptions = {}) {
    this.#role = options.role ?? 'server';
    this.#version = options.protocolVersion ?? null;
    if (this.#role === 'client' && this.#version === null) {
      throw new RangeError('a decoder with the role of a client needs a protocolVersion');
    }
    this.#limits = options.limits ?? NO_LIMITS;
    this.#framer = new Framer(options.maximumPacketSize ?? Number.POSITIVE_INFINITY);
  }

  /** The version that was given or learned; null before CONNECT. */
  get protocolVersion(): ProtocolVersion | null {
    return this.#version;
  }

  /**
   * Reads `chunk` at once, so that it may be reused after the call, and gives the packets that became whole. When one is
   * faulty the iterator gives those before it, then throws the ProtocolError; so does every later call.
   */
  push(chunk: Uint8Array): IterableIterator<Packet> {
    const packets: Packet[] = [];
    if (this.#failure === null) {
      try {
        this.#framer.feed(chunk, 0, chunk.length);
        while (this.#framer.next()) packets.push(this.#decode());
      } catch (error) {
        this.#failure = error;
        this.#framer.clear();
      }
    }
    return handOut(packets, this.#failure);
  }

  #decode(): Packet {
    const { header, bytes, start, end } = this.#framer;
    if (this.#version === null && header >> 4 !== PacketType.Connect) {
      throw protocolError('MQTT-3.1.0-1', 'the first packet is not CONNECT');
    }
    const version = this.#version ?? 5;
    const packet = decodePacket(header, bytes, start, end, version, this.#limits, this.#role);
    if (packet.type === PacketType.Connect) this.#version = packet.protocolVersion;
    return packet;
  }
}

function* handOut(packets: readonly Packet[], failure: unknown): IterableIterator<Packet> {
  yield* packets;
  if (failure !== null) throw failure;
}
