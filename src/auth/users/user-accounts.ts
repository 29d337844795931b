// The users of the database as SCRAM sees them: what it shows of each, and who may come in at the end.

import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Accepted } from '../auth.ts';
import { markOf } from '../passwords/password-hash.ts';
import type { ScramAccounts } from '../scram/exchange.ts';
import type { ScramSecrets } from '../scram/secrets.ts';
import type { UserDatabase } from './user-database.ts';
import type { UserRecord } from './user-record.ts';

export class UserAccounts implements ScramAccounts {
  readonly #database: UserDatabase;

  constructor(database: UserDatabase) {
    this.#database = database;
  }

  /** A user who is disabled is shown as before: other secrets would tell that there is one. */
  secretsOf(username: string): ScramSecrets {
    const decoy = this.#database.decoys.secretsOf(username); // for whichever name, so that it takes as long
    return this.#database.find(username)?.scram ?? decoy;
  }

  accept(username: string, secrets: ScramSecrets): Accepted | string {
    const user = this.#database.find(username);
    const name = JSON.stringify(username);
    if (user === null) return this.#database.absenceOf(username);
    if (user.isDisabled) return `the user ${name} is disabled`;
    if (user.scram === null) return `the password of the user ${name} cannot be used with SCRAM`;
    if (user.scram !== secrets) return `the password of the user ${name} changed meanwhile`;
    return acceptedUser(user);
  }
}

/** By whichever method. */
export function acceptedUser({ username, groups, hash }: UserRecord): Accepted {
  return { reasonCode: ReasonCode.Success, username, groups, credential: markOf(hash) };
}
