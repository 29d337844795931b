// The contracts of access control: who are you (Authenticator), may you (Authorizer). Both may answer at once or with a
// promise; a promise parks that connection and nobody else. An absent one is null: everybody is anonymous and may do all.
//
// Several of each make a chain: the first that decides counts, one that has no opinion passes the question on, and what
// nobody decided is refused. Whatever fails, by an exception, a timeout or an answer that is none, refuses too.

import type { ProtocolVersion, QoS, UserProperty } from '../protocol/packet.ts';
import type { ReasonCode } from '../protocol/reason-code.ts';
import type { ClientCertificate } from '../transport/stream.ts';

/** What is known of a client when it asks to be let in. */
export interface ConnectRequest {
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  /** The Authentication Method of CONNECT; null = none. MQTT 5 §3.1.2.11.9 */
  readonly authenticationMethod: string | null;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  readonly keepAlive: number;
  readonly userProperties: readonly UserProperty[];
  /** The listener that it came in by, as it is configured: `mqtt://:1883` */
  readonly listener: string;
  /** `tcp`, `memory`, … */
  readonly transport: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** What the client showed at TLS, verified; `username` and `clientId` above are those of it, where it gives them. */
  readonly certificate: ClientCertificate | null;
  /** The client has gone since: whoever has not begun to work for it yet need not. */
  readonly isGone: boolean;
  /** It is turned away whatever it shows, since too many like it have failed, or were banned, meanwhile. The same; asked when its turn comes. */
  readonly isUnwelcome?: boolean;
}

/** Values that came with an identity: the claims of a token. */
export type Claims = Readonly<Record<string, unknown>>;

/** A rule that came with an identity, for an authorizer that goes by such; the first that fits counts. */
export interface Permission {
  readonly effect: 'allow' | 'deny';
  /** `subscribe` covers what is delivered, too; `receive` is about deliveries only. */
  readonly actions: readonly ('publish' | 'subscribe' | 'receive')[];
  /** Valid topic filters without `$share`; `%c` and `%u` stand for client id and user name. */
  readonly topicFilters: readonly string[];
  /** The highest QoS; default 2. */
  readonly qosMax?: QoS;
  /** Whether it may be, or must not be, a retained PUBLISH; default: may. */
  readonly retain?: boolean;
}

/** The client is let in. */
export interface Accepted {
  readonly reasonCode: typeof ReasonCode.Success;
  /** Who it is from now on; null = anonymous. */
  readonly username: string | null;
  /** What it belongs to, for rules; default: nothing. */
  readonly groups?: readonly string[];
  /** For rules with `${claim.…}`; default: none. */
  readonly claims?: Claims;
  /** Default: none came with it. */
  readonly permissions?: readonly Permission[];
  /** Which authenticator of a chain said so, by its name, '' for an anonymous client; set by the chain. */
  readonly by?: string;
  /** Those of `groups` that the authenticator itself said: the rest is configured; set by the chain. */
  readonly ownGroups?: readonly string[];
  /** A mark of what was accepted, by which `review` knows it again; nothing that is secret. */
  readonly credential?: string;
  /** When this ends: milliseconds of the wall clock since 1970. Then the client is disconnected with 0x87, unless it re-authenticates. */
  readonly expiresAtMs?: number;
  /** Response Information for a client that asked for it. MQTT 5 §3.2.2.3.15 */
  readonly responseInformation?: string;
}

/** The client is refused, or sent elsewhere (UseAnotherServer, ServerMoved). */
export interface Refused {
  /** 0x80 or more, as CONNACK allows; v3 clients get the return code nearest to it. */
  readonly reasonCode: ReasonCode;
  /** Goes to a v5 client: says nothing that a stranger must not know. */
  readonly reasonString?: string;
  /** For the log only: what really was the matter. */
  readonly detail?: string;
  /** Whom it was about, where what the client showed says it and CONNECT need not: failures are counted by that name. */
  readonly about?: string;
  /** MQTT 5 §4.11 */
  readonly serverReference?: string;
  readonly username?: never;
}

/** The next authenticator of the chain is asked. At the end of a chain it refuses. */
export type Next = 'next';

