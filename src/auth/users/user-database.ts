// The users in the server's own store. They are read once and then in memory; a change counts when it is durable, and then at
// once. Changes of one user come one after the other, those of several users at the same time, so that the store commits them
// together. A record that cannot be read is a user who cannot log in: it is told by name, and hinders nobody else.

import { randomBytes } from 'node:crypto';
import { type Logger, SILENT } from '../../core/logger.ts';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import type { PasswordHasher } from '../passwords/hasher.ts';
import { passwordProblem } from '../passwords/password-hash.ts';
import { KEY_BYTES } from '../scram/secrets.ts';
import { Decoys } from './decoys.ts';
import { newSecrets } from './new-secrets.ts';
import { UserError } from './user-error.ts';
import {
  decodeUser,
  encodeUser,
  groupsProblem,
  type UserRecord,
  usernameProblem,
} from './user-record.ts';
import type { UserTable } from './user-table.ts';

export interface UserDatabaseOptions {
  readonly table: UserTable;
  readonly hasher: PasswordHasher;
  /** Default: says nothing. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** More are not added; default 100,000. What is stored is served, whatever it says. */
  readonly usersMax?: number;
  /** A change is durable, and counts from now on. */
  readonly onChange?: (username: string, change: UserChange) => void;
}

export type UserChange = 'added' | 'password' | 'groups' | 'enabled' | 'disabled' | 'removed';

export interface NewUserOptions {
  readonly groups?: readonly string[];
  /** The password is 256 random bits, see `newSecrets`. */
  readonly isMachine?: boolean;
}

/** What may be told of a user. */
export interface UserInfo {
  readonly username: string;
  readonly groups: readonly string[];
  readonly isDisabled: boolean;
  /** It can log in by SCRAM, too. */
  readonly hasScram: boolean;
  /** ISO 8601; null = its record cannot be read. */
  readonly createdAt: string | null;
  readonly changedAt: string | null;
  /** Why its record cannot be read; null = it can. */
  readonly problem: string | null;
}

const USERS_MAX = 100_000;
/** Lines about records that cannot be read; the rest are counted. */
const NAMED_MAX = 20;
/** Users are behind this in the table. */
const USER = 'user/';
/** What decoys depend on. */
const DECOY_KEY = 'decoy-key';

export class UserDatabase {
  readonly #options: UserDatabaseOptions;
  readonly #usersMax: number;
  readonly #clock: Clock;
  readonly #users = new Map<string, UserRecord>();
  readonly #unreadable = new Map<string, string>();
  /** The last change of each user that is being changed. */
  readonly #changing = new Map<string, Promise<void>>();
  readonly #decoyKey: Uint8Array;
  #decoyKeyStored: Promise<void> | null;
  #adding = 0;
  readonly decoys: Decoys;

  /** Reads the table. Rejects only if the table does. */
  static async load(options: UserDatabaseOptions): Promise<UserDatabase> {
    const entries = new Map<string, Uint8Array>();
    for (const { key, value } of await options.table.load()) entries.set(key, value);
    const storedKey = entries.get(DECOY_KEY);
    const isKey = storedKey?.length === KEY_BYTES;
    const database = new UserDatabase(options, isKey ? storedKey : null);
    for (const [key, value] of entries) {
      if (key.startsWith(USER)) database.#take(key.slice(USER.length), value);
    }
    database.#tellUnreadable();
    return database;
  }

