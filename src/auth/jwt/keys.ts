// All keys of a JWT authenticator, wherever they come from, and which of them may verify a token. A token is asked for two
// things only, its algorithm and the name of its key, and both only choose among these keys: `jku`, `x5u`, `jwk` and `x5c`,
// by which a token would bring its own, are not read.

import { SILENT } from '../../core/logger.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import type { JwtAlgorithm } from './algorithms.ts';
import type { JwtKey } from './key.ts';
import { type LoadedKeys, type LoadJwtKeysOptions, readKeys } from './load-keys.ts';
import { RemoteKeySet } from './remote-key-set.ts';
import type { TokenHeader } from './token.ts';

/** milliseconds */
const COOL_DOWN_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
/** Bytes of a JWKS. */
const KEY_SET_BYTES_MAX = 262_144;

/**
 * Reads and checks the keys, and starts to keep those fresh that come from an address. Throws AccessError with every problem. An
 * address that gives no keys is none: the issuer may come later, and tokens are refused until then. Waits for its first answer.
 * `former` are those of before a reload: what they have from an address stays in use until it answers again.
 */
export async function loadJwtKeys(
  options: LoadJwtKeysOptions,
  former: JwtKeys | null = null,
): Promise<JwtKeys> {
  const keys = new JwtKeys(await readKeys(options), options, former);
  await keys.start();
  return keys;
}

export class JwtKeys {
  /** What was read: whoever watches files watches these. */
  readonly files: readonly string[];
  /** Those of them that hold something secret: nobody else should be able to read them. */
  readonly secretFiles: readonly string[];
  readonly #own: readonly JwtKey[];
  readonly #sets: readonly RemoteKeySet[];
  readonly #algorithms: ReadonlySet<string>;
  readonly #options: LoadJwtKeysOptions;
  /** Whose failing was said in the log. */
  readonly #failing = new Set<RemoteKeySet>();
  /** Changes whenever keys do. */
  generation = 0;

  constructor(loaded: LoadedKeys, options: LoadJwtKeysOptions, former: JwtKeys | null) {
    this.#options = options;
    this.files = loaded.files;
    this.secretFiles = loaded.secretFiles;
    this.#own = loaded.keys;
    this.#sets = loaded.addresses.map(
      ({ url, algorithms, refreshMs }) =>
        new RemoteKeySet({
          url,
          algorithms,
          refreshMs,
          coolDownMs: options.coolDownMs ?? COOL_DOWN_MS,
          limits: {
            timeoutMs: options.fetchTimeoutMs ?? FETCH_TIMEOUT_MS,
            bytesMax: KEY_SET_BYTES_MAX,
          },
          clock: options.clock ?? SYSTEM_CLOCK,
          onChange: (set) => this.#onChange(set),
          onReport: (set) => this.#report(set),
        }),
    );
    for (const set of this.#sets) {
      for (const old of former === null ? [] : former.#sets) set.inherit(old);
    }
    this.#algorithms = new Set([
      ...loaded.keys.flatMap(({ byAlgorithm }) => [...byAlgorithm.keys()]),
      ...this.#sets.flatMap(({ algorithms }) => algorithms),
    ]);
  }

  /** Gets what comes from addresses for the first time; never rejects. */
  async start(): Promise<void> {
    await Promise.all(this.#sets.map((set) => set.start()));
  }

  /** Whether any key is for this algorithm, be it one that is still to come. */
  allows(algorithm: string): algorithm is JwtAlgorithm {
    return this.#algorithms.has(algorithm);
  }

  /** The keys that may have signed this token. */
  find({ algorithm, keyId }: TokenHeader): JwtKey[] {
    const found: JwtKey[] = [];
    for (const keys of [this.#own, ...this.#sets.map((set) => set.keys)]) {
      for (const key of keys) {
        const isMeant = keyId === null || key.id === null || key.id === keyId;
        if (isMeant && this.#isFor(key, algorithm)) found.push(key);
      }
    }
    return found;
  }

  /** What is kept of a token that this key has signed: its algorithm, its key, and where that came from. */
  markOf(key: JwtKey, { algorithm }: TokenHeader): string {
    const set = this.#sets.find(({ keys }) => keys.includes(key));
    return [algorithm, key.mark, set?.mark ?? ''].join(' ');
  }

  /**
   * Whether the key of this mark is not, or not any more, one of them for its algorithm. Nobody knows that of a key from a set
   * that does not answer, or whose set is not asked any more while another one does not answer.
   */
  isGone(mark: string): boolean {
    const [algorithm, keyMark, setMark] = mark.split(' ');
    const all = [this.#own, ...this.#sets.map((set) => set.keys)].flat();
    if (all.some((key) => key.mark === keyMark && this.#isFor(key, algorithm))) return false;
    if (setMark === '') return true;
    const same = this.#sets.filter((set) => set.mark === setMark);
    const candidates = same.length > 0 ? same : this.#sets;
    return !candidates.some(
      ({ algorithms, problem }) =>
        problem !== null && algorithms.some((name) => name === algorithm),
    );
  }

  /**
   * Looks for keys that this token may mean and that are not there yet; null: there are none to look for, or not so soon.
   * Never rejects.
   */
  lookFor(header: TokenHeader): Promise<unknown> | null {
    const fetches: Promise<void>[] = [];
    for (const set of this.#sets) {
      if (!this.#mayHave(set, header)) continue;
      const fetch = set.refresh();
      if (fetch !== null) fetches.push(fetch);
    }
    return fetches.length === 0 ? null : Promise.all(fetches);
  }

  /** Why keys that this token may mean are not there; null: they would be. */
  problemFor(header: TokenHeader): string | null {
    for (const set of this.#sets) {
      if (set.problem !== null && this.#mayHave(set, header)) return `${set.name}: ${set.problem}`;
    }
    return null;
  }

  /** Fetches nothing any more. */
  close(): void {
    for (const set of this.#sets) set.close();
  }

  #isFor(key: JwtKey, algorithm: string): boolean {
    return this.allows(algorithm) && key.byAlgorithm.has(algorithm);
  }

  /** A set without the key that the token names may have it by now. */
  #mayHave(set: RemoteKeySet, { algorithm, keyId }: TokenHeader): boolean {
    if (!set.algorithms.some((name) => name === algorithm)) return false;
    if (set.keys.length === 0) return true;
    return keyId !== null && !this.#isKnown(keyId);
  }

  #isKnown(keyId: string): boolean {
    return [this.#own, ...this.#sets.map((set) => set.keys)].some((keys) =>
      keys.some(({ id }) => id === keyId),
    );
  }

  #onChange(set: RemoteKeySet): void {
    this.generation++;
    const { logger = SILENT, name } = this.#options;
    const ids = set.keys.map(({ id }) => id);
    logger.info({ authenticator: name, url: set.name, keys: ids }, 'new keys for tokens');
  }

  #report(set: RemoteKeySet): void {
    const { logger = SILENT, name, onReport } = this.#options;
    const report = {
      authenticator: name,
      url: set.name,
      problem: set.problem,
      keys: set.keys.length,
    };
    if (onReport !== undefined) {
      onReport(report);
    } else if (set.problem === null) {
      this.#failing.delete(set);
      logger.info(report, 'the keys for tokens can be fetched again');
    } else if (!this.#failing.has(set)) {
      this.#failing.add(set);
      logger.warn(report, 'the keys for tokens cannot be fetched: those that are there stay');
    }
  }
}
