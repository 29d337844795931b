// Reads the configuration: defaults, under the file, under the flags. Whatever is wrong is said at once, in one ConfigError.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { type Config, freeze } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { Lines } from './lines.ts';
import type { ListenerConfig } from './listener-config.ts';
import { formatListenerUrl } from './listener-url.ts';
import { Origins } from './origins.ts';
import { readConfig } from './schema.ts';

/** Larger than any sensible configuration; a mistaken path must not be read into memory. */
const FILE_BYTES_MAX = 1_048_576;

/** What was said on the command line; it wins over the rest. Values are checked where they are read. */
export interface Overrides {
  readonly host?: string;
  readonly port?: number;
  readonly logLevel?: Config['log']['level'];
  /** The data folder. */
  readonly data?: string;
  readonly store?: string;
  readonly strictStore?: boolean;
}

/** The configuration of `file` (null: none) with the overrides applied, frozen. Throws ConfigError. */
export async function loadConfig(file: string | null, overrides: Overrides = {}): Promise<Config> {
  const toml = file === null ? '' : await read(file);
  const raw = file === null ? {} : parseToml(toml, file);
  const origins = new Origins(file === null ? null : new Lines(toml));
  const reading = readConfig(raw, folderOf(file));
  const problems = [...reading.problems];
  const listeners = readdress(reading.config.listeners, overrides, origins, problems);
  if (problems.length > 0) throw located(file, problems, origins);
  const { storage, log } = reading.config;
  const { logLevel, data, store, strictStore } = overrides;
  return freeze({
    ...reading.config,
    listeners,
    storage: {
      ...storage,
      type: store ?? storage.type,
      path: data ?? storage.path,
      strict: strictStore ?? storage.strict,
    },
    log: { ...log, level: logLevel ?? log.level },
  });
}

/**
 * The configuration that this TOML text describes, frozen. `file` is its name in messages. Neither the files that it names nor
 * the names of hosts are looked up. Throws ConfigError.
 */
export function parseConfig(toml: string, file: string): Config {
  const { config, problems } = readConfig(parseToml(toml, file), folderOf(file));
  if (problems.length > 0) throw located(file, problems, new Origins(new Lines(toml)));
  return config;
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
    throw unreadable(
      file,
      READ_PROBLEMS[(error as NodeJS.ErrnoException).code ?? ''] ??
        `cannot be read: ${(error as Error).message}`,
    );
  }
  if (bytes.length > FILE_BYTES_MAX)
    throw unreadable(file, 'is larger than 1 MiB: is it the right file?');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(file, 'is not UTF-8 text');
  }
}

const READ_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'may not be read by this user',
  EISDIR: 'is a directory, not a file',
};

function unreadable(file: string, message: string): ConfigError {
  return new ConfigError(file, [{ path: '', message, line: null }]);
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
    const there = listeners.length > 1 ? `there are ${listeners.length}` : `there is ${only.url}`;
    const message = `--host and --port need a single listener of mqtt://, and ${there}`;
    problems.push({ path: 'listeners', message, line: null });
    return listeners;
  }
  if (host !== undefined) origins.note('listeners[0]', `--host ${host}`);
  const moved = { ...only, host: host ?? only.host, port: port ?? only.port };
  return [{ ...moved, url: formatListenerUrl(moved) }];
}
