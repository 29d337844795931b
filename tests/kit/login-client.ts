// Somebody who wants in, by any stream and with anything to show for himself.

import type net from 'node:net';
import {
  type ConnackPacket,
  type DisconnectPacket,
  PacketType,
  type Properties,
  type ProtocolVersion,
} from '../../src/protocol/index.ts';
import { SocketStream } from '../../src/transport/socket-stream.ts';
import type { Stream } from '../../src/transport/stream.ts';
import { PacketClient } from './packet-client.ts';
import { until } from './until.ts';

export interface Shown {
  readonly version?: ProtocolVersion;
  readonly clientId?: string;
  readonly username?: string | null;
  readonly password?: string | Uint8Array | null;
  /** v5 only. */
  readonly method?: string;
  readonly data?: string | Uint8Array;
  readonly cleanStart?: boolean;
  readonly properties?: Properties;
}

export class LoginClient extends PacketClient {
  /** On a socket of its own; its errors are nobody's. */
  static on(socket: net.Socket, version: ProtocolVersion = 5): LoginClient {
    socket.on('error', () => {});
    return new LoginClient(new SocketStream(socket, 'test'), version);
  }

  /** Sends CONNECT, and does not wait. */
  show(shown: Shown): void {
    const { clientId = 'c', username = null, password = null, cleanStart = true } = shown;
    const { method, data, properties = {} } = shown;
    this.send({
      type: PacketType.Connect,
      protocolVersion: this.version,
      isBridge: false,
      cleanStart,
      keepAlive: 0,
      clientId,
      will: null,
      username,
      password: password === null ? null : Buffer.from(password),
      properties: {
        ...properties,
        ...(method !== undefined && { authenticationMethod: method }),
        ...(data !== undefined && { authenticationData: Buffer.from(data) }),
      },
    });
  }

  /** The next AUTH says that. */
  answer(method: string, data: string | Uint8Array, reasonCode: 0x18 | 0x19 = 0x18): void {
    this.send({
      type: PacketType.Auth,
      reasonCode,
      properties: { authenticationMethod: method, authenticationData: Buffer.from(data) },
    });
  }

  /** The code of the CONNACK that comes; null: the connection ends without one. */
  async code(): Promise<number | null> {
    return (await this.connack())?.reasonCode ?? null;
  }

  async connack(): Promise<ConnackPacket | null> {
    return (await this.#comes(PacketType.Connack)) as ConnackPacket | null;
  }

  /** The same of DISCONNECT. */
  async disconnected(): Promise<number | null> {
    const packet = (await this.#comes(PacketType.Disconnect)) as DisconnectPacket | null;
    return packet?.reasonCode ?? null;
  }

  async #comes(type: PacketType) {
    const isThere = () => this.packets.some((packet) => packet.type === type);
    await until(() => isThere() || this.hasEnded);
    return isThere() ? await this.next(type) : null;
  }
}

/** What becomes of whoever shows that: the code of his CONNACK, or null; he stays if he is let in. */
export async function knock(
  stream: Stream | net.Socket,
  shown: Shown = {},
): Promise<number | null> {
  const version = shown.version ?? 5;
  const client =
    'pipe' in stream ? LoginClient.on(stream, version) : new LoginClient(stream, version);
  client.show(shown);
  return await client.code();
}
