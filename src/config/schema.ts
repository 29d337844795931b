// The configuration file: which keys there are, what they may hold, and how they must agree with each other. Names are
// snake_case; an unknown one is an error, because a misspelled limit that is silently ignored is worse than no limit.

import * as z from 'zod';
import { DEFAULT_LIMITS, type Limits } from '../core/limits.ts';
import {
  type Config,
  DEFAULT_LISTENER,
  DEFAULT_LOG,
  DEFAULT_STORAGE,
  freeze,
  type ListenerConfig,
  type LogConfig,
  type QueueConfig,
  type StorageConfig,
} from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { nearest } from './nearest.ts';
import { formatSize } from './quantity.ts';
import type { Setting } from './setting.ts';
import {
  LIMIT_SETTINGS,
  LISTENER_SETTINGS,
  LOG_SETTINGS,
  limitKey,
  QUEUE_SETTINGS,
  STORAGE_SETTINGS,
} from './settings.ts';

const LIMIT_NAMES = Object.keys(LIMIT_SETTINGS) as (keyof Limits)[];

/** The keys of each table, in the order of the reference. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  '': ['listeners', 'limits', 'queues', 'storage', 'log'],
  listeners: Object.keys(LISTENER_SETTINGS),
  limits: LIMIT_NAMES.map(limitKey),
  queues: Object.keys(QUEUE_SETTINGS).map(limitKey),
  storage: [...Object.keys(STORAGE_SETTINGS).map(limitKey), 'options'],
  log: Object.keys(LOG_SETTINGS),
};

/** The tables of which there may be several. */
const ARRAYS: ReadonlySet<string> = new Set(['listeners', 'queues']);

/** A strict table of optional keys. */
function table<T>(settings: Readonly<Record<string, Setting<T>>>, written: string) {
  const shape: Record<string, z.ZodType<T | undefined>> = {};
  for (const [key, setting] of Object.entries(settings)) shape[key] = setting.type.optional();
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? undefined : `must be a table: ${written}`,
  });
}

/** The settings by their names in the file. */
function byKey(settings: object): Record<string, Setting<unknown>> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [
      limitKey(name),
      setting as Setting<unknown>,
    ]),
  );
}

/** What a table of the file says, by the names of the program. */
function named(settings: object, values: Readonly<Record<string, unknown>>): object {
  const entries = Object.keys(settings).map((name) => [name, values[limitKey(name)]]);
  return defined(Object.fromEntries(entries));
}

const FILE = z.strictObject({
  listeners: z
    .array(table<unknown>(LISTENER_SETTINGS as never, '[[listeners]]'), {
      error: 'must be an array of tables: [[listeners]]',
    })
    .min(1, { error: 'at least one listener is needed; leave it out for the default' })
    .max(1_000, { error: 'there may be 1000 at most' })
    .optional(),
  limits: table(byKey(LIMIT_SETTINGS), '[limits]').optional(),
  queues: z
    .array(table(byKey(QUEUE_SETTINGS), '[[queues]]'), {
      error: 'must be an array of tables: [[queues]]',
    })
    .max(1_000, { error: 'there may be 1000 at most' })
    .optional(),
  storage: table(byKey(STORAGE_SETTINGS), '[storage]')
    .extend({
      options: z
        .record(z.string(), z.unknown(), { error: 'must be a table: [storage.options]' })
        .optional(),
    })
    .optional(),
  log: table<unknown>(LOG_SETTINGS as never, '[log]').optional(),
});

/** What a file says, laid over the defaults; all that is wrong with it. Problems have no lines yet. */
export function readConfig(raw: unknown): { config: Config; problems: ConfigProblem[] } {
  const first = FILE.safeParse(raw);
  if (first.success) {
    const config = compose(first.data);
    return { config, problems: disagreements(config) };
  }
  const problems = first.error.issues.flatMap(describeIssue);
  // What is right is looked at all the same, so that one run lists everything.
  const bad = new Set(problems.map((problem) => problem.path));
  const second = FILE.safeParse(without(raw, '', bad));
  const config = compose(second.success ? second.data : {});
  const isSound = (path: string): boolean =>
    ![...bad].some(
      (other) => other === path || other.startsWith(`${path}[`) || other.startsWith(`${path}.`),
    );
  return {
    config,
    problems: [...problems, ...disagreements(config).filter((p) => isSound(p.path))],
  };
}

