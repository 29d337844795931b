// The configuration file: which keys there are, what they may hold, and how they must agree with each other. Names are
// snake_case; an unknown one is an error, because a misspelled limit that is silently ignored is worse than no limit.

import * as z from 'zod';
import { DEFAULT_LIMITS, type Limits } from '../core/limits.ts';
import {
  type Config,
  DEFAULT_LISTENER,
  DEFAULT_LOG,
  freeze,
  type ListenerConfig,
  type LogConfig,
} from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { nearest } from './nearest.ts';
import { formatSize } from './quantity.ts';
import type { Setting } from './setting.ts';
import { LIMIT_SETTINGS, LISTENER_SETTINGS, LOG_SETTINGS, limitKey } from './settings.ts';

const LIMIT_NAMES = Object.keys(LIMIT_SETTINGS) as (keyof Limits)[];

/** The keys of each table, in the order of the reference. */
const TABLES: Readonly<Record<string, readonly string[]>> = {
  '': ['listeners', 'limits', 'log'],
  listeners: Object.keys(LISTENER_SETTINGS),
  limits: LIMIT_NAMES.map(limitKey),
  log: Object.keys(LOG_SETTINGS),
};

/** A strict table of optional keys. */
function table<T>(settings: Readonly<Record<string, Setting<T>>>, written: string) {
  const shape: Record<string, z.ZodType<T | undefined>> = {};
  for (const [key, setting] of Object.entries(settings)) shape[key] = setting.type.optional();
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? undefined : `must be a table: ${written}`,
  });
}

const limitTable: Record<string, Setting<unknown>> = {};
for (const name of LIMIT_NAMES)
  limitTable[limitKey(name)] = LIMIT_SETTINGS[name] as Setting<unknown>;

const FILE = z.strictObject({
  listeners: z
    .array(table<unknown>(LISTENER_SETTINGS as never, '[[listeners]]'), {
      error: 'must be an array of tables: [[listeners]]',
    })
    .min(1, { error: 'at least one listener is needed; leave it out for the default' })
    .max(1_000, { error: 'there may be 1000 at most' })
    .optional(),
  limits: table(limitTable, '[limits]').optional(),
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
  for (const [other, keys] of Object.entries(TABLES)) {
    if (other !== '' && keys.includes(key)) {
      return `unknown key here; it belongs to ${other === 'listeners' ? '[[listeners]]' : `[${other}]`}`;
    }
  }
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
