// Reads the configuration: defaults, under the file, under the flags. Whatever is wrong is said at once, in one ConfigError.

import { readFile } from 'node:fs/promises';
import { parse, TomlError } from 'smol-toml';
import { type Config, DEFAULT_CONFIG, freeze } from './config.ts';
import { ConfigError } from './config-error.ts';
import { Lines } from './lines.ts';
import { readConfig } from './schema.ts';

/** Larger than any sensible configuration; a mistaken path must not be read into memory. */
const FILE_BYTES_MAX = 1_048_576;

/** What was said on the command line; it wins over the file. Values are checked where they are read. */
export interface Overrides {
  readonly host?: string;
  readonly port?: number;
  readonly logLevel?: Config['log']['level'];
  /** The data folder. */
  readonly data?: string;
  readonly store?: string;
  readonly strictStore?: boolean;
}

/** The configuration of `file` (none: the defaults) with the overrides applied, frozen. Throws ConfigError. */
export async function loadConfig(file: string | null, overrides: Overrides = {}): Promise<Config> {
  const config = file === null ? DEFAULT_CONFIG : parseConfig(await read(file), file);
  return override(config, overrides, file);
}

/** The configuration that this TOML text describes, frozen. `file` is its name in messages. Throws ConfigError. */
export function parseConfig(toml: string, file: string): Config {
  const { config, problems } = readConfig(parseToml(toml, file));
  if (problems.length === 0) return config;
  const lines = new Lines(toml);
  const located = problems.map((problem) => ({ ...problem, line: lines.of(problem.path) }));
  throw new ConfigError(
    file,
    located.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
  );
}

function parseToml(toml: string, file: string): unknown {
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
    const code = (error as NodeJS.ErrnoException).code;
    throw unreadable(
      file,
      READ_PROBLEMS[code ?? ''] ?? `cannot be read: ${(error as Error).message}`,
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

function override(config: Config, overrides: Overrides, file: string | null): Config {
  const { host, port, logLevel, data, store, strictStore } = overrides;
  let listeners = config.listeners;
  if (host !== undefined || port !== undefined) {
    if (listeners.length > 1) {
      const message = `--host and --port need a single listener, and there are ${listeners.length}`;
      throw new ConfigError(file, [{ path: 'listeners', message, line: null }]);
    }
    listeners = [{ host: host ?? listeners[0].host, port: port ?? listeners[0].port }];
  }
  return freeze({
    listeners,
    limits: config.limits,
    queues: config.queues,
    storage: {
      ...config.storage,
      type: store ?? config.storage.type,
      path: data ?? config.storage.path,
      strict: strictStore ?? config.storage.strict,
    },
    log: { ...config.log, level: logLevel ?? config.log.level },
  });
}
