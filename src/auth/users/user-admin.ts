// What may be done with users, as commands and the admin API ask for it: all that goes in and comes out is JSON. It is done by
// the database itself, or by whoever carries it there.

import type { UserDatabase, UserInfo } from './user-database.ts';

/** `isMachine`: it is 256 random bits, see `newSecrets`. */
export interface NewPassword {
  readonly password: string;
  readonly isMachine: boolean;
}

export interface NewUser extends NewPassword {
  readonly username: string;
  readonly groups: readonly string[];
}

/** What cannot be done rejects with UserError. */
export interface UserAdmin {
  list(): Promise<readonly UserInfo[]>;
  /** null: there is no such user. */
  get(username: string): Promise<UserInfo | null>;
  add(user: NewUser): Promise<UserInfo>;
  setPassword(username: string, password: NewPassword): Promise<UserInfo>;
  setGroups(username: string, groups: readonly string[]): Promise<UserInfo>;
  enable(username: string): Promise<UserInfo>;
  disable(username: string): Promise<UserInfo>;
  remove(username: string): Promise<void>;
}

export class DatabaseUserAdmin implements UserAdmin {
  readonly #database: UserDatabase;

  constructor(database: UserDatabase) {
    this.#database = database;
  }

  async list(): Promise<readonly UserInfo[]> {
    return this.#database.list();
  }

  async get(username: string): Promise<UserInfo | null> {
    return this.#database.get(username);
  }

  add({ username, groups, password, isMachine }: NewUser): Promise<UserInfo> {
    return this.#database.add(username, Buffer.from(password), { groups, isMachine });
  }

  setPassword(username: string, { password, isMachine }: NewPassword): Promise<UserInfo> {
    return this.#database.setPassword(username, Buffer.from(password), isMachine);
  }

  setGroups(username: string, groups: readonly string[]): Promise<UserInfo> {
    return this.#database.setGroups(username, groups);
  }

  enable(username: string): Promise<UserInfo> {
    return this.#database.enable(username);
  }

  disable(username: string): Promise<UserInfo> {
    return this.#database.disable(username);
  }

  remove(username: string): Promise<void> {
    return this.#database.remove(username);
  }
}
