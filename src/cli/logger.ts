// The log of the command: pino's JSON lines on stdout, or lines for people. A reader that is slow or gone must never hold up
// or end the server: what it does not take waits up to a bound, then lines are lost and counted, and the count is told.

import { pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { LogConfig } from '../config/config.ts';
import type { Logger } from '../core/logger.ts';
import { escapeHarmful } from './escape.ts';
import { prettyLine } from './pretty.ts';

/** Characters that may wait for a reader that does not read. */
const WAITING_MAX = 1_048_576;

/** What a log is written to: `process.stdout`, or anything like it. */
export interface LogOutput {
  readonly isTTY?: boolean;
  readonly writableLength: number;
  write(text: string): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** Writes lines as long as there is somebody to read them. */
class LineWriter {
  readonly #output: LogOutput;
  readonly #format: (line: string) => string;
  #lostLines = 0;
  #isGone = false;

  constructor(output: LogOutput, format: (line: string) => string) {
    this.#output = output;
    this.#format = format;
    // EPIPE: nobody reads any more. There is nobody left to tell.
    output.on('error', () => {
      this.#isGone = true;
    });
  }

  write(line: string): void {
    if (this.#isGone) return;
    if (this.#output.writableLength > WAITING_MAX) {
      this.#lostLines++;
      return;
    }
    if (this.#lostLines > 0) {
      const lost = {
        level: 'warn',
        time: new Date().toISOString(),
        lostLines: this.#lostLines,
        msg: 'log lines were lost because they were not read in time',
      };
      this.#lostLines = 0;
      this.#output.write(this.#format(`${JSON.stringify(lost)}\n`));
    }
    this.#output.write(this.#format(line));
  }
}

/** The logger that the configuration asks for, writing to `output`. */
export function createLogger(config: LogConfig, output: LogOutput = process.stdout): Logger {
  const isTerminal = output.isTTY === true;
  const isPretty = config.format === 'pretty' || (config.format === 'auto' && isTerminal);
  const useColour = isTerminal && !process.env.NO_COLOR;
  const format = isPretty
    ? (line: string) => prettyLine(line, useColour)
    : (line: string) => `${escapeHarmful(line.trimEnd())}\n`;
  return pino(
    {
      level: config.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err, error: stdSerializers.err },
    },
    new LineWriter(output, format),
  );
}
