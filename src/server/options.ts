// What an embedder, or the command line, says of a server when it is made.

import type { Authenticator, Authorizer } from '../auth/auth.ts';
import type { Limits } from '../core/limits.ts';
import type { Logger } from '../core/logger.ts';
import type { QueueRule } from '../core/queue-rules.ts';
import type { QuotaRule } from '../core/quota-rules.ts';
import type { Clock } from '../lib/clock.ts';
import type { Ids } from '../lib/ids.ts';
import type { SharedStrategyName } from '../router/shared-subscription.ts';
import type { AccessRules } from '../session/access.ts';
import type { ConnectGuard } from '../session/connect-guard.ts';
import type { ConnectionLogOptions } from '../session/connection-log.ts';
import type { Storage } from '../storage/storage.ts';
import type { ListenerOptions } from '../transport/listener-options.ts';
import type { Listener } from '../transport/stream.ts';
import type { AccessOptions } from './access-control.ts';
import type { OverloadOptions } from './overload.ts';
import type { TracingOptions } from './spans/options.ts';
import type { StoreTable } from './store-table.ts';
import type { SysOptions } from './sys-topics.ts';

/** What the one who prepares access may keep in the store. */
export interface StoreTables {
  /** A table of that name, 1 to 64 of [a-z0-9_]; null: nothing is kept beyond the process. */
  table(name: string): StoreTable | null;
}

/** What is remembered of lost messages. */
export interface DropOptions {
  /** Whether the latest can be looked up. Default: yes. */
  readonly ledger?: boolean;
  /** How many of each reason, 1 to 4096. Default: 256. */
  readonly ledgerMax?: number;
}

export const DEFAULT_DROP_OPTIONS: Required<DropOptions> = { ledger: true, ledgerMax: 256 };

export interface ServerOptions {
  /**
   * Called once the store is open and before anybody can come in: for access control that needs what is stored. What it
   * returns replaces the four below. A rejection ends the start.
   */
  readonly prepareAccess?: (tables: StoreTables) => Promise<AccessOptions>;
  /** Default: none; clients come by `connect()`. A `Listener` of one's own is a door like any other. */
  readonly listeners?: readonly (ListenerOptions | Listener)[];
  readonly limits?: Partial<Limits>;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** How many clients that come and go have a line of the log each. Default: 200 lines a second. */
  readonly connectionLog?: ConnectionLogOptions;
  /** Default: everybody is let in. */
  readonly authenticator?: Authenticator;
  /** For listeners that name one; by name. */
  readonly authenticators?: Readonly<Record<string, Authenticator>>;
  /** Default: everybody may do everything. */
  readonly authorizer?: Authorizer;
  readonly accessRules?: Partial<AccessRules>;
  /** Default: nobody is banned, and failed logins have no consequence. */
  readonly guard?: ConnectGuard;
  /** Default: state lives in memory only. */
  readonly storage?: Storage;
  /** Who of a shared subscription gets a message; default `round_robin`. */
  readonly sharedStrategy?: SharedStrategyName;
  /** Other bounds than `limits` for the queues of some clients; the first rule that fits counts. */
  readonly queueRules?: readonly QueueRule[];
  /** How much some clients may do; all rules that fit one apply. Default: there are no quotas. */
  readonly quotas?: readonly QuotaRule[];
  readonly drops?: DropOptions;
  /** What the server says of itself under `$SYS`. Default: nothing. */
  readonly sys?: SysOptions;
  /** When memory is too little, and what is shed then. Default: memory is the embedder's, only the loop is watched. */
  readonly overload?: OverloadOptions;
  /** OpenTelemetry traces of messages. Default: there are none. */
  readonly tracing?: TracingOptions | null;
  readonly clock?: Clock;
  readonly ids?: Ids;
}

/** Where a client is sent by `disconnectClient`. MQTT 5 §4.11 */
export interface DisconnectOptions {
  readonly reasonString?: string;
  readonly serverReference?: string;
}
