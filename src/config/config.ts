// The configuration as the rest of the program sees it: checked, complete and frozen.

import { DEFAULT_LIMITS, type Limits, type QueuePolicy } from '../core/limits.ts';
import type { LogLevel, LogModule } from '../core/log-level.ts';
import {
  type AccessConfig,
  type AuthenticatorConfig,
  type AuthorizerConfig,
  DEFAULT_ACCESS,
  DEFAULT_PENALTIES,
  type GroupConfig,
  type PenaltiesConfig,
  type QuotaConfig,
  type RuleConfig,
} from './access-config.ts';
import { type AdminConfig, DEFAULT_ADMIN } from './admin-config.ts';
import { DEFAULT_LISTENER, type ListenerConfig } from './listener-config.ts';
import {
  DEFAULT_OVERLOAD,
  DEFAULT_SYS,
  type OverloadConfig,
  type SysConfig,
} from './service-settings.ts';
import { DEFAULT_TRACING, type TracingConfig } from './tracing-settings.ts';

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: 'auto' | 'pretty' | 'json' | 'mosquitto';
  /** null: stdout. */
  readonly file: string | null;
  readonly connections: 'all' | 'summary';
  /** Lines a second. */
  readonly connectionsRate: number;
  /** Of modules that have another one. */
  readonly levels: Readonly<Partial<Record<LogModule, LogLevel>>>;
}

export interface StorageConfig {
  /** `lmdb`, `memory`, a path of a module (it begins with a dot or a slash), or the name of a package. */
  readonly type: string;
  /** The data folder, as it stands there: seen from where the server is started. */
  readonly path: string;
  readonly level: 'always' | 'relaxed';
  readonly commitDelayMs: number;
  /** bytes */
  readonly freeMin: number;
  /** bytes; 0 = no limit */
  readonly bytesMax: number;
  readonly strict: boolean;
  /** For a module or package that is the store: whatever stands in `[storage.options]`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What is remembered of lost messages. */
export interface DropsConfig {
  readonly ledger: boolean;
  readonly ledgerMax: number;
}

/** Other bounds for the queues of some clients; see `QueueRule`. */
export interface QueueConfig {
  readonly clientId?: string;
  readonly username?: string;
  readonly messagesMax?: number;
  readonly bytesMax?: number;
  readonly policy?: QueuePolicy;
  readonly qos0?: boolean;
}

export interface MetricsConfig {
  readonly enabled: boolean;
  /** Whose names the page has, too. */
  readonly compat: readonly ('mosquitto-exporter' | 'emqx')[];
}

export interface Config {
  readonly listeners: readonly ListenerConfig[];
  /** In the order in which they are asked, as the authorizers. */
  readonly authenticators: readonly AuthenticatorConfig[];
  /** None: whoever is let in may do all but what concerns topics that begin with `$`. */
  readonly authorizers: readonly AuthorizerConfig[];
  readonly rules: readonly RuleConfig[];
  readonly groups: readonly GroupConfig[];
  readonly access: AccessConfig;
  readonly penalties: PenaltiesConfig;
  readonly quotas: readonly QuotaConfig[];
  readonly limits: Limits;
  readonly queues: readonly QueueConfig[];
  readonly storage: StorageConfig;
  readonly drops: DropsConfig;
  readonly log: LogConfig;
  readonly metrics: MetricsConfig;
  readonly admin: AdminConfig;
  readonly sys: SysConfig;
  readonly overload: OverloadConfig;
  readonly tracing: TracingConfig;
  /** The configuration file, when secrets stand in it. */
  readonly secretsIn: string | null;
}

export const DEFAULT_LOG: LogConfig = {
  level: 'info',
  format: 'auto',
  file: null,
  connections: 'all',
  connectionsRate: 200,
  levels: {},
};

export const DEFAULT_METRICS: MetricsConfig = { enabled: true, compat: [] };

export const DEFAULT_DROPS: DropsConfig = { ledger: true, ledgerMax: 256 };

export const DEFAULT_STORAGE: StorageConfig = {
  type: 'lmdb',
  path: './data',
  level: 'always',
  commitDelayMs: 0,
  freeMin: 64 * 1_048_576,
  bytesMax: 0,
  strict: false,
  options: {},
};

export const DEFAULT_CONFIG: Config = freeze({
  listeners: [DEFAULT_LISTENER],
  authenticators: [],
  authorizers: [],
  rules: [],
  groups: [],
  access: DEFAULT_ACCESS,
  penalties: DEFAULT_PENALTIES,
  quotas: [],
  limits: DEFAULT_LIMITS,
  queues: [],
  storage: DEFAULT_STORAGE,
  drops: DEFAULT_DROPS,
  log: DEFAULT_LOG,
  metrics: DEFAULT_METRICS,
  admin: DEFAULT_ADMIN,
  sys: DEFAULT_SYS,
  overload: DEFAULT_OVERLOAD,
  tracing: DEFAULT_TRACING,
  secretsIn: null,
});

/** The same configuration, whose parts nobody can change any more. */
export function freeze({ storage, ...rest }: Config): Config {
  // What stands in the options of a store is the store's own.
  return Object.freeze({
    ...deepFreeze(structuredClone(rest)),
    storage: Object.freeze({ ...storage }),
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
