// A password file in Mosquitto's format, a line a user:
//
//   <user name>:<hash>
//
// The name ends at the first colon, the hash at the next, blanks around both do not count. A line that begins with # is a
// comment, one without a colon is skipped. A file is read as a whole or not at all: one bad line may be the user that somebody
// meant to lock out.

import { open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AccessError, type AccessProblem } from '../access-error.ts';
import { modeWarning } from '../file-permissions.ts';
import { costOf, type PasswordHash, parsePasswordHash } from './password-hash.ts';

export interface PasswordFile {
  readonly file: string;
  readonly users: ReadonlyMap<string, PasswordHash>;
  /** One of the hashes that cost what most of them cost; null = there are no users. */
  readonly usual: PasswordHash | null;
  /** What is odd about the file but no reason not to use it. */
  readonly warnings: readonly AccessProblem[];
}

export interface PasswordFileOptions {
  /** A file that every user of the machine can read is an error instead of a warning. */
  readonly strictPermissions?: boolean;
}

/** A million users have less. */
const FILE_BYTES_MAX = 268_435_456;
const USERNAME_BYTES_MAX = 65_535;
/** Between them the server does something else. */
const LINES_PER_TURN = 2_000;
const PROBLEMS_MAX = 100;
const REPLACEMENT = '\ufffd';

/** Reads and checks a file. Throws AccessError with every problem. */
export async function loadPasswordFile(
  file: string,
  { strictPermissions = false }: PasswordFileOptions = {},
): Promise<PasswordFile> {
  const { content, mode } = await readPasswordFile(file);
  const warning = process.platform === 'win32' ? null : modeWarning(mode);
  if (warning === null) return parsePasswordFile(content, file);
  const problem = { file, line: null, message: warning };
  if (strictPermissions) throw new AccessError([problem]);
  const read = await parsePasswordFile(content, file);
  return { ...read, warnings: [problem, ...read.warnings] };
}

/** The same for what was read; `file` is its name. Throws AccessError with every problem. */
export async function parsePasswordFile(content: Uint8Array, file: string): Promise<PasswordFile> {
  const reader = new PasswordFileReader(file);
  const lines = new TextDecoder().decode(content).split('\n');
  for (let i = 0; i < lines.length; i++) {
    if (i % LINES_PER_TURN === LINES_PER_TURN - 1) await nextTurn();
    reader.addLine(lines[i]);
  }
  return reader.finish();
}

/** What is in the file, and its mode. Throws AccessError. */
export async function readPasswordFile(
  file: string,
): Promise<{ readonly content: Buffer; readonly mode: number }> {
  try {
    const handle = await open(file, 'r');
    try {
      const { mode, size } = await handle.stat();
      if (size > FILE_BYTES_MAX) throw problemOf(file, `has more than ${FILE_BYTES_MAX} bytes`);
      return { content: await handle.readFile(), mode };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof AccessError) throw error;
    throw problemOf(file, readingProblem(error as NodeJS.ErrnoException));
  }
}

/** User name and hash of a line, each without the blanks around it; null = it is a comment, or has no colon. */
export function splitPasswordLine(line: string): { username: string; hash: string } | null {
  if (line.startsWith('#')) return null;
  const colon = line.indexOf(':');
  if (colon === -1) return null;
  const end = line.indexOf(':', colon + 1);
  const hash = line.slice(colon + 1, end === -1 ? undefined : end);
  return { username: trimBlanks(line.slice(0, colon)), hash: trimBlanks(hash) };
}

/** Why a line of this user cannot be written, as the end of a sentence that begins with the name, or null. */
export function newUsernameProblem(username: string): string | null {
  if (/[:\n\r]/.test(username)) return 'must not hold a colon or a line end';
  if (username.startsWith('#')) return 'must not begin with #, which makes the line a comment';
  if (trimBlanks(username) !== username) return 'must not begin or end with a blank';
  return usernameProblem(username);
}

function usernameProblem(username: string): string | null {
  if (username === '') return 'must not be empty';
  if (username.includes('\0')) return 'must not hold a NUL';
  if (username.includes(REPLACEMENT)) return 'is not valid UTF-8';
  if (Buffer.byteLength(username) <= USERNAME_BYTES_MAX) return null;
  return `must not have more than ${USERNAME_BYTES_MAX} bytes`;
}

/** Without the blanks of C at both ends; other blanks belong to a name. */
function trimBlanks(text: string): string {
  return text.replace(/^[ \t\v\f\r]+/, '').replace(/[ \t\v\f\r]+$/, '');
}

class PasswordFileReader {
  readonly #file: string;
  readonly #users = new Map<string, PasswordHash>();
  readonly #lineOf = new Map<string, number>();
  /** How many have which cost, and one of them. */
  readonly #costs = new Map<string, { count: number; readonly example: PasswordHash }>();
  readonly #problems: AccessProblem[] = [];
  readonly #warnings: AccessProblem[] = [];
  #line = 0;

  constructor(file: string) {
    this.#file = file;
  }

  addLine(text: string): void {
    this.#line++;
    const entry = splitPasswordLine(text);
    if (entry !== null) {
      const problem = this.#addUser(entry.username, entry.hash);
      if (problem !== null) this.#say(this.#problems, problem);
    } else if (!text.startsWith('#') && trimBlanks(text) !== '') {
      this.#say(this.#warnings, 'is skipped, it has no colon: expected <user name>:<hash>');
    }
  }

  finish(): PasswordFile {
    if (this.#problems.length > 0) throw new AccessError(this.#problems);
    let usual: { count: number; readonly example: PasswordHash } | null = null;
    for (const cost of this.#costs.values()) {
      if (usual === null || cost.count > usual.count) usual = cost;
    }
    const warnings = this.#warnings;
    return { file: this.#file, users: this.#users, usual: usual?.example ?? null, warnings };
  }

  /** Returns what is wrong with the line. */
  #addUser(username: string, hashText: string): string | null {
    const problem = usernameProblem(username);
    if (problem !== null) return `the user name ${problem}`;
    const whose = `user ${JSON.stringify(username)}`;
    const first = this.#lineOf.get(username);
    if (first !== undefined) return `${whose} is in line ${first} already: remove one of them`;
    this.#lineOf.set(username, this.#line);
    if (hashText === '') return `${whose} has no hash`;
    const hash = parsePasswordHash(hashText);
    if (typeof hash === 'string') return `${whose} ${hash}`;
    this.#users.set(username, hash);
    this.#count(hash);
    return null;
  }

  #count(hash: PasswordHash): void {
    const cost = costOf(hash);
    const known = this.#costs.get(cost);
    if (known === undefined) this.#costs.set(cost, { count: 1, example: hash });
    else known.count++;
  }

  #say(list: AccessProblem[], message: string): void {
    if (list.length < PROBLEMS_MAX) {
      list.push({ file: this.#file, line: this.#line, message });
    } else if (list.length === PROBLEMS_MAX) {
      list.push({ file: this.#file, line: null, message: 'there are more problems like these' });
    }
  }
}

function problemOf(file: string, message: string): AccessError {
  return new AccessError([{ file, line: null, message }]);
}

function readingProblem({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'does not exist: make it with "iothub passwd -c", or correct the name of the file';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by the user that the server runs as: change its owner or its mode';
    case 'EISDIR':
      return 'is a folder: expected a password file';
    default:
      return `cannot be read: ${message}`;
  }
}
