// The command line of `iothub log`.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/quantity.ts';
import { LOG_LEVELS, LOG_MODULES, type LogLevel, type LogModule } from '../core/log-level.ts';
import { type DataOption, dataOf, parseName, toolCommand } from './tool-options.ts';

const TEN_MINUTES_MS = 600_000;
const DAY_MS = 86_400_000;
const LAST_MAX = 1_000;

export interface LogLine {
  readonly command: 'log';
  readonly data: string;
  readonly json: boolean;
  /** null: no level is changed. */
  readonly level: LogLevel | null;
  readonly module: LogModule | null;
  readonly client: string | null;
  readonly durationMs: number;
  readonly reset: boolean;
  /** Lines that were written already; null: none are shown. */
  readonly last: number | null;
  /** Also those that come. */
  readonly follow: boolean;
}

const EPILOGUE = `
Without options it says which lines the server on the data folder writes.
--level changes that for ten minutes, or as long as --for says: for everything,
for one module, or for one client ("sensor-*" for several). A client that is
followed so has its lines whatever the rest of the log is set to.
  iothub log --level debug --client sensor-17 --for 5m --tail

Exit codes: 0 done, 1 failed, 2 wrong command line, 69 no server runs there.`;

interface LogOptions extends DataOption {
  readonly json?: boolean;
  readonly level?: LogLevel;
  readonly module?: LogModule;
  readonly client?: string;
  readonly for?: number;
  readonly reset?: boolean;
  readonly last?: number;
  readonly tail?: boolean;
}

export function addLogCommand(program: Command, found: (line: LogLine) => void): void {
  toolCommand(program, 'log', 'see the log of a running server, and change what it writes')
    .addOption(new Option('--level <level>', 'write this and more for a while').choices(LOG_LEVELS))
    .addOption(new Option('--module <module>', 'only of this part').choices(LOG_MODULES))
    .option('--client <id>', 'only of this client, * for any characters', parseName)
    .option('--for <duration>', 'for so long (default: 10m; 24h at most)', parseFor)
    .option('--reset', 'write again what is configured')
    .option('--last <count>', 'show so many of the last lines', parseLast)
    .option('--tail', 'show the last lines, then each that comes, until Ctrl-C')
    .option('--json', 'as JSON')
    .addHelpText('after', EPILOGUE)
    .action((options: LogOptions, command: Command) => found(lineOf(options, command)));
}

function lineOf(options: LogOptions, command: Command): LogLine {
  const { level = null, module = null, client = null, reset = false, tail = false } = options;
  const { json = false, for: durationMs = TEN_MINUTES_MS } = options;
  const shows = tail || options.last !== undefined;
  const fail = (message: string): never => command.error(`error: ${message}`, { exitCode: 2 });
  if (reset && level !== null) fail('--reset and --level do not go together');
  if (options.for !== undefined && level === null) fail('--for goes with --level');
  if (level === null && !shows && (module !== null || client !== null)) {
    fail('--module and --client go with --level, --tail or --last');
  }
  return {
    command: 'log',
    data: dataOf(options, command),
    ...{ json, level, module, client, durationMs, reset, follow: tail },
    last: shows ? (options.last ?? 10) : null,
  };
}

function parseFor(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null && milliseconds >= 1_000 && milliseconds <= DAY_MS) return milliseconds;
  throw new InvalidArgumentError('A duration from "1s" to "24h", as "10m".');
}

function parseLast(text: string): number {
  const count = Number(text);
  if (/^\d{1,4}$/.test(text) && count <= LAST_MAX) return count;
  throw new InvalidArgumentError(`A whole number from 0 to ${LAST_MAX}.`);
}
