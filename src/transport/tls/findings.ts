// What is wrong with the files of a TLS listener. Problems keep them from being used; warnings do not. All are gathered before
// anything is said, so that an operator mends them in one go.

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

export interface TlsFinding {
  readonly file: string;
  /** What is wrong and what to do, without the file. */
  readonly message: string;
}

/** The files cannot be used. `message` lists all problems, one a line. */
export class TlsMaterialError extends Error {
  override readonly name = 'TlsMaterialError';
  readonly problems: readonly TlsFinding[];

  constructor(problems: readonly TlsFinding[]) {
    super(problems.map(({ file, message }) => `${file}: ${message}`).join('\n'));
    this.problems = problems;
  }
}

/** Reads the files of one listener, each once, and gathers what is wrong with them. */
export class Findings {
  readonly problems: TlsFinding[] = [];
  readonly warnings: TlsFinding[] = [];
  readonly #contents = new Map<string, Buffer | null>();

  problem(file: string, message: string): void {
    this.problems.push({ file, message });
  }

  warn(file: string, message: string): void {
    this.warnings.push({ file, message });
  }

  /** The content of a file; null if it cannot be read, which is among the problems then. */
  async read(file: string, bytesMax: number): Promise<Buffer | null> {
    const known = this.#contents.get(file);
    if (known !== undefined) return known;
    let content: Buffer | null = null;
    try {
      content = await readBounded(file, bytesMax);
    } catch (error) {
      this.problem(file, sentence(error));
    }
    this.#contents.set(file, content);
    return content;
  }

  /** A digest of what was read in these files, and of these words. */
  digest(files: Iterable<string>, words = ''): string {
    const hash = createHash('sha256').update(words);
    for (const file of files) {
      const content = this.#contents.get(file) ?? null;
      hash.update(`\0${file}\0${content?.length ?? -1}\0`);
      if (content !== null) hash.update(content);
    }
    return hash.digest('hex');
  }

  /** All files that were read. */
  get files(): Iterable<string> {
    return this.#contents.keys();
  }
}

async function readBounded(file: string, bytesMax: number): Promise<Buffer> {
  const found = await stat(file); // before it is opened: opening a pipe waits for its writer
  if (found.isDirectory()) throw new Error('is a folder: name the file in it');
  if (!found.isFile()) throw new Error('is no regular file: name one');
  if (found.size > bytesMax) {
    throw new Error(
      `has ${found.size} bytes, more than the ${bytesMax} that are read: is it the right file?`,
    );
  }
  return await readFile(file);
}

function sentence(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const uid = process.getuid?.();
  switch (code) {
    case 'ENOENT':
      return 'does not exist: correct the path, or create the file';
    case 'EACCES':
    case 'EPERM':
      return `may not be read by this user${uid === undefined ? '' : ` (uid ${uid})`}: change its owner or its permissions`;
    case 'ENOTDIR':
      return 'is below something that is no folder: correct the path';
    case 'ELOOP':
      return 'leads in circles by symbolic links: correct the link';
    default:
      return code === undefined ? message : `cannot be read: ${message}`;
  }
}
