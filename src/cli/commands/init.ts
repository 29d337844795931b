// `iothub init`: writes a folder to start with: a configuration, a user with a password that is printed once, on request
// certificates. What is there already is never overwritten: then nothing at all is written.

import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AccessError } from '../../auth/access-error.ts';
import { passwordLine } from '../../auth/passwords/edit-password-file.ts';
import { PasswordHasher } from '../../auth/passwords/hasher.ts';
import { createPasswordHash } from '../../auth/passwords/password-hash.ts';
import { createSecretFile } from '../../auth/secret-file.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { InitLine } from '../init-line.ts';
import { starterConfig } from '../starter-config.ts';

interface NewFile {
  /** Seen from the folder. */
  readonly name: string;
  readonly content: string;
}

const CONFIG = 'iothub.toml';
const PASSWORDS = 'passwords';
const CERTIFIED = ['ca', 'server', 'client'] as const;
/** By which programs on this machine reach it. */
const LOCAL_HOSTS = ['localhost', '127.0.0.1', '::1'];
const FOLDER_MODE = 0o700;
/** Certificates are no secret: clients need that of the authority. */
const OPEN_MODE = 0o644;
/** Easy to read and to type, and none of them means something to a shell; 32, so that each is 5 random bits. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789';
const PASSWORD_LENGTH = 26;

/** Writes the folder. What goes wrong is a sentence (or one a problem) on stderr, and nothing is left behind. */
export async function init(line: InitLine): Promise<ExitCode> {
  const { folder } = line;
  const there = await existing(fileNames(line).map((name) => path.join(folder, name)));
  if (there.length > 0) {
    complain('nothing was written, because this is there already:');
    for (const file of there) complain(`  ${file}`);
    complain('name another folder, or move it away');
    return ExitCode.Runtime;
  }
  const bytes = randomBytes(PASSWORD_LENGTH);
  const password = Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]).join('');
  try {
    await writeAll(folder, await newFiles(line, password));
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    for (const sentence of error.message.split('\n')) complain(sentence);
    return ExitCode.Runtime;
  }
  process.stdout.write(line.json ? summary(line, password) : report(line, password));
  return ExitCode.Ok;
}

function fileNames({ hasTls }: InitLine): string[] {
  const certified = CERTIFIED.flatMap((name) => [`tls/${name}.crt`, `tls/${name}.key`]);
  return [...(hasTls ? certified : []), PASSWORDS, CONFIG];
}

/** Those that are there, also as links that lead nowhere. */
async function existing(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const isThere = await lstat(file).then(
      () => true,
      () => false, // if it is there all the same, it cannot be written either
    );
    if (isThere) found.push(file);
  }
  return found;
}

/** The configuration last: whoever finds it finds everything. */
async function newFiles(line: InitLine, password: string): Promise<NewFile[]> {
  const files: NewFile[] = [];
  if (line.hasTls) {
    const { issueCertificates } = await import('../certificates.ts');
    const issued = await issueCertificates({
      hosts: [...new Set([...line.hosts, ...LOCAL_HOSTS])],
      username: line.username,
      nowMs: SYSTEM_CLOCK.wallNow(),
    });
    for (const name of CERTIFIED) {
      files.push({ name: `tls/${name}.crt`, content: issued[name].cert });
      files.push({ name: `tls/${name}.key`, content: issued[name].key });
    }
  }
  const hasher = new PasswordHasher();
  try {
    const hash = await createPasswordHash(hasher, Buffer.from(password));
    files.push({ name: PASSWORDS, content: passwordLine(line.username, hash) });
  } finally {
    await hasher.close();
  }
  return [...files, { name: CONFIG, content: starterConfig(line) }];
}

/** Writes all of them or none. Throws AccessError. */
async function writeAll(folder: string, files: readonly NewFile[]): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const { name, content } of files) {
      const file = path.join(folder, name);
      await makeFolder(path.dirname(file), undo);
      if (name.endsWith('.crt')) await writeFile(file, content, { flag: 'wx', mode: OPEN_MODE });
      else await createSecretFile(file, content);
      undo.push(() => rm(file));
    }
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {}); // what is in it is somebody else's
    if (error instanceof AccessError) throw error;
    const message = `cannot be written: ${(error as Error).message}`;
    throw new AccessError([{ file: folder, line: null, message }]);
  }
}

async function makeFolder(folder: string, undo: (() => Promise<void>)[]): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  if (first === undefined) return;
  const made: string[] = [];
  for (let at = path.resolve(folder); at !== path.dirname(path.resolve(first)); ) {
    made.unshift(at);
    at = path.dirname(at);
  }
  undo.push(...made.map((one) => () => rmdir(one)));
}

/** For a program: where everything is, and the password, which stands nowhere else. */
function summary(line: InitLine, password: string): string {
  const { folder, username } = line;
  const files = fileNames(line).map((name) => path.join(folder, name));
  const written = { config: path.join(folder, CONFIG), files, username, password };
  return `${JSON.stringify(written)}\n`;
}

/** What was written, and what to type to see it work; the password stands in one place only. */
function report(line: InitLine, password: string): string {
  const { folder, username, hasTls, hosts } = line;
  const fileOf = (name: string): string => quoted(path.join(folder, name));
  const user = `-u ${username} -P "$PASSWORD"`;
  const place = '-h 127.0.0.1 -p 1883';
  const lines = [
    ...fileNames(line).map((name) => `wrote ${path.join(folder, name)}`),
    '',
    `Start it, and in another terminal try it. The password of ${username} is shown only now:`,
    '',
    `  iothub start -c ${fileOf(CONFIG)}`,
    '',
    `  PASSWORD=${password}`,
    `  mosquitto_sub ${place} ${user} -t '#' -v &`,
    `  mosquitto_pub ${place} ${user} -t hello -m world`,
    '',
    'The first start writes a token of the admin API into data/admin.token. To see how the server is:',
    '',
    '  iothub healthcheck',
  ];
  if (hasTls) {
    const secure = `--cafile ${fileOf('tls/ca.crt')} -h ${hosts[0] ?? 'localhost'} -p 8883`;
    const shown = `--cert ${fileOf('tls/client.crt')} --key ${fileOf('tls/client.key')}`;
    lines.push(
      '',
      'By TLS, with the password or with a certificate:',
      '',
      `  mosquitto_pub ${secure} ${user} -t hello -m world`,
      `  mosquitto_pub ${secure} ${shown} -t hello -m world`,
      '',
      `Clients need tls/ca.crt; keep tls/ca.key where the server is not: it makes more certificates.`,
    );
  }
  return `${lines.map(escapeHarmful).join('\n')}\n`;
}

/** A word for a shell. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function complain(sentence: string): void {
  process.stderr.write(`iothub init: ${escapeHarmful(sentence)}\n`);
}
