// What an embedder, or the command line, says of a server when it is made.

import type { Authenticator, Authorizer } from '../auth/auth.ts';
import type { Limits } from '../core/limits.ts';
import type { Logger } from '../core/logger.ts';
import type { QueueRule } from '../core/queue-rules.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { SharedStrategyName } from '../router/shared-subscription.ts';
import type { AccessRules } from '../session/access.ts';
import type { Storage } from '../storage/storage.ts';
import type { ListenerOptions } from '../transport/listener-options.ts';
import type { Listener } from '../transport/stream.ts';

export interface ServerOptions {
  /** Default: none; clients come by `connect()`. A `Listener` of one's own is a door like any other. */
  readonly listeners?: readonly (ListenerOptions | Listener)[];
  readonly limits?: Partial<Limits>;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: everybody is let in. */
  readonly authenticator?: Authenticator;
  /** For listeners that name one; by name. */
  readonly authenticators?: Readonly<Record<string, Authenticator>>;
  /** Default: everybody may do everything. */
  readonly authorizer?: Authorizer;
  readonly accessRules?: Partial<AccessRules>;
  /** Default: state lives in memory only. */
  readonly storage?: Storage;
  /** Who of a shared subscription gets a message; default `round_robin`. */
  readonly sharedStrategy?: SharedStrategyName;
  /** Other bounds than `limits` for the queues of some clients; the first rule that fits counts. */
  readonly queueRules?: readonly QueueRule[];
  readonly clock?: Clock;
  readonly ids?: Ids;
}

/** Where a client is sent by `disconnectClient`. MQTT 5 §4.11 */
export interface DisconnectOptions {
  readonly reasonString?: string;
  readonly serverReference?: string;
}
