// A listener on the command line: its URL, with options as parameters: `mqtts://:8883?cert=server.pem&key=server.key`. Every
// key of a listener and of its tables that is no table itself can be one, with dashes for underscores; never a secret, since
// others on the machine can read the command line.

import path from 'node:path';
import { formatListenerUrl, parseListenerUrl, withoutSecrets } from './listener-url.ts';
import { nearest } from './nearest.ts';
import { readConfig } from './schema.ts';
import type { Setting } from './setting.ts';
import { ROOT } from './tables.ts';

/** What one `--listener` says, as a table of the file would. */
export interface ListenerFlag {
  readonly table: Readonly<Record<string, unknown>>;
  /** The name of the parameter, by the path of the key in the table: `tls.cert`. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The URL as it may be shown. */
  readonly shown: string;
}

interface Parameter {
  /** The table of the listener it belongs to; null: the listener's own. */
  readonly table: string | null;
  readonly key: string;
  readonly setting: Setting<unknown>;
}

/** What the URL says before its question mark. */
const IN_ADDRESS: ReadonlySet<string> = new Set(['url', 'host', 'port']);

/** What a flag names is in the rest of the configuration. */
const ALONE = { hasAuthenticators: false, hasListeners: true };

const PARAMETERS = parameters();

function parameters(): ReadonlyMap<string, Parameter> {
  const found = new Map<string, Parameter>();
  const { settings, tables } = ROOT.tables.listeners;
  const own = Object.entries(settings).filter(([key]) => !IN_ADDRESS.has(key));
  const note = (table: string | null, key: string, setting: Setting<unknown>): void => {
    found.set(key.replaceAll('_', '-'), { table, key, setting });
  };
  for (const [key, setting] of own) note(null, key, setting);
  for (const [table, { settings: inner }] of Object.entries(tables)) {
    for (const [key, setting] of Object.entries(inner)) note(table, key, setting);
  }
  return found;
}

/** Reads it completely, or says what is wrong with it. `workingFolder`: from where paths of files in it are seen. */
export function readListenerFlag(text: string, workingFolder: string): ListenerFlag | string {
  const url = parseListenerUrl(text);
  if (typeof url === 'string') return url;
  const table: Record<string, unknown> = { url: formatListenerUrl(url) };
  const names = new Map<string, string>();
  const shown = withoutSecrets(text);
  for (const [name, value] of url.parameters) {
    const parameter = PARAMETERS.get(name);
    const problem = parameterProblem(name, parameter);
    if (problem !== null || parameter === undefined) return `${JSON.stringify(shown)}: ${problem}`;
    const { table: inner, key, setting } = parameter;
    const place = inner === null ? key : `${inner}.${key}`;
    if (names.has(place)) return `${JSON.stringify(shown)}: ${name} is said twice`;
    names.set(place, name);
    if (inner !== null) table[inner] ??= {};
    const into = inner === null ? table : (table[inner] as Record<string, unknown>);
    into[key] =
      setting.path === 'file' && value !== ''
        ? path.resolve(workingFolder, value)
        : setting.fromText(value);
  }
  const { problems } = readConfig({ listeners: [table] }, workingFolder, ALONE);
  if (problems.length === 0) return { table, parameters: names, shown };
  const sentences = problems.map((problem) => {
    const name = names.get(problem.path.replace(/^listeners\[0\]\.?/, ''));
    return name === undefined ? problem.message : `${name}: ${problem.message}`;
  });
  return `${JSON.stringify(shown)}: ${sentences.join('; ')}`;
}

function parameterProblem(name: string, parameter: Parameter | undefined): string | null {
  if (parameter?.setting.isSecret) {
    return `a passphrase on the command line can be read by others on this machine: write ${name}-file=PATH, or describe the listener in the configuration file or the environment, which have key_passphrase and IOTHUB_LISTENERS__0__TLS__KEY_PASSPHRASE`;
  }
  if (parameter !== undefined) return null;
  if (IN_ADDRESS.has(name)) return `${name} stands before the ?, as in mqtt://127.0.0.1:1883`;
  const known = [...PARAMETERS].filter(([, { setting }]) => !setting.isSecret).map(([one]) => one);
  const near = nearest(name, known);
  return near === null
    ? `unknown parameter ${JSON.stringify(name)}; known are ${known.join(', ')}`
    : `unknown parameter ${JSON.stringify(name)}; did you mean ${near}?`;
}
