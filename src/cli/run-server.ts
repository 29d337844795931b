// `iothub start` and `iothub check`: configuration, log, store, then the server. Everything that can be wrong before it runs is one
// clear sentence (or one a problem) on stderr and an exit code of its own; see exit-code.ts.

import { stat } from 'node:fs/promises';
import { AccessError } from '../auth/access-error.ts';
import { ConfigError } from '../config/config-error.ts';
import { type LoadedConfig, loadConfig, type Overrides } from '../config/load.ts';
import { StoreError } from '../storage/store-folder/store-error.ts';
import { TlsMaterialError } from '../transport/tls/findings.ts';
import { start } from './commands/start.ts';
import { ExitCode } from './exit-code.ts';
import { openLog } from './logger.ts';
import type { CommandLine } from './options.ts';
import type { ConfigSource } from './reload.ts';
import { type ChosenStorage, chooseStorage } from './storage.ts';
import { readVersion } from './version.ts';

export type ServerLine = Extract<CommandLine, { readonly command: 'start' | 'check' }>;

/** The exit code. */
export async function runServer(line: ServerLine): Promise<ExitCode> {
  try {
    const { config: file = null, testConfig, ...overrides } = line.options;
    const loaded = await loadConfig(file, overrides, process.env);
    if (line.command === 'check' || testConfig === true) {
      const { check, checkWhole, describeSources } = await import('./commands/check.ts');
      if (line.command === 'check') return await check(loaded, line.json);
      await checkWhole(loaded.config);
      process.stdout.write(`ok\n${describeSources(loaded)}`);
      return ExitCode.Ok;
    }
    return await serve(loaded, () => loadAgain(file, overrides));
  } catch (error) {
    const isSaid = [ConfigError, AccessError, TlsMaterialError].some((one) => error instanceof one);
    if (!isSaid || !(error instanceof Error)) throw error;
    process.stderr.write(`${error.message}\n`);
    return ExitCode.Config;
  }
}

/** What is reloaded. A file that lost its content would be the defaults, which end the clients of all other listeners. */
async function loadAgain(file: string | null, overrides: Overrides): Promise<LoadedConfig> {
  const loaded = await loadConfig(file, overrides, process.env);
  if (loaded.file === null || (await stat(loaded.file)).size > 0) return loaded;
  const message = 'is empty; if the defaults are meant, write a comment into it';
  throw new ConfigError(loaded.file, [{ path: '', message, line: null }]);
}

/** Runs the server on the store that the configuration names. */
async function serve(
  started: LoadedConfig,
  loadAgain: () => Promise<LoadedConfig>,
): Promise<ExitCode> {
  const { config, file } = started;
  const settings = new WeakMap([[config, started.settings]]);
  const source: ConfigSource = {
    file,
    load: async () => {
      const loaded = await loadAgain();
      settings.set(loaded.config, loaded.settings);
      return loaded.config;
    },
    describe: (one) => settings.get(one)?.() ?? [],
  };
  const version = readVersion();
  let storage: ChosenStorage;
  try {
    storage = await chooseStorage(config.storage, file, version);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return error.problem === 'in-use' ? ExitCode.InUse : ExitCode.Store;
  }
  try {
    const log = await openLog(config.log).catch((error: Error) => error);
    if (log instanceof Error) {
      process.stderr.write(`the log file cannot be opened (log.file): ${log.message}\n`);
      return ExitCode.Config;
    }
    return await start(config, source, storage, log, version);
  } finally {
    await storage.release();
  }
}
