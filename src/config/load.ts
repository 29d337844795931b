// Reads the configuration: defaults, under the file, under the environment, under the flags. Whatever is wrong is said at once,
// in one ConfigError.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, TomlError } from 'smol-toml';
import type { RuleConfig } from './access-config.ts';
import { fillAccess } from './access-files.ts';
import { fillAdmin } from './admin-agreement.ts';
import { type Config, freeze } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { fillFromFiles, readProblem } from './files.ts';
import { Lines } from './lines.ts';
import type { ListenerConfig } from './listener-config.ts';
import { type ListenerFlag, readListenerFlag } from './listener-flag.ts';
import { formatListenerUrl } from './listener-url.ts';
import { allowInFile, checkListeners } from './loopback.ts';
import { mergeFlag, mergeListeners, mergeVariables } from './merge.ts';
import { Origins } from './origins.ts';
import { type Reading, readConfig } from './schema.ts';
import { holdsSecrets } from './secrets.ts';
import { type ShownSetting, shownSettings } from './shown.ts';

/** Larger than any sensible configuration; a mistaken path must not be read into memory. */
const FILE_BYTES_MAX = 1_048_576;

/** What was said on the command line; it wins over the rest. Values are checked where they are read. */
export interface Overrides {
  readonly host?: string;
  readonly port?: number;
  /** URLs; they stand for all other listeners. */
  readonly listeners?: readonly string[];
  readonly logLevel?: Config['log']['level'];
  /** The data folder. */
  readonly data?: string;
  readonly store?: string;
  readonly strictStore?: boolean;
  readonly metrics?: boolean;
  /** Whether the latest lost messages are kept. */
  readonly ledger?: boolean;
  /** The URL of the admin API; false: it is not served. */
  readonly admin?: string | false;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read, or null. */
  readonly file: string | null;
  /** The variables of the environment that count, by name. */
  readonly variables: readonly string[];
  /** All of it, key by key, and who said what; secrets are left out. */
  readonly settings: () => readonly ShownSetting[];
}

/**
 * The configuration of `file` (null: of IOTHUB_CONFIG, or none) with environment and overrides applied, frozen; files that it
 * names were found. Throws ConfigError.
 */
export async function loadConfig(
  file: string | null,
  overrides: Overrides = {},
  environment: Environment = {},
): Promise<LoadedConfig> {
  const workingFolder = process.cwd();
  const said = readEnvironment(environment, workingFolder);
  const used = file ?? said.file;
  const toml = used === null ? '' : await read(used);
  const raw = used === null ? {} : parseToml(toml, used);
  const secretsIn = used !== null && holdsSecrets(raw) ? used : null;
  const origins = new Origins(used === null ? null : new Lines(toml));
  const values = said.values.filter(
    ({ path }) => overrides.listeners === undefined || path[0] !== 'listeners',
  );
  const problems = [...said.problems, ...mergeVariables(raw, values, origins)];
  mergeFlags(raw, overrides, workingFolder, origins);
  const { host, port } = overrides;
  const hasListeners = [overrides.listeners, host, port].every((flag) => flag === undefined);
  const reading = readConfig(raw, folderOf(used), { hasAuthenticators: true, hasListeners });
  problems.push(...reading.problems);
  const listeners = readdress(reading.config.listeners, overrides, origins, problems);
  const rules = placed(reading.config.rules, used, origins);
  const filled = await check(
    { ...reading.config, listeners, rules, secretsIn },
    reading,
    overrides,
    origins,
  );
  problems.push(...filled.problems);
  if (problems.length > 0) throw located(used, problems, origins);
  const variables = values.map(({ variable }) => variable);
  if (file === null && used !== null) variables.unshift('IOTHUB_CONFIG');
  const settings = () =>
    shownSettings(filled.config, raw, origins, used).map((one) => ({
      ...one,
      origin: addressFlag(one.path, overrides) ?? one.origin,
    }));
  return { config: filled.config, file: used, variables, settings };
}

/**
 * The configuration that this TOML text describes, frozen. `file` is its name in messages. Neither the files that it names nor
 * the names of hosts are looked up. Throws ConfigError.
 */
export function parseConfig(toml: string, file: string): Config {
  const { config, problems } = readConfig(parseToml(toml, file), folderOf(file));
  const origins = new Origins(new Lines(toml));
  if (problems.length > 0) throw located(file, problems, origins);
  return freeze({ ...config, rules: placed(config.rules, file, origins) });
}

/** The rules with the places where they are written, for whoever asks which one decided. */
function placed(rules: readonly RuleConfig[], file: string | null, origins: Origins): RuleConfig[] {
  return rules.map((rule, index) => {
    const line = origins.lineOf(`rules[${index}]`);
    return line === null || file === null ? rule : { ...rule, file: path.resolve(file), line };
  });
}

function located(
  file: string | null,
  problems: readonly ConfigProblem[],
  origins: Origins,
): ConfigError {
  const lineOf = ({ line }: ConfigProblem): number => line ?? Number.MAX_SAFE_INTEGER;
  const found = problems.map((problem) => origins.locate(problem));
  return new ConfigError(
    file,
    found.sort((a, b) => lineOf(a) - lineOf(b)),
  );
}

function folderOf(file: string | null): string {
  return file === null ? process.cwd() : path.dirname(path.resolve(file));
}

