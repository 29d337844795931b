// Credentials that were right a while ago, so that a client that comes back often does not cost a derivation each time. What is
// kept is an HMAC under a key that only this process has, over who said so, the user name, the password and the hash that it
// was checked against: another hash for that user is another entry, and nothing in memory helps to guess a password.

import { createHmac, randomBytes } from 'node:crypto';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { formatPasswordHash, type PasswordHash } from './password-hash.ts';

export interface CredentialCacheOptions {
  readonly clock?: Clock;
  /** Milliseconds from the check on; default ten minutes, 0 = nothing is kept. */
  readonly ttlMs?: number;
  /** Beyond it the oldest goes; default 10,000, 0 = nothing is kept. */
  readonly entriesMax?: number;
}

const KEY_BYTES = 32;
const TTL_MS = 600_000;
const ENTRIES_MAX = 10_000;

export class CredentialCache {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #entriesMax: number;
  readonly #key = randomBytes(KEY_BYTES);
  /** Until when, by digest; the oldest first, since all live equally long. */
  readonly #untilMs = new Map<string, number>();

  constructor(options: CredentialCacheOptions = {}) {
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#ttlMs = options.ttlMs ?? TTL_MS;
    this.#entriesMax = options.entriesMax ?? ENTRIES_MAX;
  }

  get size(): number {
    return this.#untilMs.size;
  }

  /** Whether they were right lately; `source` is the name of who checks them. */
  has(source: string, username: string, password: Uint8Array, hash: PasswordHash): boolean {
    if (this.#untilMs.size === 0) return false;
    const digest = this.#digest(source, username, password, hash);
    const untilMs = this.#untilMs.get(digest);
    if (untilMs === undefined) return false;
    if (this.#clock.now() < untilMs) return true;
    this.#untilMs.delete(digest);
    return false;
  }

  /** They were checked against the hash, and are right. */
  add(source: string, username: string, password: Uint8Array, hash: PasswordHash): void {
    if (this.#ttlMs <= 0 || this.#entriesMax <= 0) return;
    const digest = this.#digest(source, username, password, hash);
    this.#untilMs.delete(digest); // to the end
    for (const oldest of this.#untilMs.keys()) {
      if (this.#untilMs.size < this.#entriesMax) break;
      this.#untilMs.delete(oldest);
    }
    this.#untilMs.set(digest, this.#clock.now() + this.#ttlMs);
  }

  /** Who may come in has changed as a whole. */
  clear(): void {
    this.#untilMs.clear();
  }

  /** Each part with its length before it, so that no two lists of parts look alike. */
  #digest(source: string, username: string, password: Uint8Array, hash: PasswordHash): string {
    const hmac = createHmac('sha256', this.#key);
    const length = Buffer.allocUnsafe(4);
    for (const part of [source, username, password, formatPasswordHash(hash)]) {
      length.writeUInt32LE(Buffer.byteLength(part));
      hmac.update(length).update(part);
    }
    return hmac.digest('base64');
  }
}
