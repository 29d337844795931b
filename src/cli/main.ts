#!/usr/bin/env node
// The command `iothub`: flags, configuration, log, then the server. Everything that can be wrong before it runs is one clear
// sentence (or one a problem) on stderr and an exit code of its own; see exit-code.ts.

import { CommanderError } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { loadConfig } from '../config/load.ts';
import { start } from './commands/start.ts';
import { ExitCode } from './exit-code.ts';
import { createLogger } from './logger.ts';
import { type Options, parseOptions } from './options.ts';
import { readVersion } from './version.ts';

/** How long an exit waits for what should have ended by itself. */
const LINGER_MS = 2_000;

async function main(argv: readonly string[]): Promise<ExitCode> {
  let options: Options;
  try {
    options = parseOptions(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
  }
  try {
    const { config: file = null, testConfig, host, port, logLevel } = options;
    const config = await loadConfig(file, { host, port, logLevel });
    if (testConfig === true) {
      process.stdout.write('ok\n');
      return ExitCode.Ok;
    }
    return await start(config, createLogger(config.log), readVersion());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return ExitCode.Config;
  }
}

/** Ends by itself, so that the last lines get out; whatever keeps the process alive longer is cut off. */
function exitWith(exitCode: ExitCode): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

// Nobody reads stdout or stderr any more (EPIPE): no reason to stop serving.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

main(process.argv.slice(2)).then(exitWith, (error: unknown) => {
  process.stderr.write(`IoTHub failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  exitWith(ExitCode.Runtime);
});
