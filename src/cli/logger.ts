// The log of the command: pino makes JSON lines; they go to stdout or to a file, as they are or as lines for people. A reader that
// is slow or gone must never hold up or end the server. Levels change while it runs: see log/levels.ts.

import { pino, stdSerializers, stdTimeFunctions } from 'pino';
import { DEFAULT_LOG, type LogConfig } from '../config/config.ts';
import type { Logger } from '../core/logger.ts';
import { type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';
import type { LogControl } from '../server/contract/log.ts';
import { escapeHarmful } from './escape.ts';
import { LevelledLogger } from './log/levelled-logger.ts';
import { LogLevels } from './log/levels.ts';
import { LineWriter, type LogOutput } from './log/line-writer.ts';
import { LogFile } from './log/log-file.ts';
import { mosquittoLines } from './log/mosquitto-line.ts';
import { RecentLines } from './log/recent-lines.ts';
import { unblocked } from './log/terminal.ts';
import { prettyLine } from './pretty.ts';

/** The log of a process: where it goes, and what of it is written. */
export interface Log {
  readonly logger: Logger;
  readonly levels: LogLevels;
  readonly control: LogControl;
  /** Goes on in the file of that name, when the log goes to a file: somebody may have renamed it. */
  reopen(): Promise<void>;
  /** Writes what waits, at once: the process ends. */
  flushSync(): void;
}

/** The log that the configuration asks for. Rejects with the system's error when its file cannot be opened. */
export async function openLog(config: LogConfig): Promise<Log> {
  if (config.file === null) return createLog(config, unblocked(process.stdout));
  const complaints = unblocked(process.stderr);
  const file = await LogFile.open(config.file, (sentence) => {
    complaints.write(`iothub: ${sentence}\n`);
  });
  const log = createLog(config, file);
  return {
    ...log,
    reopen: () => file.reopen(),
    flushSync: () => file.flushSync(),
  };
}

/** The same, writing to `output`. */
export function createLog(
  said: Partial<LogConfig>,
  output: LogOutput,
  clock: Clock = SYSTEM_CLOCK,
): Log {
  const config = { ...DEFAULT_LOG, ...said };
  const levels = new LogLevels(config, clock);
  const writer = new LineWriter(output, formatOf(config, output));
  const recent = new RecentLines();
  const lines = {
    write(line: string): void {
      recent.add(line);
      writer.write(line);
    },
  };
  const maker = pino(
    {
      level: 'debug', // what is written is up to the gates
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err, error: stdSerializers.err },
    },
    lines,
  );
  const logger = new LevelledLogger(levels, maker, 'server');
  levels.onOver = (raised) => logger.info({ raised }, 'a raised log level is over');
  const control: LogControl = {
    state: () => ({
      ...levels.configured,
      raised: levels.raised,
      lostLines: writer.lostLines,
    }),
    raise: (request) => levels.raise(request),
    reset: () => levels.reset(),
    last: (count) => recent.last(count).map(harmless),
    follow: (onLine) => recent.follow((line) => onLine(harmless(line))),
  };
  return { logger, levels, control, reopen: () => Promise.resolve(), flushSync: () => {} };
}

/** The logger alone, for what changes no levels. */
export function createLogger(
  config: Partial<LogConfig>,
  output: LogOutput = process.stdout,
): Logger {
  return createLog(config, output).logger;
}

function formatOf({ format }: LogConfig, output: LogOutput): (line: string) => string {
  const isTerminal = output.isTTY === true;
  if (format === 'mosquitto') return mosquittoLines;
  if (format === 'pretty' || (format === 'auto' && isTerminal)) {
    const useColour = isTerminal && !process.env.NO_COLOR;
    return (line) => prettyLine(line, useColour);
  }
  return harmless;
}

/** A line of JSON that means the same, and steers no terminal. */
function harmless(line: string): string {
  return `${escapeHarmful(line.trimEnd())}\n`;
}
