// What the admin API and the commands may ask of a running server about its clients, what waits for them and what is retained,
// and what they may do to those. All that goes in and comes out is JSON; what cannot be done rejects with ControlError.

import type { PurgeOutcome, ServerStats } from '../contract.ts';
import type { OverloadState } from './overload.ts';

/** Part of a list, in the order of names as JavaScript compares strings. */
export interface Page<T> {
  readonly items: readonly T[];
  /** What to give as `after` for the next page; null: this was the last one. */
  readonly next: string | null;
}

export interface PageRequest {
  readonly limit: number;
  /** Only what comes after this; null: from the beginning. */
  readonly after: string | null;
}

export type ClientState = 'connected' | 'away';

/** What is left out, or null, is anything. In names `*` stands for any characters. */
export interface ClientFilter {
  readonly clientId?: string | null;
  readonly username?: string | null;
  /** An address or a range, as `10.0.0.0/8`. */
  readonly address?: string | null;
  /** As rules call it: its name, or its URL. */
  readonly listener?: string | null;
  readonly state?: ClientState | null;
}

/** A client, connected or away with its session. */
export interface ListedClient {
  readonly clientId: string;
  readonly username: string | null;
  readonly state: ClientState;
  readonly protocolVersion: 3 | 4 | 5;
  /** null: it has not been connected since the server started. */
  readonly address: string | null;
  /** Of its last connection; null: as above. */
  readonly listener: string | null;
  /** ISO 8601; null: it is away. */
  readonly connectedAt: string | null;
  /** ISO 8601; null: it is connected. */
  readonly disconnectedAt: string | null;
  /** seconds; null = never */
  readonly sessionExpiryInterval: number | null;
  readonly subscriptions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly inflightMessages: number;
}

export interface ClientConnection {
  readonly transport: string;
  readonly address: string;
  readonly port: number;
  readonly cleanStart: boolean | null;
  /** Seconds that count; 0 = none. */
  readonly keepAlive: number;
  /** The name in the certificate that it showed; null: it showed none. */
  readonly certificateSubject: string | null;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Output that its socket has not taken yet. */
  readonly pendingBytes: number;
  /** QoS 1 and 2 messages that may be in flight to it. */
  readonly receiveMaximum: number;
  /** Its own QoS 1 and 2 messages that are not acknowledged to their end. */
  readonly unacknowledged: number;
}

/** `all`: whatever matches; `asked`: each topic is asked about; `muted`: rules let nothing through any more. */
export type SubscriptionAccessName = 'all' | 'asked' | 'muted';

export interface ControlledSubscription {
  readonly clientId: string;
  /** As its client wrote it, `$share/<name>/` included. */
  readonly topicFilter: string;
  readonly shareName: string | null;
  /** What is delivered at most, by the rules of now. */
  readonly qos: 0 | 1 | 2;
  /** What SUBACK said. */
  readonly grantedQos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** null = none */
  readonly subscriptionIdentifier: number | null;
  readonly access: SubscriptionAccessName;
}

export interface ClientWill {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** seconds */
  readonly delayInterval: number;
  readonly payloadBytes: number;
}

/** The bounds of a queue, as they are for this client. */
export interface QueueBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly policy: string;
  readonly qos0: boolean;
}

/** A quota that counts the client, and how much of it is used, by all that it counts. */
export interface ClientQuota {
  /** From 1, in the order of the configuration. */
  readonly number: number;
  readonly per: string;
  readonly over: string;
  readonly connections: number;
  /** null = no limit; the same below. */
  readonly connectionsMax: number | null;
  readonly subscriptions: number;
  readonly subscriptionsMax: number | null;
}

/** All that is known of a client but its secrets. */
export interface ClientDetail extends ListedClient {
  readonly groups: readonly string[];
  /** The authenticator that let it in; null: there is none, or it is not known any more. */
  readonly authenticator: string | null;
  /** null: it is away. */
  readonly connection: ClientConnection | null;
  readonly will: ClientWill | null;
  readonly queue: QueueBounds;
  /** Inbound QoS 2 messages between PUBLISH and PUBREL. */
  readonly inboundInflightMessages: number;
  readonly quotas: readonly ClientQuota[];
  /** The first of them by filter; `subscriptions` counts all. */
  readonly subscriptionList: readonly ControlledSubscription[];
}

