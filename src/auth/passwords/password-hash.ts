// Passwords as they are stored, in the three formats of Mosquitto's password files:
//
//   $6$<salt>$<hash>                                SHA-512 of password and salt, one round
//   $7$<iterations>$<salt>$<hash>                   PBKDF2 with HMAC-SHA-512
//   $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>
//
// Salts and hashes are base64, with padding in the first two. What a file asks for is bounded here: a hash that takes a minute
// or a gigabyte would be an attack on the server by whoever wrote the file. What is wrong is said without the hash itself.

import { createHash, randomBytes } from 'node:crypto';
import type { PasswordHasher } from './hasher.ts';

export type PasswordAlgorithm = 'sha512' | 'sha512-pbkdf2' | 'argon2id';

export interface Sha512Hash {
  readonly algorithm: 'sha512';
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export interface Pbkdf2Hash {
  readonly algorithm: 'sha512-pbkdf2';
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export interface Argon2Hash {
  readonly algorithm: 'argon2id';
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export type PasswordHash = Sha512Hash | Pbkdf2Hash | Argon2Hash;

export interface HashOptions {
  /** Default `sha512-pbkdf2`. */
  readonly algorithm?: PasswordAlgorithm;
  /** Of PBKDF2; default `ITERATIONS`. */
  readonly iterations?: number;
}

/** For passwords that people choose. */
export const ITERATIONS = 210_000;
/** For secrets of 256 random bits, which nobody guesses however fast that is. */
export const MACHINE_ITERATIONS = 1_000;
export const ITERATIONS_MAX = 10_000_000;
const MEMORY_KIB_MAX = 262_144;
const PASSES_MAX = 64;
const LANES_MAX = 16;
/** Memory times passes: some seconds. */
const ARGON2_WORK_MAX = 1_048_576;
/** Of UTF-8; a longer password is never right. What waits to be hashed is bounded by it. */
export const PASSWORD_BYTES_MAX = 4_096;

const SALT_BYTES_MAX = 64;
const ARGON2_SALT_BYTES_MIN = 8;
const ARGON2_HASH_BYTES_MIN = 16;
const ARGON2_HASH_BYTES_MAX = 128;
const SHA512_BYTES = 64;
/** Mosquitto 2.0 accepts exactly this in `$6$` and `$7$`. */
const SALT_BYTES = 12;
const ARGON2_SALT_BYTES = 64;
/** As `mosquitto_passwd` 2.1 writes them. */
const ARGON2_COST = { memoryKiB: 47_104, passes: 1, lanes: 1 };

const FORMATS = 'it must begin with $6$, $7$ or $argon2id$';

/** The hash that the text is, or what is wrong with it, as the end of a sentence that begins with whose it is. */
export function parsePasswordHash(text: string): PasswordHash | string {
  const [before, kind, ...fields] = text.split('$');
  if (before !== '' || kind === undefined) return `is not hashed: ${FORMATS}`;
  switch (kind) {
    case '6':
      return parseSha512(fields);
    case '7':
      return parsePbkdf2(fields);
    case 'argon2id':
      return parseArgon2(fields);
    case 'argon2i':
    case 'argon2d':
      return `is hashed with ${kind}, of which only argon2id is supported: set it anew`;
    default:
      return `is hashed in an unknown way: ${FORMATS}`;
  }
}

/** As it stands in a file. */
export function formatPasswordHash(hash: PasswordHash): string {
  switch (hash.algorithm) {
    case 'sha512':
      return `$6$${base64(hash.salt)}$${base64(hash.hash)}`;
    case 'sha512-pbkdf2':
      return `$7$${hash.iterations}$${base64(hash.salt)}$${base64(hash.hash)}`;
    case 'argon2id': {
      const { memoryKiB, passes, lanes, salt } = hash;
      const cost = `m=${memoryKiB},t=${passes},p=${lanes}`;
      return `$argon2id$v=19$${cost}$${unpadded(salt)}$${unpadded(hash.hash)}`;
    }
  }
}

/**
 * Why this can be nobody's password, or null. Mosquitto compares passwords up to the first NUL, so that one that holds a NUL
 * matches a shorter one there; here it matches none, and none such can be set.
 */
export function passwordProblem(password: Uint8Array): string | null {
  if (password.length === 0) return 'is empty';
  if (password.length > PASSWORD_BYTES_MAX) return `has more than ${PASSWORD_BYTES_MAX} bytes`;
  return password.includes(0) ? 'holds a NUL' : null;
}

/** Hashes a password with a new salt. Throws RangeError for one that `passwordProblem` objects to. */
export async function createPasswordHash(
  hasher: PasswordHasher,
  password: Uint8Array,
  options: HashOptions = {},
): Promise<PasswordHash> {
  const problem = passwordProblem(password);
  if (problem !== null) throw new RangeError(`the password ${problem}`);
  const model = newHash(options);
  return { ...model, hash: await hasher.hash(model, password) };
}

/** A hash of the same cost that no password has: what is spent on a user who does not exist. */
export function decoyOf(hash: PasswordHash): PasswordHash {
  return { ...hash, salt: randomBytes(hash.salt.length), hash: randomBytes(hash.hash.length) };
}

/** Tells this hash from others, and nothing of the password. */
export function markOf(hash: PasswordHash): string {
  return createHash('sha256').update(formatPasswordHash(hash)).digest('base64url').slice(0, 22);
}

/** How expensive it is, as a text that is equal for equal costs. */
export function costOf(hash: PasswordHash): string {
  switch (hash.algorithm) {
    case 'sha512':
      return '6';
    case 'sha512-pbkdf2':
      return `7 ${hash.iterations}`;
    case 'argon2id':
      return `argon2id ${hash.memoryKiB} ${hash.passes} ${hash.lanes}`;
  }
}

/** With a salt of its own, and room for the hash. */
function newHash({
  algorithm = 'sha512-pbkdf2',
  iterations = ITERATIONS,
}: HashOptions): PasswordHash {
  const hash = new Uint8Array(SHA512_BYTES);
  switch (algorithm) {
    case 'sha512':
      return { algorithm, salt: randomBytes(SALT_BYTES), hash };
    case 'sha512-pbkdf2':
      return { algorithm, iterations, salt: randomBytes(SALT_BYTES), hash };
    case 'argon2id':
      return { algorithm, ...ARGON2_COST, salt: randomBytes(ARGON2_SALT_BYTES), hash };
  }
}

function parseSha512(fields: readonly string[]): PasswordHash | string {
  if (fields.length !== 2) return 'has a damaged hash: expected $6$<salt>$<hash>';
  const rest = parseSaltAndHash(fields[0], fields[1]);
  return typeof rest === 'string' ? rest : { algorithm: 'sha512', ...rest };
}

function parsePbkdf2(fields: readonly string[]): PasswordHash | string {
  if (fields.length !== 3) return 'has a damaged hash: expected $7$<iterations>$<salt>$<hash>';
  const iterations = parseCount(fields[0], 'the number of iterations', ITERATIONS_MAX);
  if (typeof iterations === 'string') return iterations;
  const rest = parseSaltAndHash(fields[1], fields[2]);
  return typeof rest === 'string' ? rest : { algorithm: 'sha512-pbkdf2', iterations, ...rest };
}

function parseSaltAndHash(saltText: string, hashText: string) {
  const salt = parseBase64(saltText);
  if (salt === null) return 'has a damaged hash: the salt is not base64';
  if (salt.length < 1 || salt.length > SALT_BYTES_MAX) {
    return `has a salt of ${salt.length} bytes: expected 1 to ${SALT_BYTES_MAX}`;
  }
  const hash = parseBase64(hashText);
  if (hash === null) return 'has a damaged hash: what follows the salt is not base64';
  if (hash.length === SHA512_BYTES) return { salt, hash };
  return `has a damaged hash: ${hash.length} bytes follow the salt, expected ${SHA512_BYTES}`;
}

function parseArgon2(fields: readonly string[]): PasswordHash | string {
  const [version, costText, saltText, hashText] = fields;
  if (fields.length !== 4 || !version.startsWith('v=')) {
    return 'has a damaged hash: expected $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>';
  }
  if (version !== 'v=19') return 'has a hash of another version of argon2: expected v=19';
  const cost = parseArgon2Cost(costText);
  if (typeof cost === 'string') return cost;
  const salt = parseUnpadded(saltText);
  if (salt === null) return 'has a damaged hash: the salt is not base64 without padding';
  if (salt.length < ARGON2_SALT_BYTES_MIN || salt.length > SALT_BYTES_MAX) {
    return `has a salt of ${salt.length} bytes: expected ${ARGON2_SALT_BYTES_MIN} to ${SALT_BYTES_MAX}`;
  }
  const hash = parseUnpadded(hashText);
  if (hash === null)
    return 'has a damaged hash: what follows the salt is not base64 without padding';
  if (hash.length < ARGON2_HASH_BYTES_MIN || hash.length > ARGON2_HASH_BYTES_MAX) {
    return (
      `has a damaged hash: ${hash.length} bytes follow the salt, ` +
      `expected ${ARGON2_HASH_BYTES_MIN} to ${ARGON2_HASH_BYTES_MAX}`
    );
  }
  return { algorithm: 'argon2id', ...cost, salt, hash };
}

function parseArgon2Cost(text: string) {
  const match = /^m=(\d+),t=(\d+),p=(\d+)$/.exec(text);
  if (match === null) return 'has a damaged hash: expected m=<KiB>,t=<passes>,p=<lanes>';
  const memoryKiB = parseCount(match[1], 'the memory (m, in KiB)', MEMORY_KIB_MAX);
  if (typeof memoryKiB === 'string') return memoryKiB;
  const passes = parseCount(match[2], 'the number of passes (t)', PASSES_MAX);
  if (typeof passes === 'string') return passes;
  const lanes = parseCount(match[3], 'the number of lanes (p)', LANES_MAX);
  if (typeof lanes === 'string') return lanes;
  if (memoryKiB < 8 * lanes) {
    return 'has a damaged hash: the memory (m) must be at least 8 KiB a lane (p)';
  }
  if (memoryKiB * passes <= ARGON2_WORK_MAX) return { memoryKiB, passes, lanes };
  return `has a hash that is not accepted: m times t must be at most ${ARGON2_WORK_MAX.toLocaleString('en-US')}`;
}

function parseCount(text: string, what: string, max: number): number | string {
  const count = Number(text);
  if (/^\d{1,15}$/.test(text) && count >= 1 && count <= max) return count;
  return `has a hash that is not accepted: ${what} must be from 1 to ${max.toLocaleString('en-US')}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function unpadded(bytes: Uint8Array): string {
  return base64(bytes).replace(/=+$/, '');
}

/** Standard base64 with padding, nothing else; null = it is none. */
function parseBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function parseUnpadded(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64');
  return unpadded(bytes) === text ? bytes : null;
}
