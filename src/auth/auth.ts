// The contracts of access control: who are you (Authenticator), may you (Authorizer). Both may answer at once or with a
// promise; a promise parks that connection and nobody else. An absent one is null: everybody is anonymous and may do all.

import type { ProtocolVersion, QoS, UserProperty } from '../protocol/packet.ts';
import type { ReasonCode } from '../protocol/reason-code.ts';
import type { ClientCertificate } from '../transport/stream.ts';

/** What is known of a client when it asks to be let in. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  readonly keepAlive: number;
  readonly userProperties: readonly UserProperty[];
  /** `tcp`, `memory`, … */
  readonly transport: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** What the client showed at TLS, verified; `username` and `clientId` above are those of it, where it gives them. */
  readonly certificate: ClientCertificate | null;
}

/** The client is let in. */
export interface Accepted {
  readonly reasonCode: typeof ReasonCode.Success;
  /** Who it is from now on; null = anonymous. */
  readonly username: string | null;
  /** What it belongs to, for rules; default: nothing. */
  readonly groups?: readonly string[];
  /** Response Information for a client that asked for it. MQTT 5 §3.2.2.3.15 */
  readonly responseInformation?: string;
}

/** The client is refused, or sent elsewhere (UseAnotherServer, ServerMoved). */
export interface Refused {
  /** 0x80 or more, as CONNACK allows; v3 clients get the return code nearest to it. */
  readonly reasonCode: ReasonCode;
  readonly reasonString?: string;
  /** MQTT 5 §4.11 */
  readonly serverReference?: string;
  readonly username?: never;
}

export type Decision = Accepted | Refused;

/** One more round: the data goes out in an AUTH packet. */
export interface Challenge {
  readonly reasonCode: typeof ReasonCode.ContinueAuthentication;
  readonly data: Uint8Array | null;
}

/** Done: `data` goes out with CONNACK, or with the AUTH that ends a re-authentication. */
export interface Proven extends Accepted {
  readonly data?: Uint8Array;
}

export type AuthStep = Challenge | Proven | Refused;

/** One run of an enhanced authentication. MQTT 5 §4.12. */
export interface AuthExchange {
  /** Takes the client's Authentication Data; the first call has that of CONNECT, or of the AUTH that re-authenticates. */
  step(data: Uint8Array | null): AuthStep | PromiseLike<AuthStep>;
  /** The client is gone before the end. */
  abort?(): void;
}

export interface Authenticator {
  authenticate(request: ConnectRequest): Decision | PromiseLike<Decision>;
  /**
   * Begins the method that the client named, or null if it is not offered (0x8C).
   * `username` is the identity so far when it re-authenticates.
   */
  begin?(method: string, request: ConnectRequest, username: string | null): AuthExchange | null;
}

/** A client that was let in. */
export interface Client {
  readonly clientId: string;
  readonly username: string | null;
  /** As the authenticator said. */
  readonly groups?: readonly string[];
  readonly protocolVersion: ProtocolVersion;
  readonly remoteAddress: string;
}

export interface Authorizer {
  /** Success, or NotAuthorized, or another code that PUBACK allows. Called for every PUBLISH and for wills when they are due. */
  authorizePublish(
    client: Client,
    topicName: string,
    qos: QoS,
    retain: boolean,
  ): ReasonCode | PromiseLike<ReasonCode>;
  /** Success, or NotAuthorized, or another code that SUBACK allows. The filter is the inner one of a shared subscription. */
  authorizeSubscribe(
    client: Client,
    topicFilter: string,
    qos: QoS,
    shareName: string | null,
  ): ReasonCode | PromiseLike<ReasonCode>;
}