function compose(file: z.infer<typeof FILE>): Config {
  const limits: Record<string, unknown> = {};
  for (const name of LIMIT_NAMES)
    limits[name] = file.limits?.[limitKey(name)] ?? DEFAULT_LIMITS[name];
  return freeze({
    listeners: (file.listeners ?? [{}]).map(
      (listener) => ({ ...DEFAULT_LISTENER, ...defined(listener) }) as ListenerConfig,
    ),
    limits: limits as unknown as Limits,
    queues: (file.queues ?? []).map((queue) => named(QUEUE_SETTINGS, queue) as QueueConfig),
    storage: {
      ...DEFAULT_STORAGE,
      ...(named(STORAGE_SETTINGS, file.storage ?? {}) as Partial<StorageConfig>),
      options: (file.storage?.options ?? {}) as Readonly<Record<string, unknown>>,
    },
    log: { ...DEFAULT_LOG, ...defined(file.log ?? {}) } as LogConfig,
  });
}

function defined(table: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}

/** Settings that are fine alone and wrong together. */
function disagreements(config: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { packetSizeMax, queueBytesMax, retainedBytesMax } = config.limits;
  const packet = formatSize(packetSizeMax);
  if (queueBytesMax < packetSizeMax) {
    const message = `${formatSize(queueBytesMax)} is less than limits.packet_size_max (${packet}): the largest message would never fit`;
    problems.push({ path: 'limits.queue_bytes_max', message, line: null });
  }
  if (config.limits.retainAvailable && retainedBytesMax < packetSizeMax) {
    const message = `${formatSize(retainedBytesMax)} is less than limits.packet_size_max (${packet}): the largest message would never fit`;
    problems.push({ path: 'limits.retained_bytes_max', message, line: null });
  }
  for (const [index, { clientId, username }] of config.queues.entries()) {
    if (clientId !== undefined || username !== undefined) continue;
    const message = 'says of no client that it is for it: add client_id or username ("*" = all)';
    problems.push({ path: `queues[${index}]`, message, line: null });
  }
  const seen = new Set<string>();
  for (const [index, { host, port }] of config.listeners.entries()) {
    const address = `${host} ${port}`;
    if (port !== 0 && seen.has(address)) {
      const message = `port ${port} on ${host} is listened on already`;
      problems.push({ path: `listeners[${index}]`, message, line: null });
    }
    seen.add(address);
  }
  return problems;
}

function describeIssue(issue: z.core.$ZodIssue): ConfigProblem[] {
  const path = pathOf(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message, line: null }];
  return issue.keys.map((key) => ({
    path: path === '' ? key : `${path}.${key}`,
    message: unknownKey(key, path.replace(/\[\d+\]$/, '')),
    line: null,
  }));
}

function unknownKey(key: string, tableName: string): string {
  const names = TABLES[tableName];
  const near = nearest(key, names);
  if (near !== null) return `unknown key; did you mean ${near}?`;
  const places = Object.entries(TABLES)
    .filter(([other, keys]) => other !== '' && keys.includes(key))
    .map(([other]) => (ARRAYS.has(other) ? `[[${other}]]` : `[${other}]`));
  if (places.length > 0) return `unknown key here; it belongs to ${places.join(' or ')}`;
  return `unknown key; known are ${names.join(', ')}`;
}

function pathOf(parts: readonly PropertyKey[]): string {
  let path = '';
  for (const part of parts) {
    if (typeof part === 'number') path += `[${part}]`;
    else path += path === '' ? String(part) : `.${String(part)}`;
  }
  return path;
}

/** A copy of the raw file without the paths that are bad. */
function without(raw: unknown, path: string, bad: ReadonlySet<string>): unknown {
  if (Array.isArray(raw)) {
    return raw
      .map((item, i) => without(item, `${path}[${i}]`, bad))
      .filter((_, i) => !bad.has(`${path}[${i}]`));
  }
  if (typeof raw !== 'object' || raw === null || raw instanceof Date) return raw;
  const entries = Object.entries(raw).map(([key, value]) => ({
    key,
    value,
    at: path === '' ? key : `${path}.${key}`,
  }));
  return Object.fromEntries(
    entries
      .filter(({ at }) => !bad.has(at))
      .map(({ key, value, at }) => [key, without(value, at, bad)]),
  );
}
