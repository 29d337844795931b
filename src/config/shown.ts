// The configuration as it came out, key by key, and who said what of it: for operators who wonder why something is as it is. Secrets
// are never shown, nor what is an author's own (`options`) or may be a secret (`headers`).

import type { Config } from './config.ts';
import type { Origins } from './origins.ts';
import type { Setting } from './setting.ts';
import { keyOf } from './settings.ts';
import { ROOT, type Table } from './tables.ts';

/** One key of the configuration. */
export interface ShownSetting {
  /** `limits.queue_messages_max`, `listeners[0].url` */
  readonly path: string;
  /** As it would be written in the file. */
  readonly value: string;
  /** `default`, `file:line`, a variable, or a flag. */
  readonly origin: string;
}

/** More tables of an array than these are only counted: rules and groups of a plant. */
const TABLES_MAX = 1_000;
const HIDDEN = '"…"';

type Tree = Readonly<Record<string, unknown>>;

/** `raw` is what was said by all together; `file`: the configuration file, or null. */
export function shownSettings(
  config: Config,
  raw: Tree,
  origins: Origins,
  file: string | null,
): ShownSetting[] {
  const walk = new Walk(origins, file);
  walk.table(ROOT, '', config as unknown as Tree, raw);
  return walk.found;
}

class Walk {
  readonly found: ShownSetting[] = [];
  readonly #origins: Origins;
  readonly #file: string | null;

  constructor(origins: Origins, file: string | null) {
    this.#origins = origins;
    this.#file = file;
  }

  table({ settings, tables }: Table, at: string, values: Tree, raw: Tree): void {
    for (const [key, setting] of Object.entries(settings)) {
      // A listener's URL says these two as well.
      const said = raw[key] === undefined && (key === 'host' || key === 'port') ? 'url' : key;
      const origin = raw[said] === undefined ? 'default' : this.#originOf(below(at, said));
      this.#setting(setting, below(at, key), cameOut(values, raw, key), origin);
    }
    for (const [key, table] of Object.entries(tables)) {
      this.#inner(table, below(at, key), cameOut(values, raw, key), raw[key]);
    }
  }

  #setting(setting: Setting<unknown>, path: string, value: unknown, origin: string): void {
    if (value === undefined || value === null) return;
    if (setting.isSecret === true && origin === 'default') return; // of a file that another key names
    const shown = setting.isSecret === true ? HIDDEN : withoutQuery(setting.show(value));
    this.found.push({ path, value: shown, origin });
  }

  #inner(table: Table, path: string, values: unknown, raw: unknown): void {
    if (typeof values !== 'object' || values === null) return;
    if (table.form === 'array') {
      this.#array(table, path, values as readonly Tree[], (raw ?? []) as readonly Tree[]);
    } else if (table.form === 'table') {
      this.table(table, path, values as Tree, (raw ?? {}) as Tree);
    } else {
      for (const key of Object.keys(values)) this.#note(below(path, key), HIDDEN);
    }
  }

  #array(table: Table, path: string, values: readonly Tree[], raw: readonly Tree[]): void {
    if (values.length > TABLES_MAX) {
      this.#note(path, `${values.length} tables`);
      return;
    }
    for (const [i, one] of values.entries()) this.table(table, `${path}[${i}]`, one, raw[i] ?? {});
  }

  #note(path: string, value: string): void {
    this.found.push({ path, value, origin: this.#originOf(path) });
  }

  #originOf(path: string): string {
    const { line, source } = this.#origins.locate({ path, message: '', line: null });
    if (source !== undefined) return source;
    const file = this.#file ?? 'default';
    return line === null ? file : `${file}:${line}`;
  }
}

/** What follows the ? of an endpoint's URL may be a key. */
function withoutQuery(shown: string): string {
  return shown.replace(/^("https?:[^?]*\?).*"$/, '$1…"');
}

function below(at: string, key: string): string {
  return at === '' ? key : `${at}.${key}`;
}

/** What came out, or, where that has no such name, what was said. */
function cameOut(values: Tree, raw: Tree, key: string): unknown {
  const name = Object.keys(values).find((one) => keyOf(one) === key);
  return name === undefined ? raw[key] : values[name];
}
