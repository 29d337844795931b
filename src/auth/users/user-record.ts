// A user as it is stored: JSON with the number of its format, so that every later version can read it. A record that cannot be
// read says why, and never what is in it: it holds what passwords are tried out on.

import {
  formatPasswordHash,
  type PasswordHash,
  parsePasswordHash,
} from '../passwords/password-hash.ts';
import { saslPrep } from '../scram/saslprep.ts';
import type { ScramSecrets } from '../scram/secrets.ts';
import { KEY_BYTES } from '../scram/secrets.ts';

export interface UserRecord {
  readonly username: string;
  readonly hash: PasswordHash;
  /** null = its password is none that SCRAM can carry. */
  readonly scram: ScramSecrets | null;
  readonly groups: readonly string[];
  readonly isDisabled: boolean;
  /** ISO 8601 */
  readonly createdAt: string;
  readonly changedAt: string;
}

const USER_FORMAT = 1;
/** Bytes of UTF-8; the key of a table has room for it. */
export const USERNAME_BYTES_MAX = 1_000;
const GROUPS_MAX = 100;
const GROUP_BYTES_MAX = 256;
export const SCRAM_ITERATIONS_MIN = 4_096; // RFC 7677 §4
/** A client that is asked for more could not be served, either. */
const SCRAM_ITERATIONS_MAX = 1_000_000;
const SALT_BYTES_MAX = 64;

/**
 * Why nobody can have this user name, or null. It must be as SCRAM prepares names, so that it is the same one however a client
 * logs in, and no two look alike.
 */
export function usernameProblem(username: string): string | null {
  if (username === '') return 'is empty';
  if (Buffer.byteLength(username) > USERNAME_BYTES_MAX) {
    return `has more than ${USERNAME_BYTES_MAX} bytes`;
  }
  const prepared = saslPrep(username);
  if (prepared === null) return 'holds control characters, or others that are not for names';
  return prepared === username ? null : `must be written ${JSON.stringify(prepared)} (SASLprep)`;
}

/** Why a user cannot belong to these groups, or null. */
export function groupsProblem(groups: readonly string[]): string | null {
  if (groups.length > GROUPS_MAX) return `there are more than ${GROUPS_MAX} groups`;
  for (const group of groups) {
    const name = JSON.stringify(group);
    if (saslPrep(group) !== group) return `${name} cannot be the name of a group`;
    if (Buffer.byteLength(group) > GROUP_BYTES_MAX) {
      return `the name of a group has more than ${GROUP_BYTES_MAX} bytes`;
    }
  }
  return new Set(groups).size === groups.length ? null : 'a group is named twice';
}

export function encodeUser(user: UserRecord): Uint8Array {
  const { username, hash, scram, groups, isDisabled, createdAt, changedAt } = user;
  return Buffer.from(
    JSON.stringify({
      format: USER_FORMAT,
      username,
      hash: formatPasswordHash(hash),
      scram: scram && {
        salt: base64(scram.salt),
        iterations: scram.iterations,
        storedKey: base64(scram.storedKey),
        serverKey: base64(scram.serverKey),
      },
      groups,
      isDisabled,
      createdAt,
      changedAt,
    }),
  );
}

/** The user of this name, or what is wrong with its record, as the end of a sentence that begins with it. */
export function decodeUser(username: string, bytes: Uint8Array): UserRecord | string {
  const record = parseObject(bytes);
  if (record === null) return 'is not JSON';
  const { format, groups, isDisabled, createdAt, changedAt } = record;
  if (format !== USER_FORMAT) return wrongFormat(format);
  if (record.username !== username) return 'is about another user name';
  const problem = usernameProblem(username);
  if (problem !== null) return `has a user name that ${problem}`;
  if (typeof record.hash !== 'string') return 'has no hash';
  const hash = parsePasswordHash(record.hash);
  if (typeof hash === 'string') return hash;
  const scram = scramOf(record.scram);
  if (scram === undefined) return 'has damaged secrets of SCRAM';
  if (!isTexts(groups) || groupsProblem(groups) !== null) return 'has damaged groups';
  if (typeof isDisabled !== 'boolean') return 'does not say whether it is disabled';
  if (!isTime(createdAt) || !isTime(changedAt)) return 'does not say when it was made and changed';
  return { username, hash, scram, groups, isDisabled, createdAt, changedAt };
}

function wrongFormat(format: unknown): string {
  if (!Number.isSafeInteger(format)) return 'does not say its format';
  return `has the format ${format}, and this version of IoTHub knows only ${USER_FORMAT}`;
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return objectOf(value);
  } catch {
    return null;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return value as Readonly<Record<string, unknown>>;
}

/** undefined: they are damaged. */
function scramOf(value: unknown): ScramSecrets | null | undefined {
  if (value === null) return null;
  const fields = objectOf(value);
  if (fields === null) return undefined;
  const { iterations } = fields;
  const salt = bytesOf(fields.salt);
  const storedKey = bytesOf(fields.storedKey);
  const serverKey = bytesOf(fields.serverKey);
  if (salt === null || salt.length > SALT_BYTES_MAX || salt.length === 0) return undefined;
  if (storedKey?.length !== KEY_BYTES || serverKey?.length !== KEY_BYTES) return undefined;
  if (typeof iterations !== 'number' || !Number.isInteger(iterations)) return undefined;
  if (iterations < SCRAM_ITERATIONS_MIN || iterations > SCRAM_ITERATIONS_MAX) return undefined;
  return { salt, iterations, storedKey, serverKey };
}

function bytesOf(value: unknown): Uint8Array | null {
  if (typeof value !== 'string') return null;
  const bytes = Buffer.from(value, 'base64');
  return bytes.toString('base64') === value ? bytes : null;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
