// `iothub store export`: lines of JSON to stdout or a file. It writes synchronously: the store is read as fast as the reader
// takes it, and nothing gathers in memory.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { storeError } from '../../storage/store-folder/store-error.ts';
import { exportTo, type ToolOptions } from '../../storage/store-folder/tools.ts';
import { ExitCode } from '../exit-code.ts';

const STDOUT = 1;
const BLOCK_CHARACTERS = 65_536;
/** How long to wait for a reader that is slow. */
const PAUSE_MS = 5;

/** The reader went away. */
class Unread extends Error {}

export async function exportCommand(
  options: ToolOptions,
  output: string | null,
): Promise<ExitCode> {
  const writer = new BlockWriter(output);
  try {
    await exportTo(options, (line) => writer.line(line));
    writer.end();
    return ExitCode.Ok;
  } catch (error) {
    if (error instanceof Unread) return ExitCode.Runtime; // as `| head` does: nobody to tell
    throw error;
  } finally {
    writer.close();
  }
}

/** Writes to a file that is made when there is something to write, or to stdout. */
class BlockWriter {
  readonly #output: string | null;
  #fd: number | null = null;
  #block = '';

  constructor(output: string | null) {
    this.#output = output;
  }

  line(line: string): void {
    this.#block += `${line}\n`;
    if (this.#block.length >= BLOCK_CHARACTERS) this.#flush();
  }

  end(): void {
    this.#flush();
    if (this.#output !== null && this.#fd !== null) fsyncSync(this.#fd);
  }

  close(): void {
    if (this.#output !== null && this.#fd !== null) closeSync(this.#fd);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#block);
    this.#block = '';
    try {
      this.#fd ??= this.#output === null ? STDOUT : openSync(this.#output, 'w', 0o600);
      for (let written = 0; written < bytes.length; )
        written += writeSome(this.#fd, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') throw new Unread();
      throw storeError(error, this.#output ?? 'the standard output');
    }
  }
}

/** How many bytes were taken; none when the reader is slow. */
function writeSome(fd: number, bytes: Buffer, start: number): number {
  try {
    return writeSync(fd, bytes, start);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    return 0;
  }
}