  private constructor(options: UserDatabaseOptions, decoyKey: Uint8Array | null) {
    this.#options = options;
    this.#usersMax = options.usersMax ?? USERS_MAX;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#decoyKey = decoyKey ?? randomBytes(KEY_BYTES);
    this.#decoyKeyStored = decoyKey === null ? null : Promise.resolve();
    this.decoys = new Decoys(this.#decoyKey);
  }

  /** Users that can log in, or could. */
  get size(): number {
    return this.#users.size;
  }

  /** The user as stored; null: there is none, or its record cannot be read. */
  find(username: string): UserRecord | null {
    return this.#users.get(username) ?? null;
  }

  /** There is a user of this name, whose record cannot be read. */
  isUnreadable(username: string): boolean {
    return this.#unreadable.has(username);
  }

  /** Why `find` has nobody of this name, for the log. */
  absenceOf(username: string): string {
    const name = JSON.stringify(username);
    const isThere = this.#unreadable.has(username);
    return isThere ? `the record of the user ${name} cannot be read` : `there is no user ${name}`;
  }

  get(username: string): UserInfo | null {
    const problem = this.#unreadable.get(username);
    if (problem !== undefined) return unreadableInfo(username, problem);
    const user = this.#users.get(username);
    return user === undefined ? null : infoOf(user);
  }

  /** All, in the order of their names. */
  list(): readonly UserInfo[] {
    const all = [...this.#users.values()].map(infoOf);
    for (const [username, problem] of this.#unreadable) all.push(unreadableInfo(username, problem));
    return all.sort((a, b) => (a.username < b.username ? -1 : 1));
  }

  /** Resolves when the user is stored. Rejects with UserError or HasherError, or as the table does. */
  async add(
    username: string,
    password: Uint8Array,
    { groups = [], isMachine = false }: NewUserOptions = {},
  ): Promise<UserInfo> {
    const problem = usernameProblem(username);
    if (problem !== null) throw invalid(`the user name ${problem}`);
    needPassword(password);
    needGroups(groups);
    this.#needAbsent(username);
    this.#needRoom();
    this.#adding++;
    try {
      const secrets = await newSecrets(this.#options.hasher, password, isMachine);
      return await this.#inTurn(username, () => {
        this.#needAbsent(username);
        const now = this.#now();
        const user = { username, ...secrets, groups: [...groups], isDisabled: false };
        return this.#put({ ...user, createdAt: now, changedAt: now }, 'added');
      });
    } finally {
      this.#adding--;
    }
  }

  async setPassword(username: string, password: Uint8Array, isMachine = false): Promise<UserInfo> {
    needPassword(password);
    this.#need(username);
    const secrets = await newSecrets(this.#options.hasher, password, isMachine);
    return this.#change(username, secrets, 'password');
  }

  async setGroups(username: string, groups: readonly string[]): Promise<UserInfo> {
    needGroups(groups);
    return this.#change(username, { groups: [...groups] }, 'groups');
  }

  async enable(username: string): Promise<UserInfo> {
    return this.#change(username, { isDisabled: false }, 'enabled');
  }

  async disable(username: string): Promise<UserInfo> {
    return this.#change(username, { isDisabled: true }, 'disabled');
  }

  async remove(username: string): Promise<void> {
    await this.#inTurn(username, async () => {
      const user = this.#users.get(username);
      if (user === undefined && !this.#unreadable.has(username)) throw unknown(username);
      await this.#options.table.remove(`${USER}${username}`);
      this.#users.delete(username);
      this.#unreadable.delete(username);
      if (user !== undefined) this.decoys.remove(user);
      this.#options.onChange?.(username, 'removed');
    });
  }

  #take(username: string, value: Uint8Array): void {
    const user = decodeUser(username, value);
    if (typeof user === 'string') {
      this.#unreadable.set(username, user);
      return;
    }
    this.#users.set(username, user);
    this.decoys.add(user);
  }

  #tellUnreadable(): void {
    const { logger = SILENT } = this.#options;
    let rest = NAMED_MAX;
    for (const [username, problem] of this.#unreadable) {
      if (rest-- === 0) break;
      logger.warn({ username, problem }, 'a stored user cannot be read, and cannot log in');
    }
    const count = this.#unreadable.size - NAMED_MAX;
    if (count > 0) logger.warn({ count }, 'more stored users cannot be read than are named');
  }

  #change(username: string, fields: Partial<UserRecord>, change: UserChange): Promise<UserInfo> {
    return this.#inTurn(username, () =>
      this.#put({ ...this.#need(username), ...fields, changedAt: this.#now() }, change),
    );
  }

  async #put(user: UserRecord, change: UserChange): Promise<UserInfo> {
    await this.#storeDecoyKey();
    await this.#options.table.put(`${USER}${user.username}`, encodeUser(user));
    const before = this.#users.get(user.username);
    if (before !== undefined) this.decoys.remove(before);
    this.#users.set(user.username, user);
    this.decoys.add(user);
    this.#options.onChange?.(user.username, change);
    return infoOf(user);
  }

  /** With the first change, so that whoever only reads writes nothing. */
  async #storeDecoyKey(): Promise<void> {
    this.#decoyKeyStored ??= this.#options.table.put(DECOY_KEY, this.#decoyKey);
    try {
      await this.#decoyKeyStored;
    } catch (error) {
      this.#decoyKeyStored = null;
      throw error;
    }
  }

  /** Begins when the changes of this user that came before have ended, however they did. */
  #inTurn<T>(username: string, change: () => Promise<T>): Promise<T> {
    const before = this.#changing.get(username) ?? Promise.resolve();
    const result = before.then(change);
    const end = result.then(
      () => {},
      () => {},
    );
    this.#changing.set(username, end);
    void end.then(() => {
      if (this.#changing.get(username) === end) this.#changing.delete(username);
    });
    return result;
  }

  #need(username: string): UserRecord {
    const user = this.#users.get(username);
    if (user !== undefined) return user;
    const problem = this.#unreadable.get(username);
    if (problem === undefined) throw unknown(username);
    throw new UserError(
      'unreadable',
      `the record of the user ${JSON.stringify(username)} ${problem}: remove the user and add it again`,
    );
  }

  #needAbsent(username: string): void {
    if (!this.#users.has(username) && !this.#unreadable.has(username)) return;
    throw new UserError('exists', `there is a user ${JSON.stringify(username)} already`);
  }

  #needRoom(): void {
    if (this.#users.size + this.#unreadable.size + this.#adding < this.#usersMax) return;
    throw new UserError('full', `there are ${this.#usersMax} users, as many as may be`);
  }

  #now(): string {
    return new Date(this.#clock.wallNow()).toISOString();
  }
}

function infoOf({
  username,
  groups,
  isDisabled,
  scram,
  createdAt,
  changedAt,
}: UserRecord): UserInfo {
  const hasScram = scram !== null;
  return { username, groups, isDisabled, hasScram, createdAt, changedAt, problem: null };
}

function unreadableInfo(username: string, problem: string): UserInfo {
  return {
    username,
    groups: [],
    isDisabled: true,
    hasScram: false,
    createdAt: null,
    changedAt: null,
    problem,
  };
}

function needPassword(password: Uint8Array): void {
  const problem = passwordProblem(password);
  if (problem !== null) throw invalid(`the password ${problem}`);
}

function needGroups(groups: readonly string[]): void {
  const problem = groupsProblem(groups);
  if (problem !== null) throw invalid(problem);
}

function invalid(message: string): UserError {
  return new UserError('invalid', message);
}

function unknown(username: string): UserError {
  return new UserError('unknown', `there is no user ${JSON.stringify(username)}`);
}
