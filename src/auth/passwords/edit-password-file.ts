// Changes a user in the text of a password file, and nothing else: other lines, comments and line ends stay byte by byte, even
// those that a server would refuse; only a byte order mark goes. Lines are Latin-1 here, a character a byte, so that what is no
// UTF-8 stays, too.

import { splitPasswordLine } from './password-file.ts';
import {
  formatPasswordHash,
  type PasswordHash,
  parsePasswordHash,
  passwordProblem,
} from './password-hash.ts';

const BYTE_ORDER_MARK = /^\u00ef\u00bb\u00bf/;

/** What a file says of a user whose password is not hashed. */
export interface PlainPassword {
  /** Index of its line. */
  readonly index: number;
  readonly username: string;
  readonly password: Uint8Array;
}

export interface LineProblem {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

/** The line of a user. */
export function passwordLine(username: string, hash: PasswordHash): string {
  return `${username}:${formatPasswordHash(hash)}\n`;
}

/** The content with the user's new hash in its place, or at the end if there was none. Further lines of that user go. */
export function setUser(content: Buffer, username: string, hash: PasswordHash): Buffer {
  const line = toLatin1(passwordLine(username, hash)).slice(0, -1);
  const lines = linesOf(content);
  const [first, ...others] = linesOfUser(lines, username);
  if (first !== undefined) lines[first] = line + lineEnd(lines[first]);
  else if (lines.at(-1) === '') lines.splice(-1, 0, line);
  else lines.push(line, '');
  return joined(lines.filter((_, index) => !others.includes(index)));
}

/** The content without the user, or null if there is none. */
export function removeUser(content: Buffer, username: string): Buffer | null {
  const lines = linesOf(content);
  const indexes = linesOfUser(lines, username);
  if (indexes.length === 0) return null;
  return joined(lines.filter((_, index) => !indexes.includes(index)));
}

/** Whether the user has a line. */
export function hasUser(content: Buffer, username: string): boolean {
  return linesOfUser(linesOf(content), username).length > 0;
}

/**
 * The passwords of a file that are not hashed. A password is everything behind the first colon, other colons included; what
 * begins like a hash and is none is a problem, and so are blanks at its ends, which nobody sees.
 */
export function findPlainPasswords(content: Buffer): {
  readonly plain: readonly PlainPassword[];
  readonly problems: readonly LineProblem[];
} {
  const plain: PlainPassword[] = [];
  const problems: LineProblem[] = [];
  linesOf(content).forEach((line, index) => {
    const entry = splitPasswordLine(line);
    if (entry === null) return;
    const hash = parsePasswordHash(entry.hash);
    if (typeof hash !== 'string') return;
    const text = line.slice(line.indexOf(':') + 1).replace(/\r$/, '');
    const username = fromLatin1(entry.username);
    const problem = plainProblem(username, text, hash);
    if (problem !== null) problems.push({ line: index + 1, message: problem });
    plain.push({ index, username, password: Buffer.from(text, 'latin1') });
  });
  return { plain, problems };
}

/** The content with hashes in the place of these passwords. */
export function replacePlainPasswords(
  content: Buffer,
  hashes: readonly (readonly [PlainPassword, PasswordHash])[],
): Buffer {
  const lines = linesOf(content);
  for (const [{ index, username }, hash] of hashes) {
    lines[index] = toLatin1(passwordLine(username, hash)).slice(0, -1) + lineEnd(lines[index]);
  }
  return joined(lines);
}

function plainProblem(username: string, text: string, hashProblem: string): string | null {
  if (username === '') return 'the user name must not be empty';
  const whose = `the password of ${JSON.stringify(username)}`;
  const problem = passwordProblem(Buffer.from(text, 'latin1'));
  if (problem !== null) return `${whose} ${problem}`;
  if (/^\s*\$\w+\$/.test(text)) return `${whose} looks like a hash, but ${hashProblem}`;
  if (!/^\s|\s$/.test(text)) return null;
  return `${whose} begins or ends with a blank: remove it, or set that password by itself`;
}

function linesOfUser(lines: readonly string[], username: string): number[] {
  const name = toLatin1(username);
  return lines.flatMap((line, index) =>
    splitPasswordLine(line)?.username === name ? [index] : [],
  );
}

function linesOf(content: Buffer): string[] {
  return content.toString('latin1').replace(BYTE_ORDER_MARK, '').split('\n');
}

function joined(lines: readonly string[]): Buffer {
  return Buffer.from(lines.join('\n'), 'latin1');
}

function lineEnd(line: string): string {
  return line.endsWith('\r') ? '\r' : '';
}

function toLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function fromLatin1(text: string): string {
  return Buffer.from(text, 'latin1').toString();
}
