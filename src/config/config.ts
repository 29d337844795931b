// The configuration as the rest of the program sees it: checked, complete and frozen.

import { DEFAULT_LIMITS, type Limits } from '../core/limits.ts';

export interface ListenerConfig {
  readonly host: string;
  readonly port: number;
}

export interface LogConfig {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'auto' | 'pretty' | 'json';
}

export interface Config {
  readonly listeners: readonly ListenerConfig[];
  readonly limits: Limits;
  readonly log: LogConfig;
}

/** What is served without a file and without flags: MQTT on this machine's loopback, and nowhere else. */
export const DEFAULT_LISTENER: ListenerConfig = { host: '127.0.0.1', port: 1883 };

export const DEFAULT_LOG: LogConfig = { level: 'info', format: 'auto' };

export const DEFAULT_CONFIG: Config = freeze({
  listeners: [DEFAULT_LISTENER],
  limits: DEFAULT_LIMITS,
  log: DEFAULT_LOG,
});

/** The same configuration, whose parts nobody can change any more. */
export function freeze(config: Config): Config {
  return Object.freeze({
    listeners: Object.freeze(config.listeners.map((listener) => Object.freeze({ ...listener }))),
    limits: Object.freeze({ ...config.limits }),
    log: Object.freeze({ ...config.log }),
  });
}
