// What `iothub pub`, `iothub sub` and `iothub bench` share when they run: the files of TLS, the client id, what is said on stderr, and exit codes.

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ClientHandler, ClientOptions } from '../../client/client.ts';
import type { ClientTls } from '../../client/dial.ts';
import { type Packet, PacketType } from '../../protocol/packet.ts';
import { reasonCodeName } from '../../protocol/reason-code-table.ts';
import type { ConnectionLine } from '../client-line.ts';
import { escapeHarmful } from '../escape.ts';

/** Time for the connection to be there, TLS and WebSocket included. */
export const DIAL_TIMEOUT_MS = 30_000;

/** A file on the command line cannot be read. */
export class FileProblem extends Error {}

export async function readNamed(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new FileProblem(`${path}: ${code === 'ENOENT' ? 'there is no such file' : message}`);
  }
}

export async function tlsOf({ cafile, cert, key, isInsecure }: ConnectionLine): Promise<ClientTls> {
  return {
    ...(cafile === null ? {} : { ca: await readNamed(cafile) }),
    ...(cert === null ? {} : { cert: await readNamed(cert) }),
    ...(key === null ? {} : { key: await readNamed(key) }),
    isInsecure,
  };
}

export function clientOptions(line: ConnectionLine, inflightMax: number): ClientOptions {
  const { protocolVersion, cleanStart, keepAlive, username, password, will, properties } = line;
  return {
    ...{ protocolVersion, cleanStart, keepAlive, username, inflightMax },
    clientId: clientIdOf(line),
    password: password === null ? null : Buffer.from(password),
    will:
      will === null
        ? null
        : { ...will, payload: Buffer.from(will.payload), properties: properties.will },
    properties: properties.connect,
  };
}

/** A made up one has 23 characters at most, all that MQTT 3.1 lets it have. */
function clientIdOf({ clientId, clientIdPrefix }: ConnectionLine): string {
  if (clientId !== null) return clientId;
  if (clientIdPrefix !== null) return `${clientIdPrefix}${process.pid}`;
  return `iothub-${randomBytes(8).toString('hex')}`;
}

/** Says something on stderr, unless it is to be quiet. */
export function complain(name: 'pub' | 'sub', line: ConnectionLine, sentence: string): void {
  if (line.isQuiet) return;
  process.stderr.write(`iothub ${name}: ${escapeHarmful(sentence)}\n`);
}

const V3_REFUSALS: readonly string[] = [
  'accepted',
  'unacceptable protocol version',
  'the client id is not allowed',
  'the server is not available',
  'wrong user name or password',
  'not authorized',
];

export interface Refusal {
  readonly packet: 'CONNACK' | 'SUBACK' | 'PUBACK' | 'DISCONNECT';
  readonly reasonCode: number;
  readonly message: string;
}

const REFUSALS: Readonly<Record<Refusal['packet'], string>> = {
  CONNACK: 'the server refuses the connection',
  SUBACK: 'the server refuses every subscription',
  PUBACK: 'the server refuses the message',
  DISCONNECT: 'the server ends the connection',
};

/** What the server meant, for people. */
export function refusalSentence(
  { packet, reasonCode, message }: Refusal,
  { protocolVersion }: ConnectionLine,
): string {
  const isV3 = protocolVersion !== 5;
  const name = isV3 ? (V3_REFUSALS[reasonCode] ?? 'failure') : reasonCodeName(reasonCode);
  const code = isV3 ? reasonCode : `0x${reasonCode.toString(16).padStart(2, '0')}`;
  return `${REFUSALS[packet]}: ${name} (${code})${message === '' ? '' : `: ${message}`}`;
}

/** Packets as lines on stderr, for -d. */
export function packetLog(line: ConnectionLine): ClientHandler['onPacket'] {
  if (!line.isDebug || line.isQuiet) return null;
  return (direction, packet) => {
    process.stderr.write(`${direction} ${escapeHarmful(describePacket(packet))}\n`);
  };
}

const NAMES = Object.fromEntries(
  Object.entries(PacketType).map(([name, type]) => [type, name.toUpperCase()]),
);

function describePacket(packet: Packet): string {
  const name = NAMES[packet.type];
  switch (packet.type) {
    case PacketType.Connect:
      return `${name} (client id ${packet.clientId})`;
    case PacketType.Publish: {
      const { dup, qos, retain, packetId, topicName, payload } = packet;
      const flags = `d${Number(dup)}, q${qos}, r${Number(retain)}, m${packetId}`;
      return `${name} (${flags}, '${topicName}', … (${payload.length} bytes))`;
    }
    case PacketType.Subscribe: {
      const filters = packet.subscriptions.map(({ topicFilter, qos }) => `${topicFilter} q${qos}`);
      return `${name} (m${packet.packetId}, ${filters.join(', ')})`;
    }
    case PacketType.Unsubscribe:
      return `${name} (m${packet.packetId}, ${packet.topicFilters.join(', ')})`;
    case PacketType.Suback:
    case PacketType.Unsuback:
      return `${name} (m${packet.packetId}, ${packet.reasonCodes.join(', ')})`;
    case PacketType.Connack:
    case PacketType.Disconnect:
      return `${name} (${packet.reasonCode})`;
    case PacketType.Pingreq:
    case PacketType.Pingresp:
    case PacketType.Auth:
      return name;
    default:
      return `${name} (m${packet.packetId}, ${packet.reasonCode})`;
  }
}
