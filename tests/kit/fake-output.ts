// What a log is written to, in tests.

import type { LogOutput } from '../../src/cli/log/line-writer.ts';

/** Holds what is written; a test sets how much of it waits, and whether the reader has gone. */
export class FakeOutput implements LogOutput {
  readonly text: string[] = [];
  isTTY = false;
  writableLength = 0;
  fail: (error: NodeJS.ErrnoException) => void = () => {};

  write(text: string): boolean {
    this.text.push(text);
    return true;
  }

  on(_: 'error', listener: (error: NodeJS.ErrnoException) => void): void {
    this.fail = listener;
  }

  /** The lines as objects. */
  get entries(): Record<string, unknown>[] {
    const lines = this.text.flatMap((text) => text.trimEnd().split('\n'));
    return lines.map((line) => JSON.parse(line));
  }
}
