// A server for one test that does nothing but let clients in, or not, as the test says; and notes who came and who has left.

import net from 'node:net';
import {
  type ConnectPacket,
  connackReturnCodeV3,
  Decoder,
  encodePacket,
  type Packet,
  PacketType,
  ReasonCode,
} from '../../src/protocol/index.ts';

/** The reason code of CONNACK; null: no answer. */
export type Verdict = (packet: ConnectPacket) => ReasonCode | null;

export class Doorkeeper {
  /** CONNECTs that came. */
  readonly seen: ConnectPacket[] = [];
  /** Of those, the client ids whose connection is closed. */
  readonly left: string[] = [];
  readonly #verdict: Verdict;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor(verdict: Verdict) {
    this.#verdict = verdict;
    this.#server = net.createServer((socket) => this.#serve(socket));
  }

  /** The port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as net.AddressInfo).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: net.Socket): void {
    const decoder = new Decoder();
    this.#sockets.add(socket);
    socket.on('error', () => {}); // the other side is gone
    socket.on('data', (chunk) => {
      for (const packet of decoder.push(chunk)) this.#on(socket, packet);
    });
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #on(socket: net.Socket, packet: Packet): void {
    if (packet.type !== PacketType.Connect) {
      socket.end();
      return;
    }
    this.seen.push(packet);
    socket.on('close', () => this.left.push(packet.clientId));
    const reasonCode = this.#verdict(packet);
    if (reasonCode === null) return;
    const { protocolVersion } = packet;
    const code = protocolVersion === 5 ? reasonCode : connackReturnCodeV3(reasonCode);
    const rest = { sessionPresent: false, properties: {} };
    const answer = { type: PacketType.Connack, reasonCode: code as ReasonCode, ...rest };
    const bytes = encodePacket(answer, protocolVersion);
    if (bytes !== null) socket.write(bytes);
    if (reasonCode !== ReasonCode.Success) socket.end();
  }
}
