// The command line, as a value. Values are checked here, so that a bad flag is a usage error and never a surprise later.

import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { LogConfig } from '../config/config.ts';
import { hostProblem } from '../config/setting.ts';
import { readVersion } from './version.ts';

export interface Options {
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
  readonly testConfig?: boolean;
  readonly logLevel?: LogConfig['level'];
}

const EPILOGUE = `
Without a configuration it serves anonymous clients on 127.0.0.1:1883.
Flags win over the file. The keys of the file: docs/config.md.

Exit codes: 0 stopped as asked, 1 failure while running, 2 wrong command line,
69 cannot listen (port in use, not allowed), 78 wrong configuration,
130 and 143 stopped at once by a second SIGINT or SIGTERM.`;

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a whole number from 0 to 65535.');
}

function parseHost(text: string): string {
  const problem = hostProblem(text);
  if (problem === null) return text;
  throw new InvalidArgumentError(`${problem}.`);
}

/** What the command line says. Throws CommanderError, also for --help and --version; its text is printed by then. */
export function parseOptions(argv: readonly string[]): Options {
  const program = new Command('iothub')
    .description('An MQTT server: MQTT 3.1, 3.1.1 and 5.0.')
    .addArgument(new Argument('[command]', 'start: run the server').choices(['start']))
    .option('-c, --config <file>', 'configuration file (TOML)')
    .option('--host <address>', 'listen on this address instead of 127.0.0.1', parseHost)
    .option('-p, --port <number>', 'listen on this port instead of 1883', parsePort)
    .option('-t, --test-config', 'check the configuration, say what is wrong, and exit')
    .addOption(
      new Option('--log-level <level>', 'the least important lines to show').choices([
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    )
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .addHelpText('after', EPILOGUE)
    .configureOutput({
      outputError: (text, write) => {
        const sentence = text
          .trim()
          .replace(/^error: /, '')
          .replace(/\.?$/, '.');
        write(`iothub: ${sentence} See iothub --help.\n`);
      },
    })
    .exitOverride();
  program.parse(argv, { from: 'user' });
  return program.opts<Options>();
}
