// `iothub passwd`: the users of a password file. What it does it says on stderr, so that standard output has only what somebody
// wants to keep: the password of --machine, or with `-c -` the line of the file.

import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { AccessError } from '../../auth/access-error.ts';
import {
  findPlainPasswords,
  hasUser,
  type PlainPassword,
  passwordLine,
  removeUser,
  replacePlainPasswords,
  setUser,
} from '../../auth/passwords/edit-password-file.ts';
import { HasherError, PasswordHasher } from '../../auth/passwords/hasher.ts';
import { parsePasswordFile, readPasswordFile } from '../../auth/passwords/password-file.ts';
import {
  createPasswordHash,
  ITERATIONS,
  MACHINE_ITERATIONS,
  type PasswordHash,
  passwordProblem,
} from '../../auth/passwords/password-hash.ts';
import { createSecretFile, rewriteSecretFile } from '../../auth/secret-file.ts';
import { askNewPassword, NoPassword } from '../ask-password.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { HashChoice, PasswdLine } from '../passwd-line.ts';

type SetLine = Extract<PasswdLine, { action: 'set' }>;
type DeleteLine = Extract<PasswdLine, { action: 'delete' }>;
type HashPlainLine = Extract<PasswdLine, { action: 'hash-plain' }>;

/** 256 bits, which nobody guesses. */
const MACHINE_BYTES = 32;
/** Passwords of a file that are hashed at a time. */
const BATCH = 64;

/** Does what the line says. What goes wrong is a sentence (or one a problem) on stderr, and the file is as it was. */
export async function passwd(line: PasswdLine): Promise<ExitCode> {
  const hasher = new PasswordHasher();
  try {
    if (line.action === 'delete') await deleteUser(line);
    else if (line.action === 'hash-plain') await hashPlain(line, hasher);
    else await setPassword(line, hasher);
    return ExitCode.Ok;
  } catch (error) {
    if (error instanceof NoPassword && error.isInterrupted) return ExitCode.Interrupted;
    if (!isExplained(error)) throw error;
    for (const sentence of error.message.split('\n')) say(sentence);
    return ExitCode.Runtime;
  } finally {
    await hasher.close();
  }
}

function isExplained(error: unknown): error is Error {
  return (
    error instanceof AccessError || error instanceof NoPassword || error instanceof HasherError
  );
}

async function setPassword(line: SetLine, hasher: PasswordHasher): Promise<void> {
  const { file, username, create } = line;
  const isThere = file !== null && (await exists(file));
  if (file !== null) checkPlace(file, isThere, create); // before anybody types a password
  const password = await newPassword(line);
  const iterations = line.source.kind === 'machine' ? MACHINE_ITERATIONS : ITERATIONS;
  const hash = await createPasswordHash(hasher, password, hashOptions(line.hash, iterations));
  const only = passwordLine(username, hash);
  if (file === null) {
    process.stdout.write(only);
    return;
  }
  let done = 'is the only user of';
  if (!isThere) await createSecretFile(file, only);
  else if (create === 'replace') await rewrite(file, () => only);
  else {
    await rewrite(file, (content) => {
      done = hasUser(content, username) ? 'has a new password in' : 'was added to';
      return setUser(content, username, hash);
    });
  }
  if (line.source.kind === 'machine') process.stdout.write(`${Buffer.from(password)}\n`);
  say(`user ${JSON.stringify(username)} ${done} ${file}`);
  await sayProblems(file);
}

function checkPlace(file: string, isThere: boolean, create: SetLine['create']): void {
  if (isThere && create === 'new') {
    const message =
      'exists: leave out -c to add a user to it, or add --force to replace it, which removes all of its users';
    throw new AccessError([{ file, line: null, message }]);
  }
  if (isThere || create !== 'no') return;
  const message = 'does not exist: add -c to make it, or correct the name of the file';
  throw new AccessError([{ file, line: null, message }]);
}

/** Throws NoPassword for one that could never be right. */
async function newPassword({ source }: SetLine): Promise<Uint8Array> {
  if (source.kind === 'machine') return Buffer.from(randomBytes(MACHINE_BYTES).toString('hex'));
  const password =
    source.kind === 'given'
      ? Buffer.from(source.password)
      : await askNewPassword(process.stdin, process.stderr);
  const problem = passwordProblem(password);
  if (problem !== null) throw new NoPassword(`the password ${problem}`);
  return password;
}

async function deleteUser({ file, username }: DeleteLine): Promise<void> {
  await rewrite(file, (content) => {
    const without = removeUser(content, username);
    if (without !== null) return without;
    const message = `has no user ${JSON.stringify(username)}`;
    throw new AccessError([{ file, line: null, message }]);
  });
  say(`user ${JSON.stringify(username)} was removed from ${file}`);
  await sayProblems(file);
}

/** Hashes first and writes then, so that nobody waits for the file meanwhile. */
async function hashPlain({ file, hash }: HashPlainLine, hasher: PasswordHasher): Promise<void> {
  const { content: before } = await readPasswordFile(file);
  const { plain, problems } = findPlainPasswords(before);
  if (problems.length > 0) throw new AccessError(problems.map((one) => ({ file, ...one })));
  const hashed: [PlainPassword, PasswordHash][] = [];
  const options = hashOptions(hash, ITERATIONS);
  for (let i = 0; i < plain.length; i += BATCH) {
    const batch = plain
      .slice(i, i + BATCH)
      .map(async (one): Promise<[PlainPassword, PasswordHash]> => {
        return [one, await createPasswordHash(hasher, one.password, options)];
      });
    hashed.push(...(await Promise.all(batch)));
  }
  await rewrite(file, (content) => {
    if (content.equals(before)) return replacePlainPasswords(content, hashed);
    const message = 'was changed while its passwords were hashed: do it again';
    throw new AccessError([{ file, line: null, message }]);
  });
  say(`${hashed.length} passwords were hashed in ${file}`);
  await sayProblems(file);
}

async function rewrite(
  file: string,
  edit: (content: Buffer) => string | Uint8Array | null,
): Promise<void> {
  const { openMode } = await rewriteSecretFile(file, edit);
  if (openMode === null) return;
  say(`${file} was open to every user of this machine (mode ${octal(openMode)}), and no longer is`);
}

/** What a server will not like about the file: it was there before. */
async function sayProblems(file: string): Promise<void> {
  try {
    const { content } = await readPasswordFile(file);
    const { warnings } = await parsePasswordFile(content, file);
    for (const { line, message } of warnings) say(`${file}:${line}: ${message}`);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    say('a server will refuse this file until it is mended:');
    for (const sentence of error.message.split('\n')) say(sentence);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    throw new AccessError([{ file, line: null, message: `cannot be used: ${message}` }]);
  }
}

function hashOptions({ algorithm, iterations }: HashChoice, usual: number) {
  return { algorithm, iterations: iterations ?? usual };
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function say(sentence: string): void {
  process.stderr.write(`iothub passwd: ${escapeHarmful(sentence)}\n`);
}
