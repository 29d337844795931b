// Users of a password file. A stranger learns nothing from the time that an answer takes: a name that is not in the file costs
// one derivation like the others, and is the next authenticator's then. It has no enhanced authentication: SCRAM needs keys that
// cannot be had from these hashes.

import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Client, ConnectRequest, Decision, Refused } from '../auth.ts';
import { checkPassword, wrongCredentials } from './check.ts';
import type { CredentialCache } from './credentials.ts';
import type { PasswordHasher } from './hasher.ts';
import { loadPasswordFile, type PasswordFile, type PasswordFileOptions } from './password-file.ts';
import { decoyOf, markOf, type PasswordHash, passwordProblem } from './password-hash.ts';
import type { PasswordSource } from './password-source.ts';

interface CommonOptions {
  /** In the configuration. */
  readonly name: string;
  /** Shared with other authenticators, and not closed here. */
  readonly hasher: PasswordHasher;
  /** null = every login is hashed. */
  readonly cache: CredentialCache | null;
}

export interface PasswordFileAuthenticatorOptions extends CommonOptions {
  readonly passwords: PasswordFile;
}

export interface LoadOptions extends CommonOptions, PasswordFileOptions {
  readonly file: string;
}

export class PasswordFileAuthenticator implements PasswordSource {
  /** What waits to be hashed may wait for longer than an answer may take. */
  readonly endsByItself = true;
  readonly name: string;
  readonly passwords: PasswordFile;
  readonly #hasher: PasswordHasher;
  readonly #cache: CredentialCache | null;
  /** Checked for names that are not in the file; null = there are none at all. */
  readonly #decoy: PasswordHash | null;

  constructor({ name, passwords, hasher, cache }: PasswordFileAuthenticatorOptions) {
    this.name = name;
    this.passwords = passwords;
    this.#hasher = hasher;
    this.#cache = cache;
    this.#decoy = passwords.usual === null ? null : decoyOf(passwords.usual);
  }

  /** Reads the file. Throws AccessError with every problem. */
  static async load(options: LoadOptions): Promise<PasswordFileAuthenticator> {
    const passwords = await loadPasswordFile(options.file, options);
    return new PasswordFileAuthenticator({ ...options, passwords });
  }

  authenticate(request: ConnectRequest): Decision | Promise<Decision> {
    const { username, password } = request;
    if (username === null || password === null) return 'next';
    const hash = this.passwords.users.get(username);
    const problem = passwordProblem(password); // no derivation, for whichever name
    if (problem !== null)
      return hash === undefined ? 'next' : wrongCredentials(`the password ${problem}`);
    if (hash === undefined) return this.#passOn(request);
    if (this.#cache?.has(this.name, username, password, hash)) return accepted(username, hash);
    return this.#check(request, username, password, hash);
  }

  async #check(
    request: ConnectRequest,
    username: string,
    password: Uint8Array,
    hash: PasswordHash,
  ): Promise<Decision> {
    const result = await checkPassword(this.#hasher, request, password, hash);
    if (typeof result !== 'string') return result;
    if (result === 'mismatch') return wrongCredentials('the password is wrong');
    this.#cache?.add(this.name, username, password, hash);
    return accepted(username, hash);
  }

  async #passOn(request: ConnectRequest): Promise<Decision> {
    return (await this.spend(request)) ?? 'next';
  }

  get nameCount(): number {
    return this.passwords.users.size;
  }

  knowsName(username: string): boolean {
    return this.passwords.users.has(username);
  }

  async spend(request: ConnectRequest): Promise<Refused | null> {
    const { password } = request;
    if (this.#decoy === null || password === null || passwordProblem(password) !== null)
      return null;
    const result = await checkPassword(this.#hasher, request, password, this.#decoy);
    return typeof result === 'string' ? null : result;
  }

  /** The same user with the same hash; whoever got another password has to show it, at once if it is here. */
  review(client: Client, isAway = false): Client | null {
    const hash = client.username === null ? undefined : this.passwords.users.get(client.username);
    if (hash === undefined) return null;
    return isAway || markOf(hash) === client.credential ? client : null;
  }
}

function accepted(username: string, hash: PasswordHash): Decision {
  return { reasonCode: ReasonCode.Success, username, credential: markOf(hash) };
}
