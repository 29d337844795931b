// Every bound of the server, with its default: a queue has a limit in messages and bytes, a wait a timeout, a table a cap.
// The names here are the names in the config file (there in snake_case), in metrics and in messages to operators.

/**
 * What happens when a session's queue is full; `keep-latest-per-topic` keeps one message of each topic at any time, and drops
 * the oldest when that is too many.
 */
export type QueuePolicy = 'drop-new' | 'drop-oldest' | 'keep-latest-per-topic' | 'disconnect';

export interface Limits {
  /** Bytes of one inbound control packet, fixed header included; announced as Maximum Packet Size (v5). */
  readonly packetSizeMax: number;
  /** Bytes of CONNECT, and of everything else that a client sends before it is accepted. */
  readonly unacceptedBytesMax: number;
  /** Bytes of a topic name or filter. */
  readonly topicLengthMax: number;
  /** Levels of a topic name or filter. */
  readonly topicLevelsMax: number;
  /** User properties in one inbound packet. */
  readonly userPropertiesMax: number;
  /** Connections, half-connected ones included. */
  readonly connectionsMax: number;
  /** Connections of one listener whose CONNECT is not in yet. */
  readonly halfConnectedMax: number;
  /** Milliseconds that the event loop may be late, smoothed; beyond it no new connection is let in. 0 = always. */
  readonly loopLagMaxMs: number;
  /** Milliseconds until CONNECT must be accepted; waiting for access control does not count. */
  readonly connectTimeoutMs: number;
  /** Milliseconds that an authorizer, or an authenticator that does not end by itself, may take; then its connection is closed. */
  readonly answerTimeoutMs: number;
  /** Seconds; a v5 client that asks for more (or for none) is told this as Server Keep Alive; v3 clients, who cannot be told, keep their own. 0 = no limit. */
  readonly keepAliveMax: number;
  /** Seconds; a longer session expiry is cut to this, also `never`, and that of v3 sessions with clean session 0. */
  readonly sessionExpiryMax: number;
  /** Sessions, connected or not. */
  readonly sessionsMax: number;
  /** Subscriptions of one session. */
  readonly subscriptionsPerClientMax: number;
  /** Topic filters in one SUBSCRIBE or UNSUBSCRIBE. */
  readonly filtersPerPacketMax: number;
  /** QoS 1 and 2 messages in flight to one client, at most its Receive Maximum. */
  readonly inflightMessagesMax: number;
  /** QoS 1 and 2 messages a v5 client may have unacknowledged; announced as Receive Maximum. */
  readonly receiveMaximum: number;
  /** Highest topic alias accepted from a client; announced as Topic Alias Maximum. */
  readonly topicAliasMax: number;
  /** Highest topic alias used towards a client, at most what it allows. */
  readonly topicAliasOutboundMax: number;
  /** Messages waiting behind one session's in-flight window. */
  readonly queueMessagesMax: number;
  /** Bytes of those messages. */
  readonly queueBytesMax: number;
  readonly queuePolicy: QueuePolicy;
  /** Whether QoS 0 messages are queued for sessions that are not connected. */
  readonly queueQos0: boolean;
  /** Bytes waiting for one connection's socket; past it QoS 0 is dropped, QoS 1 and 2 stay queued, and it is not read. */
  readonly outputBytesMax: number;
  /** Milliseconds without progress of a pending write until the connection is closed. */
  readonly writeTimeoutMs: number;
  readonly retainedMessagesMax: number;
  readonly retainedBytesMax: number;
  /** Highest QoS accepted in PUBLISH; announced as Maximum QoS (v5). */
  readonly qosMax: 0 | 1 | 2;
  readonly retainAvailable: boolean;
  readonly wildcardSubscriptionAvailable: boolean;
  readonly sharedSubscriptionAvailable: boolean;
  readonly subscriptionIdentifiersAvailable: boolean;
  /** Whether payloads that claim to be UTF-8 are checked (0x99). MQTT 5 §3.3.2.3.2 */
  readonly checkPayloadFormat: boolean;
  /** Milliseconds that a graceful stop may take. */
  readonly shutdownTimeoutMs: number;
}

/** The bounds of one session's queue: the server's, or what a rule or the client itself says instead. */
export type QueueLimits = Pick<
  Limits,
  'queueMessagesMax' | 'queueBytesMax' | 'queuePolicy' | 'queueQos0'
>;

export const DEFAULT_LIMITS: Limits = {
  packetSizeMax: 2_000_000,
  unacceptedBytesMax: 65_536,
  topicLengthMax: 1_024,
  topicLevelsMax: 128,
  userPropertiesMax: 64,
  connectionsMax: 100_000,
  halfConnectedMax: 1_000,
  loopLagMaxMs: 1_000,
  connectTimeoutMs: 10_000,
  answerTimeoutMs: 10_000,
  keepAliveMax: 0,
  sessionExpiryMax: 7 * 86_400,
  sessionsMax: 1_000_000,
  subscriptionsPerClientMax: 10_000,
  filtersPerPacketMax: 1_000,
  inflightMessagesMax: 32,
  receiveMaximum: 100,
  topicAliasMax: 32,
  topicAliasOutboundMax: 32,
  queueMessagesMax: 1_000,
  queueBytesMax: 8 * 1_048_576,
  queuePolicy: 'drop-new',
  queueQos0: false,
  outputBytesMax: 1_048_576,
  writeTimeoutMs: 60_000,
  retainedMessagesMax: 1_000_000,
  retainedBytesMax: 512 * 1_048_576,
  qosMax: 2,
  retainAvailable: true,
  wildcardSubscriptionAvailable: true,
  sharedSubscriptionAvailable: true,
  subscriptionIdentifiersAvailable: true,
  checkPayloadFormat: false,
  shutdownTimeoutMs: 25_000,
};
