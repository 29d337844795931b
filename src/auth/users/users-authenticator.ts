// Logs in the users of the database: with user name and password, or by SCRAM-SHA-256. Whoever is not in it costs as much time
// as whoever is, and hears the same. A user who is disabled, or whose record cannot be read, is refused and never passed on to
// the next authenticator.

import type { AuthExchange, Client, ConnectRequest, Decision, Refused } from '../auth.ts';
import { checkPassword, wrongCredentials } from '../passwords/check.ts';
import type { CredentialCache } from '../passwords/credentials.ts';
import type { PasswordHasher } from '../passwords/hasher.ts';
import { markOf, type PasswordHash, passwordProblem } from '../passwords/password-hash.ts';
import type { PasswordSource } from '../passwords/password-source.ts';
import { SCRAM_SHA_256, ScramExchange } from '../scram/exchange.ts';
import { acceptedUser, UserAccounts } from './user-accounts.ts';
import type { UserDatabase } from './user-database.ts';

export interface UsersAuthenticatorOptions {
  /** In the configuration. */
  readonly name: string;
  /** Shared with whoever manages the users, and not closed here; nor is the hasher. */
  readonly database: UserDatabase;
  readonly hasher: PasswordHasher;
  /** null = every login is hashed. */
  readonly cache: CredentialCache | null;
  /** Offers SCRAM-SHA-256, too; default true. */
  readonly scram?: boolean;
  /** The server's part of SCRAM's nonce; default: random. For tests. */
  readonly nonce?: () => string;
}

export class UsersAuthenticator implements PasswordSource {
  /** What waits to be hashed may wait for longer than an answer may take. */
  readonly endsByItself = true;
  readonly name: string;
  readonly #options: UsersAuthenticatorOptions;
  readonly #accounts: UserAccounts;

  constructor(options: UsersAuthenticatorOptions) {
    this.name = options.name;
    this.#options = options;
    this.#accounts = new UserAccounts(options.database);
  }

  authenticate(request: ConnectRequest): Decision | Promise<Decision> {
    const { database, cache } = this.#options;
    const { username, password } = request;
    if (username === null || username === '' || password === null) return 'next';
    const user = database.find(username);
    const problem = passwordProblem(password); // no derivation, for whichever name
    if (problem !== null)
      return this.knowsName(username) ? wrongCredentials(`the password ${problem}`) : 'next';
    if (user === null) return this.#passOn(request, username);
    const isRemembered = cache?.has(this.name, username, password, user.hash) === true;
    if (isRemembered && !user.isDisabled) return acceptedUser(user);
    return this.#check(request, username, password, user.hash);
  }

  /** MQTT 5 §4.12. `username`: the identity so far, which stays. */
  begin(method: string, request: ConnectRequest, username: string | null): AuthExchange | null {
    const { scram = true, nonce } = this.#options;
    if (!scram || method !== SCRAM_SHA_256) return null;
    return new ScramExchange({
      accounts: this.#accounts,
      named: request.username === '' ? null : request.username,
      current: username,
      refusal: wrongCredentials('the proof is wrong'),
      nonce,
    });
  }

  async #check(
    request: ConnectRequest,
    username: string,
    password: Uint8Array,
    hash: PasswordHash,
  ): Promise<Decision> {
    const { database, cache } = this.#options;
    const result = await checkPassword(this.#options.hasher, request, password, hash);
    if (typeof result !== 'string') return result;
    if (result === 'mismatch') return wrongCredentials('the password is wrong');
    const user = database.find(username); // it may have changed meanwhile
    if (user === null) return wrongCredentials('the user was removed meanwhile');
    if (user.hash !== hash) return wrongCredentials('the password changed meanwhile');
    if (user.isDisabled) return wrongCredentials('the user is disabled');
    cache?.add(this.name, username, password, hash);
    return acceptedUser(user);
  }

  get nameCount(): number {
    return this.#options.database.size;
  }

  /** Also of a user whose record cannot be read. */
  knowsName(username: string): boolean {
    const { database } = this.#options;
    return database.find(username) !== null || database.isUnreadable(username);
  }

  async spend(request: ConnectRequest): Promise<Refused | null> {
    const { username, password } = request;
    if (username === null || password === null || passwordProblem(password) !== null) return null;
    const decoy = this.#options.database.decoys.hashOf(username);
    if (decoy === null) return null;
    const result = await checkPassword(this.#options.hasher, request, password, decoy);
    return typeof result === 'string' ? null : result;
  }

  async #passOn(request: ConnectRequest, username: string): Promise<Decision> {
    const refused = await this.spend(request);
    if (refused !== null) return refused;
    const { database } = this.#options;
    return database.isUnreadable(username)
      ? wrongCredentials(database.absenceOf(username))
      : 'next';
  }

  /** The same user with the same password, as it is now; whoever got another one has to show it, at once if it is here. */
  review(client: Client, isAway = false): Client | null {
    const user = client.username === null ? null : this.#options.database.find(client.username);
    if (user === null || user.isDisabled) return null;
    if (!isAway && markOf(user.hash) !== client.credential) return null;
    return { ...client, groups: user.groups };
  }
}
