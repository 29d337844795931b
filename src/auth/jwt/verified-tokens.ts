// Tokens that were found good lately, so that clients which all come back at once need not be verified again. They are known by
// their SHA-256 only, kept until they expire or there are too many, and all forgotten when a key changes.

import { createHash } from 'node:crypto';
import type { Identity } from './identity.ts';

/** Characters of all tokens together. What is kept of one is up to twice as much memory. */
const CHARACTERS_MAX = 33_554_432;

/** What a token says, and the mark of the key that signed it (`JwtKeys.markOf`). */
export interface VerifiedIdentity extends Identity {
  readonly keyMark: string;
}

interface Entry {
  readonly identity: VerifiedIdentity;
  readonly characters: number;
}

export class VerifiedTokens {
  readonly #entriesMax: number;
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>();
  #characters = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(token: string): VerifiedIdentity | null {
    if (this.#entries.size === 0) return null;
    return this.#entries.get(digestOf(token))?.identity ?? null;
  }

  add(token: string, identity: VerifiedIdentity): void {
    if (this.#entriesMax === 0) return;
    const digest = digestOf(token);
    this.#remove(digest);
    this.#entries.set(digest, { identity, characters: token.length });
    this.#characters += token.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#entriesMax && this.#characters <= CHARACTERS_MAX) break;
      this.#remove(oldest);
    }
  }

  remove(token: string): void {
    this.#remove(digestOf(token));
  }

  clear(): void {
    this.#entries.clear();
    this.#characters = 0;
  }

  #remove(digest: string): void {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return;
    this.#entries.delete(digest);
    this.#characters -= entry.characters;
  }
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
