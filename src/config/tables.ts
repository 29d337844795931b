// The tables of the configuration, one in the other, with the settings of each. What may be written in a file, in a variable or
// in a URL is read off here, and so is the reference.

import {
  AUTHENTICATOR_SETTINGS,
  AUTHORIZER_SETTINGS,
  JWT_KEY_SETTINGS,
} from './access-settings.ts';
import { ADMIN_SETTINGS, ADMIN_TLS_SETTINGS } from './admin-settings.ts';
import {
  LISTENER_LIMIT_SETTINGS,
  LISTENER_SETTINGS,
  SNI_SETTINGS,
  SOCKET_SETTINGS,
  TLS_SETTINGS,
  WEBSOCKET_SETTINGS,
} from './listener-settings.ts';
import {
  ACCESS_SETTINGS,
  GROUP_SETTINGS,
  PENALTIES_SETTINGS,
  QUOTA_SETTINGS,
  RULE_SETTINGS,
} from './rule-settings.ts';
import { OVERLOAD_SETTINGS, SYS_SETTINGS } from './service-settings.ts';
import type { Setting } from './setting.ts';
import {
  DROPS_SETTINGS,
  keyOf,
  LIMIT_SETTINGS,
  LOG_LEVEL_SETTINGS,
  LOG_SETTINGS,
  METRICS_SETTINGS,
  QUEUE_SETTINGS,
  STORAGE_SETTINGS,
} from './settings.ts';
import { TRACING_SETTINGS } from './tracing-settings.ts';

export interface Table {
  /** One table, several (`[[…]]`), one that may hold anything, or texts under any names. */
  readonly form: 'table' | 'array' | 'free' | 'texts';
  /** By their keys in the file. */
  readonly settings: Readonly<Record<string, Setting<unknown>>>;
  readonly tables: Readonly<Record<string, Table>>;
}

function table(
  form: Table['form'],
  settings: object,
  tables: Readonly<Record<string, Table>> = {},
): Table {
  const entries = Object.entries(settings).map(([name, setting]) => [keyOf(name), setting]);
  return { form, settings: Object.fromEntries(entries), tables };
}

/** The file as a whole. */
export const ROOT = table(
  'table',
  {},
  {
    listeners: table('array', LISTENER_SETTINGS, {
      tls: table('table', TLS_SETTINGS, { sni: table('array', SNI_SETTINGS) }),
      websocket: table('table', WEBSOCKET_SETTINGS),
      socket: table('table', SOCKET_SETTINGS),
      limits: table('table', LISTENER_LIMIT_SETTINGS),
    }),
    authenticators: table('array', AUTHENTICATOR_SETTINGS, {
      keys: table('array', JWT_KEY_SETTINGS),
      headers: table('texts', {}),
      options: table('free', {}),
    }),
    authorizers: table('array', AUTHORIZER_SETTINGS, {
      headers: table('texts', {}),
      options: table('free', {}),
    }),
    rules: table('array', RULE_SETTINGS),
    groups: table('array', GROUP_SETTINGS),
    access: table('table', ACCESS_SETTINGS),
    penalties: table('table', PENALTIES_SETTINGS),
    quotas: table('array', QUOTA_SETTINGS),
    limits: table('table', LIMIT_SETTINGS),
    queues: table('array', QUEUE_SETTINGS),
    storage: table('table', STORAGE_SETTINGS, { options: table('free', {}) }),
    drops: table('table', DROPS_SETTINGS),
    metrics: table('table', METRICS_SETTINGS),
    log: table('table', LOG_SETTINGS, { levels: table('table', LOG_LEVEL_SETTINGS) }),
    admin: table('table', ADMIN_SETTINGS, { tls: table('table', ADMIN_TLS_SETTINGS) }),
    sys: table('table', SYS_SETTINGS),
    overload: table('table', OVERLOAD_SETTINGS),
    tracing: table('table', TRACING_SETTINGS, { headers: table('texts', {}) }),
  },
);

/** The keys and tables that may stand in a table, in the order of the reference. */
export function keysOf({ settings, tables }: Table): string[] {
  return [...Object.keys(settings), ...Object.keys(tables)];
}

/** How a table is headed in the file: `[listeners.tls]`, `[[queues]]`. */
export function headerOf(name: string, { form }: Table): string {
  return form === 'array' ? `[[${name}]]` : `[${name}]`;
}

/** All tables by name, without positions: `listeners.tls.sni`; the file itself is ''. */
export function allTables(name = '', root: Table = ROOT): [name: string, table: Table][] {
  const inner = Object.entries(root.tables).flatMap(([key, table]) =>
    allTables(name === '' ? key : `${name}.${key}`, table),
  );
  return [[name, root], ...inner];
}
