// The users in the store of a server that is stopped. Each call takes the data folder for as long as it takes, so that nobody
// waits for it while a password is typed.

import { type HasherOptions, PasswordHasher } from '../auth/passwords/hasher.ts';
import {
  DatabaseUserAdmin,
  type NewPassword,
  type NewUser,
  type UserAdmin,
} from '../auth/users/user-admin.ts';
import { UserDatabase, type UserInfo } from '../auth/users/user-database.ts';
import { SILENT } from '../core/logger.ts';
import { type ToolOptions, withStoppedStore } from '../storage/store-folder/tools.ts';
import { StoppedTable } from './stopped-table.ts';

/** The table of the store that the users are in. */
const TABLE = 'users';

/** Throws StoreError, too: `in-use` while a server runs. */
export class StoppedUsers implements UserAdmin {
  readonly #store: ToolOptions;
  readonly #hashing: HasherOptions;

  constructor(store: ToolOptions, hashing: HasherOptions = {}) {
    this.#store = store;
    this.#hashing = hashing;
  }

  list(): Promise<readonly UserInfo[]> {
    return this.#do((admin) => admin.list());
  }

  get(username: string): Promise<UserInfo | null> {
    return this.#do((admin) => admin.get(username));
  }

  add(user: NewUser): Promise<UserInfo> {
    return this.#do((admin) => admin.add(user));
  }

  setPassword(username: string, password: NewPassword): Promise<UserInfo> {
    return this.#do((admin) => admin.setPassword(username, password));
  }

  setGroups(username: string, groups: readonly string[]): Promise<UserInfo> {
    return this.#do((admin) => admin.setGroups(username, groups));
  }

  enable(username: string): Promise<UserInfo> {
    return this.#do((admin) => admin.enable(username));
  }

  disable(username: string): Promise<UserInfo> {
    return this.#do((admin) => admin.disable(username));
  }

  remove(username: string): Promise<void> {
    return this.#do((admin) => admin.remove(username));
  }

  #do<T>(task: (admin: UserAdmin) => Promise<T>): Promise<T> {
    return withStoppedStore(this.#store, async (storage) => {
      const hasher = new PasswordHasher(this.#hashing);
      try {
        const table = new StoppedTable(storage, TABLE, this.#store.folder);
        const database = await UserDatabase.load({ table, hasher, logger: SILENT });
        return await task(new DatabaseUserAdmin(database));
      } finally {
        await hasher.close();
      }
    });
  }
}
