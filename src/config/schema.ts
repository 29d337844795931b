// Reads a configuration by its tables: which keys there are, what they may hold. Names are snake_case; an unknown one is an
// error, because a misspelled limit that is silently ignored is worse than no limit.

import * as z from 'zod';
import { disagreements, type Scope } from './agreement.ts';
import { compose } from './compose.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { nearest } from './nearest.ts';
import { isWithin, type RawConfig } from './raw.ts';
import { secret } from './setting.ts';
import { allTables, headerOf, keysOf, ROOT, type Table } from './tables.ts';

const TABLES = new Map(allTables());
/** As many tables as an array may have; of rules and groups a plant has more. */
const TABLES_MAX = 1_000;
const MANY_TABLES_MAX = 100_000;
const MANY_TABLES: ReadonlySet<string> = new Set(['rules', 'groups']);

/** Under a name of the operator's: it may be a secret, so that no message shows it. */
const FREE_TEXT = secret(4_096, '').type;

const WHOLE: Scope = { hasAuthenticators: true, hasListeners: true };

const FILE = schemaOf('', ROOT);

/** A strict table of optional keys, or an array of such. */
function schemaOf(name: string, table: Table): z.ZodType {
  const header = headerOf(name, table);
  if (table.form === 'free') {
    return z.record(z.string(), z.unknown(), { error: `must be a table: ${header}` });
  }
  if (table.form === 'texts') {
    return z.record(z.string(), FREE_TEXT, { error: `must be a table: ${header}` });
  }
  const shape: Record<string, z.ZodType> = {};
  for (const [key, setting] of Object.entries(table.settings)) shape[key] = setting.type.optional();
  for (const [key, inner] of Object.entries(table.tables)) {
    shape[key] = schemaOf(name === '' ? key : `${name}.${key}`, inner).optional();
  }
  const one = z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? undefined : `must be a table: ${header}`,
  });
  if (table.form === 'table') return one;
  const max = MANY_TABLES.has(name) ? MANY_TABLES_MAX : TABLES_MAX;
  const several = z
    .array(one, { error: `must be an array of tables: ${header}` })
    .max(max, { error: `there may be ${max} at most` });
  if (name !== 'listeners') return several;
  return several.min(1, { error: 'at least one listener is needed; leave it out for the default' });
}

/** What a configuration came to. */
export interface Reading {
  /** Complete, whatever was wrong: a default stands for what could not be used. */
  readonly config: Config;
  /** They have no lines yet. */
  readonly problems: readonly ConfigProblem[];
  /** Whether nothing is wrong with this key or table, in it or around it, so that it can be looked at further. */
  isSound(path: string): boolean;
}

/** What a file says, laid over the defaults; all that is wrong with it. `base`: from where paths of files are seen. */
export function readConfig(raw: unknown, base: string, scope: Scope = WHOLE): Reading {
  const first = FILE.safeParse(raw);
  const problems = first.success ? [] : first.error.issues.flatMap(describeIssue);
  const bad = new Set(problems.map((problem) => problem.path));
  // What is right is looked at all the same, so that one run lists everything.
  const second = first.success ? first : FILE.safeParse(without(raw, '', bad));
  const file = (second.success ? second.data : {}) as RawConfig;
  const config = compose(file, base);
  const isSound = (path: string): boolean =>
    ![...bad].some((other) => other === path || isWithin(other, path) || isWithin(path, other));
  const rest = disagreements(file, config, isSound, scope).filter(({ path }) => isSound(path));
  for (const { path } of rest) bad.add(path);
  return {
    config,
    problems: [...problems, ...rest],
    isSound,
  };
}

function describeIssue(issue: z.core.$ZodIssue): ConfigProblem[] {
  const path = pathOf(issue.path);
  if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message, line: null }];
  return issue.keys.map((key) => ({
    path: path === '' ? key : `${path}.${key}`,
    message: unknownKey(key, path.replace(/\[\d+\]/g, '')),
    line: null,
  }));
}

function unknownKey(key: string, tableName: string): string {
  const table = TABLES.get(tableName) ?? ROOT;
  if (tableName === 'listeners.limits' && Object.hasOwn(ROOT.tables.limits.settings, key)) {
    return serverLimit(key);
  }
  const places = [...TABLES]
    .filter(([other, { settings }]) => other !== tableName && Object.hasOwn(settings, key))
    .map(([other, found]) => headerOf(other, found));
  if (places.length > 0) return `unknown key here; it belongs to ${places.join(' or ')}`;
  const names = keysOf(table);
  const near = nearest(key, names);
  if (near !== null) return `unknown key; did you mean ${near}?`;
  return `unknown key; known are ${names.join(', ')}`;
}

/** A limit that no listener has for itself. */
function serverLimit(key: string): string {
  const own = Object.hasOwn(ROOT.tables.listeners.settings, key)
    ? `; a listener’s own ${key} stands in its table of [[listeners]]`
    : '';
  return `holds for the whole server, so it belongs to [limits]${own}`;
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
    // An empty table instead of what is none, so that the others keep their positions.
    return raw.map((item, i) =>
      bad.has(`${path}[${i}]`) ? {} : without(item, `${path}[${i}]`, bad),
    );
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
