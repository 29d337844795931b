// What is known of a client while it is not let in yet, for those who decide about it. It is kept for a re-authentication and
// for a change of access, without the password: nobody needs that any more.

import type { ConnectRequest } from '../auth/auth.ts';
import type { ConnectPacket, ProtocolVersion, UserProperty } from '../protocol/packet.ts';
import type { ClientCertificate } from '../transport/stream.ts';
import type { Connection } from './connection.ts';

export class Newcomer implements ConnectRequest {
  readonly clientId: string;
  readonly username: string | null;
  readonly authenticationMethod: string | null;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  readonly keepAlive: number;
  readonly userProperties: readonly UserProperty[];
  /** When its CONNECT came; monotonic milliseconds. */
  readonly arrivedMs: number;
  readonly #connection: Connection;
  #password: Uint8Array | null;

  constructor(connection: Connection, packet: ConnectPacket) {
    const { context, stream } = connection;
    const { certificate } = stream;
    const named = certificate?.clientId ?? packet.clientId;
    this.#connection = connection;
    this.#password = packet.password;
    this.arrivedMs = connection.lastReceivedMs;
    this.clientId = named === '' ? `auto-${context.ids.uuid()}` : named; // [MQTT-3.2.2-16]
    this.username = certificate?.username ?? packet.username;
    this.authenticationMethod = packet.properties.authenticationMethod ?? null;
    this.protocolVersion = packet.protocolVersion;
    this.cleanStart = packet.cleanStart;
    this.keepAlive = packet.keepAlive;
    this.userProperties = packet.properties.userProperties ?? [];
  }

  /** null also once the client was let in. */
  get password(): Uint8Array | null {
    return this.#password;
  }

  get listener(): string {
    return this.#connection.owner.ruleName;
  }

  get transport(): string {
    return this.#connection.stream.transport;
  }

  get remoteAddress(): string {
    return this.#connection.stream.remoteAddress;
  }

  get remotePort(): number {
    return this.#connection.stream.remotePort;
  }

  get certificate(): ClientCertificate | null {
    return this.#connection.stream.certificate;
  }

  get isGone(): boolean {
    return !this.#connection.isOpen;
  }

  /** Never once it was let in. */
  get isUnwelcome(): boolean {
    const { context, session } = this.#connection;
    return session === null && context.guard?.isUnwelcome(this) === true;
  }

  forgetPassword(): void {
    this.#password = null;
  }
}
