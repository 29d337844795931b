// The public API of `iothub`; the wire codec is `iothub/protocol`.

export {
  type Accepted,
  type AccessQuestion,
  type AuthExchange,
  type Authenticator,
  type Authorizer,
  type AuthStep,
  type Challenge,
  type Claims,
  type Client,
  type ConnectRequest,
  type Decision,
  type Explanation,
  type Grant,
  type Next,
  type Permission,
  type Proven,
  type Refused,
  type SubscribeVerdict,
  UNDECIDED,
  type Verdict,
} from './auth/auth.ts';
export type { Alarm, AlarmSeverity, Alarms } from './core/alarms.ts';
export { DROP_REASON_NAMES, type DropListener, DropReason } from './core/drop.ts';
export { DEFAULT_LIMITS, type Limits, type QueueLimits, type QueuePolicy } from './core/limits.ts';
export type { Logger } from './core/logger.ts';
export type { Metrics } from './core/metrics.ts';
export type { QueueRule } from './core/queue-rules.ts';
export {
  type QuotaOver,
  type QuotaProblem,
  type QuotaRule,
  type QuotaScope,
  quotaProblems,
} from './core/quota-rules.ts';
export type { Message, Publisher } from './protocol/message.ts';
export { ReasonCode } from './protocol/reason-code.ts';
export type { SharedStrategyName } from './router/shared-subscription.ts';
export type { AccessOptions, AccessReview } from './server/access-control.ts';
export type { PurgedSession, ServerStats } from './server/contract.ts';
export type { ListenerChanges, ListenerState, ServerAddress } from './server/listeners.ts';
export type {
  DisconnectOptions,
  DropOptions,
  ServerOptions,
  StoreTables,
} from './server/options.ts';
export { Server } from './server/server.ts';
export type { TracingOptions } from './server/spans/options.ts';
export type { StoreTable } from './server/store-table.ts';
export type { AccessRules } from './session/access.ts';
export type { ConnectGuard, GuardHost, GuardTable } from './session/connect-guard.ts';
export { MemoryStorage } from './storage/memory.ts';
export {
  DeliveryState,
  type HighestNumbers,
  type MessageCodec,
  type MessageSummary,
  type QueuedDelivery,
  type RecoveredSession,
  type Recovery,
  type Storage,
  type StorageHost,
  type StoredDelivery,
  type StoredSession,
  type StoredSubscription,
  type StoredWill,
  type StoreInfo,
  type StoreStats,
  type TableEntry,
} from './storage/storage.ts';
export type { ListenerOptions, ListenerProtocol } from './transport/listener-options.ts';
export type { Listener, Stream, StreamSink } from './transport/stream.ts';
