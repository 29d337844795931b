// What an operator gets when the data folder or the store in it cannot be used: one sentence that says what is wrong, where, and
// what to do, and of what kind it is, which decides the exit code.

/**
 * `in-use`: somebody else has the folder, try later. `unusable`: the folder or the disk does not let us (permissions, space).
 * `damaged`: the content is wrong. `newer`: a later version wrote it. `failed`: what was asked for did not work, the store did.
 */
export type StoreProblem = 'in-use' | 'unusable' | 'damaged' | 'newer' | 'failed';

export class StoreError extends Error {
  readonly problem: StoreProblem;

  constructor(problem: StoreProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.problem = problem;
  }
}

const SENTENCES: Readonly<Record<string, (path: string) => string>> = {
  EACCES: (path) =>
    `${path} may not be used by this user${userName()}: change its owner or its permissions, or choose another folder with --data`,
  EPERM: (path) =>
    `${path} may not be used by this user${userName()}: change its owner or its permissions, or choose another folder with --data`,
  EROFS: (path) =>
    `${path} is on a file system that is mounted read-only: mount it writable, or choose another folder with --data`,
  ENOSPC: (path) =>
    `the disk of ${path} is full: free some space, or choose another folder with --data`,
  EDQUOT: (path) =>
    `the disk quota for ${path} is used up: free some space, or choose another folder with --data`,
  EIO: (path) =>
    `the disk of ${path} has an input/output error: look at the system's log, the disk may be failing`,
  ENOTDIR: (path) =>
    `${path} is not a folder, or one of the folders above it is a file: choose another folder with --data`,
  EEXIST: (path) =>
    `${path} is a file, not a folder: move it away, or choose another folder with --data`,
  ENOENT: (path) => `${path} does not exist`,
  ELOOP: (path) => `${path} leads in circles by symbolic links: choose another folder with --data`,
  ENAMETOOLONG: (path) => `${path} is too long a name: choose another folder with --data`,
  EBUSY: (path) => `${path} cannot be moved, it may be a mount point: mount the folder instead`,
  EMFILE: (path) =>
    `${path} cannot be opened, this process has too many open files: raise ulimit -n`,
};

function userName(): string {
  const id = process.getuid?.();
  return id === undefined ? '' : ` (uid ${id})`;
}

/** The sentence for an error of the file system; a StoreError stays as it is. */
export function storeError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const sentence = SENTENCES[code]?.(path) ?? `${path} cannot be used: ${message}`;
  return new StoreError('unusable', sentence, { cause: error });
}

/** Runs an operation on a path of the file system; what it throws becomes a sentence about that path. */
export async function about<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw storeError(error, path);
  }
}
