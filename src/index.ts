// The public API of `iothub`; the wire codec is `iothub/protocol`.

export type {
  Accepted,
  AuthExchange,
  Authenticator,
  Authorizer,
  AuthStep,
  Challenge,
  Client,
  ConnectRequest,
  Decision,
  Proven,
  Refused,
} from './auth/auth.ts';
export { DROP_REASON_NAMES, type DropListener, DropReason } from './core/drop.ts';
export { DEFAULT_LIMITS, type Limits, type QueuePolicy } from './core/limits.ts';
export type { Logger } from './core/logger.ts';
export type { Metrics } from './core/metrics.ts';
export { ReasonCode } from './protocol/reason-code.ts';
export type { SharedStrategyName } from './router/shared-subscription.ts';
export type { ServerStats } from './server/contract.ts';
export {
  type DisconnectOptions,
  type ListenerOptions,
  Server,
  type ServerOptions,
} from './server/server.ts';
export type { Storage } from './storage/storage.ts';
export type { Listener, Stream, StreamSink } from './transport/stream.ts';
