// A file that the log goes to. Writing is never waited for: lines gather, and go as one write when the one before is done. When
// somebody has renamed the file and says so, what is written from then on goes to a new one under its name, between two writes,
// so that no line is lost or cut. What cannot be written is counted, and said on stderr once.

import { closeSync, openSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { LogOutput } from './line-writer.ts';

/** For its owner, and for the group that reads logs. */
const MODE = 0o640;

export class LogFile implements LogOutput {
  readonly #path: string;
  readonly #complain: (sentence: string) => void;
  #handle: FileHandle;
  #waiting: string[] = [];
  #waitingLength = 0;
  /** What is being written now. */
  #writing: string | null = null;
  #mustReopen = false;
  #isFailing = false;
  #lostLines = 0;
  #pumping: Promise<void> | null = null;

  private constructor(path: string, handle: FileHandle, complain: (sentence: string) => void) {
    this.#path = path;
    this.#handle = handle;
    this.#complain = complain;
  }

  /** Rejects with the system's error when it cannot be opened. */
  static async open(path: string, complain: (sentence: string) => void): Promise<LogFile> {
    return new LogFile(path, await open(path, 'a', MODE), complain);
  }

  get writableLength(): number {
    return this.#waitingLength + (this.#writing?.length ?? 0);
  }

  /** Its errors are its own to tell. */
  on(): void {}

  write(text: string): boolean {
    this.#waiting.push(text);
    this.#waitingLength += text.length;
    this.#pumping ??= this.#pump();
    return true;
  }

  takeLostLines(): number {
    const lost = this.#lostLines;
    this.#lostLines = 0;
    return lost;
  }

  /** Goes on in the file that has this name now. Resolves when it does; never rejects. */
  reopen(): Promise<void> {
    this.#mustReopen = true;
    this.#pumping ??= this.#pump();
    return this.#pumping;
  }

  /** Writes the rest, at once: the process ends. */
  flushSync(): void {
    const rest = (this.#writing ?? '') + this.#waiting.join('');
    this.#waiting = [];
    this.#waitingLength = 0;
    if (rest === '') return;
    try {
      // What is being written may be there twice: better than not at all.
      const descriptor = openSync(this.#path, 'a', MODE);
      writeSync(descriptor, rest);
      closeSync(descriptor);
    } catch {
      // There is nobody left to tell.
    }
  }

  /** Resolves when everything is written, and the file is closed. */
  async close(): Promise<void> {
    await this.#pumping;
    await this.#handle.close();
  }

  async #pump(): Promise<void> {
    await Promise.resolve(); // so that what is said in the same moment is one write
    while (this.#mustReopen || this.#waiting.length > 0) {
      if (this.#mustReopen) await this.#reopen();
      await this.#writeWaiting();
    }
    this.#pumping = null;
  }

  async #reopen(): Promise<void> {
    this.#mustReopen = false;
    try {
      const handle = await open(this.#path, 'a', MODE);
      const former = this.#handle;
      this.#handle = handle;
      await former.close();
    } catch (error) {
      const { message } = error as Error;
      this.#complain(`the log file was not opened again, and is the former one: ${message}`);
    }
  }

  async #writeWaiting(): Promise<void> {
    const lines = this.#waiting.length;
    if (lines === 0) return;
    this.#writing = this.#waiting.join('');
    this.#waiting = [];
    this.#waitingLength = 0;
    try {
      await this.#handle.appendFile(this.#writing);
      this.#isFailing = false;
    } catch (error) {
      this.#lostLines += lines;
      if (!this.#isFailing) {
        this.#complain(`the log file cannot be written: ${(error as Error).message}`);
      }
      this.#isFailing = true;
    }
    this.#writing = null;
  }
}
