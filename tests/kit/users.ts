// Users for tests: a table in memory that can be slow and can fail, records that cost no hasher anything, and the database on it.

import { pbkdf2Sync } from 'node:crypto';
import type { PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import { secretsFrom } from '../../src/auth/scram/secrets.ts';
import { UserDatabase, type UserDatabaseOptions } from '../../src/auth/users/user-database.ts';
import { encodeUser, type UserRecord } from '../../src/auth/users/user-record.ts';
import type { UserEntry, UserTable } from '../../src/auth/users/user-table.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { testHasher } from '../auth/passwords/fixture.ts';
import { LogBook } from './log-book.ts';
import { RFC_SALT } from './scram-client.ts';

export class MemoryTable implements UserTable {
  readonly entries = new Map<string, Uint8Array>();
  /** What changes reject with, if anything. */
  error: Error | null = null;
  /** While this is set, changes wait, and are counted here. */
  held: (() => void)[] | null = null;

  async load(): Promise<readonly UserEntry[]> {
    return [...this.entries].map(([key, value]) => ({ key, value }));
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    const copy = value.slice();
    await this.#commit();
    this.entries.set(key, copy);
  }

  async remove(key: string): Promise<void> {
    await this.#commit();
    this.entries.delete(key);
  }

  /** What is stored of a user. */
  record(username: string): Record<string, unknown> {
    return JSON.parse(Buffer.from(this.entries.get(`user/${username}`) ?? []).toString());
  }

  async #commit(): Promise<void> {
    const { held } = this;
    if (held !== null) await new Promise<void>((resolve) => held.push(resolve));
    if (this.error !== null) throw this.error;
  }
}

/** A user as it is stored, with one round for its hash and 4,096 for SCRAM. */
export function userRecord(
  username: string,
  password: string,
  fields: Partial<UserRecord> = {},
): UserRecord {
  const salt = Buffer.from(RFC_SALT, 'base64');
  return {
    username,
    hash: {
      algorithm: 'sha512-pbkdf2',
      iterations: 1,
      salt: salt.subarray(0, 12),
      hash: pbkdf2Sync(password, salt.subarray(0, 12), 1, 64, 'sha512'),
    },
    scram: secretsFrom(pbkdf2Sync(password, salt, 4_096, 32, 'sha256'), salt, 4_096),
    groups: [],
    isDisabled: false,
    createdAt: '2026-01-02T03:04:05.000Z',
    changedAt: '2026-01-02T03:04:05.000Z',
    ...fields,
  };
}

/** A table with these users. */
export function tableOf(...users: UserRecord[]): MemoryTable {
  const table = new MemoryTable();
  for (const user of users) table.entries.set(`user/${user.username}`, encodeUser(user));
  return table;
}

export interface LoadedUsers {
  readonly database: UserDatabase;
  readonly table: MemoryTable;
  readonly hasher: PasswordHasher;
  readonly clock: FakeClock;
  readonly log: LogBook;
}

/** A database on this table. */
export async function loadUsers(
  table: MemoryTable,
  options: Partial<UserDatabaseOptions> = {},
): Promise<LoadedUsers> {
  const hasher = options.hasher ?? testHasher();
  const clock = new FakeClock();
  const log = new LogBook();
  const database = await UserDatabase.load({ table, hasher, clock, logger: log, ...options });
  return { database, table, hasher, clock, log };
}