export type Decision = Accepted | Refused | Next;

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
  /** It ends its own waiting, so that nobody has to do that for it: what is queued before it may take longer than an answer. */
  readonly endsByItself?: boolean;
  /** Called when there is no authentication method. */
  authenticate(request: ConnectRequest): Decision | PromiseLike<Decision>;
  /**
   * Begins the method that the client named, or null if it is not offered (0x8C).
   * `username` is the identity so far when it re-authenticates, which must stay the same.
   */
  begin?(method: string, request: ConnectRequest, username: string | null): AuthExchange | null;
  /**
   * After users or rules have changed: who this client is now (the same user, other groups perhaps), or null if it would not be
   * let in any more. Absent: nothing has changed. One that `isAway` must show what it has when it comes back: until then it is
   * enough that there is such a user, so that another password takes no message from a session.
   */
  review?(client: Client, isAway?: boolean): Client | null | PromiseLike<Client | null>;
  /** It is not used any more: ends what it started. */
  close?(): void | PromiseLike<void>;
}

/** A client that was let in. */
export interface Client {
  readonly clientId: string;
  readonly username: string | null;
  /** As the authenticator said. */
  readonly groups?: readonly string[];
  readonly claims?: Claims;
  readonly permissions?: readonly Permission[];
  /** The name in its certificate, where it showed one. */
  readonly certificateName?: string | null;
  readonly by?: string;
  readonly ownGroups?: readonly string[];
  readonly credential?: string;
  readonly protocolVersion: ProtocolVersion;
  readonly remoteAddress: string;
}

/** It has no opinion: the next authorizer of the chain is asked. At the end of a chain it refuses. */
export const UNDECIDED = -1;

/** Success or another code below 0x80: allowed. 0x80 or more, as PUBACK allows: refused with it. */
export type Verdict = ReasonCode | typeof UNDECIDED;

/** What a SUBSCRIBE gets that is granted. */
export interface Grant {
  /** The subscription has this QoS at most. */
  readonly qosMax: QoS;
  /** Everything that matches the filter may be delivered: no delivery needs to be asked about. */
  readonly isWhole: boolean;
}

/** A code of 0x80 or more, as SUBACK allows, refuses; one below grants, and every delivery is asked about. */
export type SubscribeVerdict = Verdict | Grant;

/** A question, for `explain`. */
export interface AccessQuestion {
  readonly action: 'publish' | 'subscribe' | 'receive';
  /** Topic name; for `subscribe` a topic filter without `$share`. */
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
}

/** What decided, and where it is written. */
export interface Explanation {
  readonly outcome: 'allow' | 'deny' | 'undecided';
  /** The authorizer, by its name in the configuration. */
  readonly source: string;
  /** The rule as it is written, or null when no rule decided. */
  readonly rule: string | null;
  readonly file: string | null;
  /** From 1. */
  readonly line: number | null;
  /** A sentence for people: why, in one line. */
  readonly reason: string;
}

/**
 * Answers of `authorizePublish` and `authorizeReceive` are remembered per session, topic, QoS and retain, so that the message
 * path does not ask again; see `rememberMs`.
 */
export interface Authorizer {
  /** How long an answer may be remembered; default: until access changes as a whole. 0 = never. */
  readonly rememberMs?: number;
  /** After authentication: may it connect as this client? Absent: everybody may. */
  authorizeConnect?(client: Client, request: ConnectRequest): Verdict | PromiseLike<Verdict>;
  /** Asked for every PUBLISH, for a will at CONNECT, and again when it is due. */
  authorizePublish(
    client: Client,
    topicName: string,
    qos: QoS,
    retain: boolean,
  ): Verdict | PromiseLike<Verdict>;
  /** The filter is valid, and the inner one of a shared subscription. Asked again when a session is resumed. */
  authorizeSubscribe(
    client: Client,
    topicFilter: string,
    qos: QoS,
    shareName: string | null,
  ): SubscribeVerdict | PromiseLike<SubscribeVerdict>;
  /** May this be delivered? Answers at once. Absent: whoever may subscribe gets everything that matches. */
  authorizeReceive?(client: Client, topicName: string): Verdict;
  /**
   * Whether `authorizeReceive` may refuse something that matches the filter. Answers at once. Absent: nobody knows, so in a chain
   * no SUBSCRIBE on which it has no opinion is granted by one behind it that does not look at deliveries.
   */
  mayDeny?(client: Client, topicFilter: string): boolean;
  explain?(client: Client, question: AccessQuestion): Explanation | PromiseLike<Explanation>;
  /** The same about `authorizeConnect`. */
  explainConnect?(client: Client, request: ConnectRequest): Explanation | PromiseLike<Explanation>;
  /** It is not used any more: ends what it started. */
  close?(): void | PromiseLike<void>;
}
