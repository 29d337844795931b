// The keys as they are configured: what is wrong with any of them is found before one of them is used.

import type { Logger } from '../../core/logger.ts';
import type { Clock } from '../../lib/clock.ts';
import { AccessError, type AccessProblem } from '../access-error.ts';
import { isJwtAlgorithm, JWT_ALGORITHMS, type JwtAlgorithm, kindOf } from './algorithms.ts';
import { parseKeyUrl } from './bounded-fetch.ts';
import { type JwtKey, secretKey } from './key.ts';
import { readKeyFile } from './key-file.ts';
import { KEY_ID_LENGTH_MAX } from './token.ts';

const REFRESH_MS = 600_000;

/** A key, or several; exactly one of `secret`, `file` and `url`. */
export interface JwtKeyOptions {
  /** The `kid` of the tokens that it is for; default: it is for all. Keys of a set have names of their own. */
  readonly id?: string | null;
  /** Which it may be used with; never empty. */
  readonly algorithms: readonly string[];
  /** For HS256, HS384, HS512. */
  readonly secret?: Uint8Array;
  /** A public key or certificate in PEM, or a JWK or JWKS. */
  readonly file?: string;
  /** Of a JWKS. */
  readonly url?: string;
  /** How often a JWKS is fetched; default ten minutes. */
  readonly refreshMs?: number;
}

/** How it goes with an address of keys: at each failure, and when it is over (`problem` null). For an alarm. */
export interface KeySetReport {
  readonly authenticator: string;
  readonly url: string;
  readonly problem: string | null;
  /** That many keys of it are in use. */
  readonly keys: number;
}

export interface LoadJwtKeysOptions {
  /** The authenticator's. */
  readonly name: string;
  readonly keys: readonly JwtKeyOptions[];
  readonly clock?: Clock;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: `logger` is told. */
  readonly onReport?: (report: KeySetReport) => void;
  /** Milliseconds between two fetches from one address, at least; default 30 s. */
  readonly coolDownMs?: number;
  /** Milliseconds that a fetch may take; default 5 s. */
  readonly fetchTimeoutMs?: number;
}

export interface KeyAddress {
  readonly url: URL;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly refreshMs: number;
}

export interface LoadedKeys {
  readonly keys: readonly JwtKey[];
  readonly addresses: readonly KeyAddress[];
  readonly files: readonly string[];
  readonly secretFiles: readonly string[];
}

/** Throws AccessError with every problem. */
export async function readKeys(options: LoadJwtKeysOptions): Promise<LoadedKeys> {
  const reading = new Reading(options.name);
  if (options.keys.length === 0) reading.problem(null, 'there is no key: add one');
  for (const [i, key] of options.keys.entries()) await reading.read(i, key);
  if (reading.problems.length > 0) throw new AccessError(reading.problems);
  return reading;
}

class Reading implements LoadedKeys {
  readonly problems: AccessProblem[] = [];
  readonly keys: JwtKey[] = [];
  readonly addresses: KeyAddress[] = [];
  readonly files: string[] = [];
  readonly secretFiles: string[] = [];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  problem(file: string | null, message: string): void {
    const where = `authenticator ${JSON.stringify(this.#name)}`;
    this.problems.push({ file, line: null, message: `${where}: ${message}` });
  }

  async read(index: number, key: JwtKeyOptions): Promise<void> {
    const { id = null, secret, file, url } = key;
    const where = id === null ? `key ${index + 1}` : `key ${JSON.stringify(id)}`;
    if (id !== null && (id === '' || id.length > KEY_ID_LENGTH_MAX)) {
      this.problem(null, `${where}: its id has to be 1 to ${KEY_ID_LENGTH_MAX} characters`);
    }
    const sources = [secret, file, url].filter((source) => source !== undefined);
    if (sources.length !== 1) {
      this.problem(null, `${where}: it needs exactly one of secret, file and url`);
      return;
    }
    const algorithms = this.#algorithmsOf(where, key.algorithms);
    if (algorithms === null) return;
    if (secret !== undefined) this.#add(where, await secretKey(id, secret, algorithms));
    if (file !== undefined) await this.#readFile(where, file, id, algorithms);
    if (url !== undefined) this.#addAddress(where, url, algorithms, key.refreshMs ?? REFRESH_MS);
  }

  #algorithmsOf(where: string, names: readonly string[]): JwtAlgorithm[] | null {
    const unknown = names.filter((name) => !isJwtAlgorithm(name));
    for (const name of unknown) {
      this.problem(
        null,
        `${where}: ${JSON.stringify(name)} is no algorithm for it: expected some of ${JWT_ALGORITHMS.join(', ')}`,
      );
    }
    if (names.length === 0) {
      this.problem(null, `${where}: name the algorithms that it is for, for example RS256`);
    }
    const algorithms = [...new Set(names.filter(isJwtAlgorithm))];
    return unknown.length > 0 || names.length === 0 ? null : algorithms;
  }

  #add(where: string, key: JwtKey | string): void {
    if (typeof key === 'string') this.problem(null, `${where}: ${key}`);
    else this.keys.push(key);
  }

  async #readFile(
    where: string,
    file: string,
    id: string | null,
    algorithms: readonly JwtAlgorithm[],
  ): Promise<void> {
    this.files.push(file);
    try {
      const { keys, hasSecrets } = await readKeyFile(file, id, algorithms);
      this.keys.push(...keys);
      if (hasSecrets) this.secretFiles.push(file);
    } catch (error) {
      this.problem(file, `${where}: ${(error as Error).message}`);
    }
  }

  #addAddress(
    where: string,
    text: string,
    algorithms: readonly JwtAlgorithm[],
    refreshMs: number,
  ): void {
    const url = parseKeyUrl(text);
    if (typeof url === 'string') this.problem(null, `${where}: ${url}`);
    const secret = algorithms.find((algorithm) => kindOf(algorithm) === 'secret');
    if (secret !== undefined) {
      this.problem(
        null,
        `${where}: ${secret} needs a secret, which nobody may publish: give it with secret or in a file`,
      );
    } else if (typeof url !== 'string') this.addresses.push({ url, algorithms, refreshMs });
  }
}
