// The users of a server that runs, by its control socket.

import type { NewPassword, NewUser, UserAdmin } from '../auth/users/user-admin.ts';
import type { UserInfo } from '../auth/users/user-database.ts';
import { UserError, type UserProblem } from '../auth/users/user-error.ts';
import { ControlError, type ControlProblem } from '../server/contract.ts';
import { askServer, NoServer } from './control.ts';

const ROUTE = '/api/v1/users';

const PROBLEMS: Readonly<Record<ControlProblem, UserProblem>> = {
  unknown: 'unknown',
  exists: 'exists',
  invalid: 'invalid',
  unavailable: 'invalid',
  failed: 'unreadable',
};

export class RunningUsers implements UserAdmin {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** null: no server runs there. */
  static async find(folder: string): Promise<RunningUsers | null> {
    const running = new RunningUsers(folder);
    try {
      await askServer(folder, 'GET', '/api/v1/bans'); // there is always an answer to that
      return running;
    } catch (error) {
      if (error instanceof NoServer) return null;
      throw error;
    }
  }

  list(): Promise<readonly UserInfo[]> {
    return this.#ask('GET', '');
  }

  async get(username: string): Promise<UserInfo | null> {
    try {
      return await this.#ask('GET', of(username));
    } catch (error) {
      if (error instanceof UserError && error.problem === 'unknown') return null;
      throw error;
    }
  }

  add(user: NewUser): Promise<UserInfo> {
    return this.#ask('POST', '', user);
  }

  setPassword(username: string, password: NewPassword): Promise<UserInfo> {
    return this.#ask('PUT', `${of(username)}/password`, password);
  }

  setGroups(username: string, groups: readonly string[]): Promise<UserInfo> {
    return this.#ask('PUT', `${of(username)}/groups`, { groups });
  }

  enable(username: string): Promise<UserInfo> {
    return this.#ask('PUT', `${of(username)}/enabled`, { enabled: true });
  }

  disable(username: string): Promise<UserInfo> {
    return this.#ask('PUT', `${of(username)}/enabled`, { enabled: false });
  }

  remove(username: string): Promise<void> {
    return this.#ask('DELETE', of(username));
  }

  async #ask<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: object) {
    try {
      return (await askServer(this.#folder, method, `${ROUTE}${path}`, body)) as T;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      throw new UserError(PROBLEMS[error.problem], error.message);
    }
  }
}

function of(username: string): string {
  return `/${encodeURIComponent(username)}`;
}
