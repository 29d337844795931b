// Writes lines as long as there is somebody to take them: what an output does not take waits up to a bound, then lines are lost
// and counted, and the count is told as soon as there is room again. It never waits.

/** Characters that may wait for a reader that does not read. */
const WAITING_MAX = 1_048_576;

/** The disk behind a redirected stdout is full: it may have room again. Any other error means that nobody reads any more. */
const PASSING_ERRORS: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** What a log is written to: `process.stdout`, a file, or anything like it. */
export interface LogOutput {
  readonly isTTY?: boolean;
  readonly writableLength: number;
  write(text: string): boolean;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  /** Lines that it took and could not write, since it was last asked. */
  takeLostLines?(): number;
}

export class LineWriter {
  readonly #output: LogOutput;
  readonly #format: (line: string) => string;
  #lostLines = 0;
  #lostSoFar = 0;
  #isGone = false;

  constructor(output: LogOutput, format: (line: string) => string) {
    this.#output = output;
    this.#format = format;
    output.on('error', ({ code }) => {
      if (PASSING_ERRORS.has(code)) this.#lose();
      else this.#isGone = true;
    });
  }

  /** Since the start. */
  get lostLines(): number {
    this.#askOutput();
    return this.#lostSoFar;
  }

  write(line: string): void {
    if (this.#isGone || this.#output.writableLength > WAITING_MAX) {
      this.#lose();
      return;
    }
    this.#askOutput();
    // With the line, as one text: what is said of lines that were lost is none when it is lost itself.
    this.#output.write(this.#said() + this.#format(line));
  }

  /** What is to be said of lines that were lost; empty: nothing. */
  #said(): string {
    if (this.#lostLines === 0) return '';
    const lost = {
      level: 'warn',
      time: new Date().toISOString(),
      lostLines: this.#lostLines,
      lostInAll: this.#lostSoFar, // a line like this one may have been lost, too
      msg: 'log lines were lost because they were not read in time',
    };
    this.#lostLines = 0;
    return this.#format(`${JSON.stringify(lost)}\n`);
  }

  #askOutput(): void {
    this.#lose(this.#output.takeLostLines?.() ?? 0);
  }

  #lose(lines = 1): void {
    this.#lostLines += lines;
    this.#lostSoFar += lines;
  }
}
