// What a user name that nobody has looks like: like those that somebody has. It costs as many rounds, in the same proportions,
// and has the same salt each time, also after a restart; so neither time nor what SCRAM shows tells whether a user exists.

import { createHmac, randomBytes } from 'node:crypto';
import { costOf, decoyOf, ITERATIONS, type PasswordHash } from '../passwords/password-hash.ts';
import { KEY_BYTES, type ScramSecrets } from '../scram/secrets.ts';
import { SALT_BYTES } from './new-secrets.ts';
import type { UserRecord } from './user-record.ts';

/** Users whose passwords cost the same. */
interface Kind {
  readonly hash: PasswordHash;
  readonly iterations: number;
  count: number;
}

/** Of a database without users. */
const FIRST: Kind = {
  hash: {
    algorithm: 'sha512-pbkdf2',
    iterations: ITERATIONS,
    salt: new Uint8Array(12),
    hash: new Uint8Array(64),
  },
  iterations: ITERATIONS,
  count: 0,
};

export class Decoys {
  readonly #key: Uint8Array;
  readonly #kinds = new Map<string, Kind>();
  #count = 0;

  /** `key`: what the salts depend on; secret, and always the same. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  add(user: UserRecord): void {
    const id = kindOf(user);
    const kind = this.#kinds.get(id);
    this.#count++;
    if (kind !== undefined) kind.count++;
    else {
      const iterations = user.scram?.iterations ?? ITERATIONS;
      this.#kinds.set(id, { hash: decoyOf(user.hash), iterations, count: 1 });
    }
  }

  remove(user: UserRecord): void {
    const id = kindOf(user);
    const kind = this.#kinds.get(id);
    if (kind === undefined) return;
    this.#count--;
    if (--kind.count === 0) this.#kinds.delete(id);
  }

  /** A hash that no password has; null = there are no users, and nothing to hide. */
  hashOf(username: string): PasswordHash | null {
    return this.#count === 0 ? null : decoyOf(this.#pick(username).hash);
  }

  /** Secrets that no password has. */
  secretsOf(username: string): ScramSecrets {
    const { iterations } = this.#pick(username);
    // Another number of rounds without another salt would give it away.
    const salt = this.#hmac(`salt ${iterations} ${username}`).subarray(0, SALT_BYTES);
    return {
      salt,
      iterations,
      storedKey: randomBytes(KEY_BYTES),
      serverKey: randomBytes(KEY_BYTES),
    };
  }

  /** By its name, so that it stays the same while users come and go, for most names. */
  #pick(username: string): Kind {
    const share = this.#hmac(`kind ${username}`).readUIntBE(0, 6) / 2 ** 48;
    let rest = share * this.#count;
    for (const [, kind] of [...this.#kinds].sort(([a], [b]) => (a < b ? -1 : 1))) {
      rest -= kind.count;
      if (rest < 0) return kind;
    }
    return FIRST;
  }

  #hmac(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

function kindOf({ hash, scram }: UserRecord): string {
  return `${costOf(hash)} ${scram?.iterations ?? ITERATIONS}`;
}