function parseToml(toml: string, file: string): Record<string, unknown> {
  try {
    return parse(toml);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0].replace('Invalid TOML document: ', '');
    const message = `column ${error.column}: not valid TOML: ${reason}`;
    throw new ConfigError(file, [{ path: '', message, line: error.line }]);
  }
}

async function read(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw unreadable(file, readProblem(error));
  }
  if (bytes.length > FILE_BYTES_MAX)
    throw unreadable(file, 'is larger than 1 MiB: is it the right file?');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(file, 'is not UTF-8 text');
  }
}

function unreadable(file: string, message: string): ConfigError {
  return new ConfigError(file, [{ path: '', message, line: null }]);
}

function mergeFlags(
  raw: Record<string, unknown>,
  overrides: Overrides,
  workingFolder: string,
  origins: Origins,
): void {
  const { admin, listeners, logLevel, data, store, strictStore, metrics, ledger } = overrides;
  if (listeners !== undefined) {
    const flags = listeners.map((url) => readListenerFlag(url, workingFolder));
    const wrong = flags.filter((flag) => typeof flag === 'string');
    if (wrong.length > 0) {
      const problems = wrong.map((message) => ({ path: '', message, line: null }));
      throw new ConfigError(
        null,
        problems.map((p) => ({ ...p, source: '--listener' })),
      );
    }
    mergeListeners(raw, flags as ListenerFlag[], origins);
  }
  const type = store?.startsWith('.') ? path.resolve(workingFolder, store) : store;
  mergeFlag(raw, ['storage', 'type'], type, '--store', origins);
  mergeFlag(raw, ['storage', 'path'], data, '--data', origins);
  mergeFlag(raw, ['storage', 'strict'], strictStore, '--strict-store', origins);
  mergeFlag(raw, ['metrics', 'enabled'], metrics, '--no-metrics', origins);
  mergeFlag(raw, ['drops', 'ledger'], ledger, '--no-ledger', origins);
  mergeFlag(raw, ['log', 'level'], logLevel, '--log-level', origins);
  if (admin === undefined) return;
  const flag = admin === false ? '--no-admin' : '--admin';
  mergeFlag(raw, ['admin', 'enabled'], admin !== false, flag, origins);
  if (admin !== false) mergeFlag(raw, ['admin', 'url'], admin, flag, origins);
}

/** The flag that says this part of the address of the one plain listener; null: none does. */
function addressFlag(path: string, { host, port }: Overrides): string | null {
  if (path === 'listeners[0].host' && host !== undefined) return '--host';
  return path === 'listeners[0].port' && port !== undefined ? '--port' : null;
}

/** `--host` and `--port` stand for the address of the one plain listener. */
function readdress(
  listeners: readonly ListenerConfig[],
  { host, port }: Overrides,
  origins: Origins,
  problems: ConfigProblem[],
): readonly ListenerConfig[] {
  if (host === undefined && port === undefined) return listeners;
  const only = listeners[0];
  if (listeners.length > 1 || only.protocol !== 'mqtt') {
    const there =
      listeners.length > 1
        ? `there are ${listeners.length}`
        : `there is ${only.url}: use --listener`;
    const message = `--host and --port need a single listener of mqtt://, and ${there}`;
    problems.push({ path: 'listeners', message, line: null });
    return listeners;
  }
  if (host !== undefined) origins.note('listeners[0]', `--host ${host}`);
  const moved = { ...only, host: host ?? only.host, port: port ?? only.port };
  return [{ ...moved, url: formatListenerUrl(moved) }];
}

/** Looks at the files that the configuration names, and at who can reach its listeners. */
async function check(
  config: Config,
  { isSound }: Reading,
  overrides: Overrides,
  origins: Origins,
): Promise<{ config: Config; problems: readonly ConfigProblem[] }> {
  const filled = await Promise.all(
    config.listeners.map((listener, index) => fillFromFiles(listener, `listeners[${index}]`)),
  );
  const { problems, ...access } = await fillAccess(config);
  const { admin, problems: ofAdmin } = await fillAdmin(config.admin);
  const listeners = filled.map(({ listener }) => listener);
  const whole = freeze({ ...config, ...access, admin, listeners });
  // Whoever meant to ask who comes is told what is wrong with that.
  const unsaid = !isSound('authenticators')
    ? []
    : await checkListeners(whole, (index, listener) => wayOut(index, listener, overrides, origins));
  const ofListeners = filled.map((one, index) => {
    const at = `listeners[${index}]`;
    return isSound(at) ? [...one.problems, ...unsaid.filter(({ path }) => path === at)] : [];
  });
  const ofRest = [...problems, ...ofAdmin].filter(({ path }) => isSound(path));
  return { config: whole, problems: [...ofListeners.flat(), ...ofRest] };
}

/** What allows this listener to be reached, where it was said that it is there. */
function wayOut(
  index: number,
  listener: ListenerConfig,
  { host, listeners }: Overrides,
  origins: Origins,
): string {
  const said = listeners?.[index] ?? listener.url;
  if (listeners !== undefined || host !== undefined) {
    const instead = host === undefined ? '' : ' instead of --host';
    return `write --listener '${said}${said.includes('?') ? '&' : '?'}anonymous=true'${instead}`;
  }
  const at = `listeners[${index}]`;
  const isVariable = ['url', 'host'].some((key) => origins.sourceOf(`${at}.${key}`) !== undefined);
  if (isVariable) return `set IOTHUB_LISTENERS__${index}__ANONYMOUS=true`;
  return allowInFile(index, listener);
}