export interface KickRequest {
  /** One that a server's DISCONNECT may have; default: 0x98, Administrative action. */
  readonly reasonCode?: number;
  readonly reasonString?: string | null;
  /** With 0x9C and 0x9D only. MQTT 5 §4.11 */
  readonly serverReference?: string | null;
  /** Its session goes with it. Default: no. */
  readonly endSession?: boolean;
}

export interface KickOutcome {
  readonly clientId: string;
  readonly wasConnected: boolean;
  readonly sessionEnded: boolean;
  /** Messages that waited or were in flight in it; those of shared subscriptions go to other members. */
  readonly messages: number;
}

/** A session whose client is away. */
export interface OfflineSession {
  readonly clientId: string;
  readonly username: string | null;
  readonly disconnectedAt: string;
  readonly awayForMs: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  /** How full its queue is, from 0 to 1: of its messages or its bytes, whichever is more. */
  readonly fill: number;
}

export interface ClientControl {
  list(filter: ClientFilter, page: PageRequest): Promise<Page<ListedClient>>;
  get(clientId: string): Promise<ClientDetail>;
  kick(clientId: string, request: KickRequest): Promise<KickOutcome>;
  /** The sessions of clients that are away: those that hold the most bytes, or that are away longest, first. */
  offline(order: 'bytes' | 'age', limit: number): Promise<readonly OfflineSession[]>;
  /** Ends the sessions of those that have been away for so many milliseconds. It is durable when this resolves. */
  purge(offlineForMs: number, isDryRun: boolean): Promise<PurgeOutcome>;
}

export interface SubscriptionFilter {
  /** `*` stands for any characters. */
  readonly clientId?: string | null;
  /** The same; a filter's own wildcards are as they are written. */
  readonly topicFilter?: string | null;
}

export interface ControlledTopic {
  /** A filter that somebody subscribes to (without `$share/<name>/`), or a topic that has a retained message. */
  readonly topic: string;
  readonly subscriptions: number;
  /** Of them. */
  readonly sharedSubscriptions: number;
  readonly isRetained: boolean;
}

export interface SubscriptionControl {
  list(filter: SubscriptionFilter, page: PageRequest): Promise<Page<ControlledSubscription>>;
  /** Those that a message of this topic goes to, of shared ones all members. */
  matching(topic: string, page: PageRequest): Promise<Page<ControlledSubscription>>;
  /** Topics and filters that begin with the prefix. */
  topics(prefix: string, page: PageRequest): Promise<Page<ControlledTopic>>;
}

/** Who published a message; null: the server, or nobody knows any more. */
export interface PublishedBy {
  readonly clientId: string;
  readonly username: string | null;
}

export interface ControlledRetained {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly payloadBytes: number;
  /** Topic, properties and payload, as limits count it. */
  readonly size: number;
  readonly by: PublishedBy | null;
  /** ISO 8601 */
  readonly receivedAt: string;
  /** ISO 8601; null = never */
  readonly expiresAt: string | null;
}

/** A payload, as text if it is text. */
export interface ShownPayload {
  readonly encoding: 'utf8' | 'base64';
  readonly payload: string;
  /** It is longer than what is shown. */
  readonly isClipped: boolean;
}

/** Properties of a message that its subscribers get. MQTT 5 §3.3.2.3 */
export interface MessageProperties {
  readonly payloadFormatIndicator?: 0 | 1;
  /** seconds */
  readonly messageExpiryInterval?: number;
  readonly contentType?: string;
  readonly responseTopic?: string;
  /** base64 */
  readonly correlationData?: string;
  readonly userProperties?: readonly (readonly [string, string])[];
}

export interface RetainedMessage extends ControlledRetained, ShownPayload {
  readonly properties: MessageProperties;
}

export interface RetainedControl {
  /** Those that match the filter; without one all, topics that begin with `$` included. */
  list(filter: string | null, page: PageRequest): Promise<Page<ControlledRetained>>;
  get(topic: string, payloadBytesMax: number): Promise<RetainedMessage>;
  /** Removes those that match, and tells no subscriber. It is durable when this resolves. */
  delete(filter: string, isDryRun: boolean): Promise<{ readonly messages: number }>;
}

export interface PublishRequest {
  readonly topic: string;
  readonly payload: string;
  readonly encoding?: 'utf8' | 'base64';
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly properties?: MessageProperties;
}

export interface PublishOutcome {
  /** Subscribers that it was handed to; each of them may still lose it, and then the drops say so. */
  readonly subscribers: number;
  /** It is the topic's retained message now. */
  readonly isRetained: boolean;
}

export interface QueuedMessage {
  /** From 1, the one that goes next. */
  readonly position: number;
  readonly topic: string;
  /** Topic, properties and payload, as limits count it. */
  readonly size: number;
  /** null: what the store has of it cannot be read. */
  readonly qos: 0 | 1 | 2 | null;
  readonly isShared: boolean;
  /** ISO 8601 */
  readonly receivedAt: string | null;
  readonly expiresAt: string | null;
}

export interface QueueControl {
  /** `after` is a position. A queue whose client reads moves meanwhile. */
  peek(clientId: string, page: PageRequest): Promise<Page<QueuedMessage>>;
  /** Drops what waits, and what is in flight not. It is durable when this resolves. */
  clear(clientId: string, isDryRun: boolean): Promise<{ readonly messages: number }>;
}

export interface ControlledListener {
  readonly url: string;
  readonly name: string;
  readonly state: 'open' | 'draining';
  readonly connections: number;
  readonly halfConnected: number;
  /** Connections that were not let in, by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly certificateLeftDays: number | null;
  readonly crlLeftDays: number | null;
}

export interface ServerInfo {
  readonly version: string;
  /** The runtime, as `node v20.20.2`. */
  readonly runtime: string;
  readonly pid: number;
  readonly platform: string;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly state: 'running' | 'draining';
  readonly protocolVersions: readonly string[];
  readonly features: Readonly<Record<string, boolean>>;
}

export interface StoreInfo {
  /** `lmdb`, `memory`, or as the configuration names it. */
  readonly type: string;
  /** The data folder; null: there is none. */
  readonly folder: string | null;
  /** What would have to be stored is refused now. */
  readonly isFailing: boolean;
  readonly sessions: number;
  readonly subscriptions: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly inflightMessages: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  /** What the store says of itself; null: nothing. */
  readonly disk: {
    readonly usedBytes: number;
    readonly fileBytes: number;
    readonly commits: number;
    readonly committedBytes: number;
    readonly lastCommitMs: number;
    readonly longestCommitMs: number;
  } | null;
}

export interface DrainRequest {
  /** Clients are disconnected evenly over this time; 0: none is. */
  readonly overMs: number;
  /** Where v5 clients are sent. */
  readonly serverReference?: string | null;
  /** They are to go there from now on (0x9D), not only this time (0x9C). */
  readonly isPermanent?: boolean;
}

export interface DrainState {
  readonly isDraining: boolean;
  /** ISO 8601 */
  readonly since: string | null;
  readonly serverReference: string | null;
  readonly disconnected: number;
  /** Clients that are still connected. */
  readonly left: number;
}

/** One key of the configuration that is in force. */
export interface ConfigValue {
  /** As in the file: `limits.queue_messages_max`, `listeners[0].url`. */
  readonly path: string;
  /** As it would be written in the file; a secret is not shown. */
  readonly value: string;
  /** `default`, `file:line`, the variable, or the flag. */
  readonly origin: string;
  /** It came with a reload. */
  readonly isReloaded: boolean;
}

export interface ServerAdminControl {
  listeners(): Promise<readonly ControlledListener[]>;
  info(): Promise<ServerInfo>;
  stats(): Promise<ServerStats>;
  store(): Promise<StoreInfo>;
  /** How much there is to do, and what is done without for that. */
  overload(): Promise<OverloadState>;
  config(): Promise<readonly ConfigValue[]>;
  drain(request: DrainRequest): Promise<DrainState>;
  drainState(): Promise<DrainState>;
  /** Lets clients in again. */
  undrain(): Promise<DrainState>;
}

export interface ManagementControl {
  readonly clients: ClientControl;
  readonly subscriptions: SubscriptionControl;
  readonly retained: RetainedControl;
  readonly queues: QueueControl;
  readonly server: ServerAdminControl;
  publish(request: PublishRequest): Promise<PublishOutcome>;
}
