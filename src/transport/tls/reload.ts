// The TLS files of one listener over time: loaded at start, loaded anew when they change or somebody asks, and swapped only as
// a whole. Whatever is wrong with new files, the former set stays in use, and an alarm says so. Days to expiry are counted
// here, too, since that is the other way for a certificate to stop working.

import { assert } from '../../lib/assert.ts';
import type { Cancellable } from '../../lib/clock.ts';
import { certificateLives, crlLives, daysUntil, firstToEnd, type Life } from './expiry.ts';
import { ExpiryWarning, type ExpiryWarningOptions } from './expiry-warning.ts';
import { TlsMaterialError } from './findings.ts';
import type { TlsOptions } from './options.ts';
import { TlsSet } from './set.ts';
import { FileWatcher } from './watch.ts';

export interface TlsMaterialOptions extends ExpiryWarningOptions {
  readonly tls: TlsOptions;
  /** As FileWatcher's. */
  readonly debounceMs?: number;
  readonly pollMs?: number;
  readonly watchesFolders?: boolean;
}

const HOUR_MS = 3_600_000;

export class TlsMaterial {
  /**
   * Called when another set is in use. `trustChanged`: authorities or lists are others, so that those who are connected may be
   * revoked now.
   */
  onSwap: ((set: TlsSet, trustChanged: boolean) => void) | null = null;
  readonly #options: TlsMaterialOptions;
  readonly #watcher: FileWatcher;
  readonly #certificateWarning: ExpiryWarning;
  readonly #crlWarning: ExpiryWarning;
  #current: TlsSet | null = null;
  #running: Promise<boolean> | null = null;
  /** The run after the running one, for those who asked meanwhile: files may have changed since it read them. */
  #next: Promise<boolean> | null = null;
  #expiryCheck: Cancellable | null = null;
  #isClosed = false;

  constructor(options: TlsMaterialOptions) {
    this.#options = options;
    this.#certificateWarning = new ExpiryWarning('certificate_expires', options);
    this.#crlWarning = new ExpiryWarning('crl_expires', options);
    const { tls, clock, logger, debounceMs, pollMs, watchesFolders } = options;
    this.#watcher = new FileWatcher({
      files: TlsSet.files(tls),
      onChange: () => void this.reload(),
      clock,
      logger,
      debounceMs,
      pollMs,
      watchesFolders,
    });
  }

  /** Loads the files and begins to watch them. Throws TlsMaterialError; then nothing is left of it. */
  async start(): Promise<void> {
    const begun = this.#begin();
    const done = (): boolean => {
      this.#running = null;
      return !this.#isClosed;
    };
    this.#running = begun.then(done, done);
    await begun;
  }

  get current(): TlsSet {
    assert(this.#current !== null, 'TLS material is used before it was loaded');
    return this.#current;
  }

  /** When the first of the server's certificates ends; milliseconds of the wall clock. */
  get certificateEndsMs(): number {
    return firstToEnd(certificateLives(this.current))?.ends.getTime() ?? 0;
  }

  /** Days until the first of the server's certificates ends, with fractions; negative once it has ended. */
  get certificateLeftDays(): number {
    return this.#leftDays(certificateLives(this.current)) ?? 0;
  }

  /** Days until the first revocation list is too old; null if there is none that says when. */
  get crlLeftDays(): number | null {
    return this.#leftDays(crlLives(this.current));
  }

  /**
   * Loads the files anew: true if they are in use now, also if they are the same as before; false if they cannot be used and
   * the former stay, which is logged. Rejects only if `onSwap` throws. Who asks while a reload runs gets the result of the
   * one after it.
   */
  reload(): Promise<boolean> {
    if (this.#next !== null) return this.#next;
    const running = this.#running;
    if (running === null) return this.#run();
    this.#next = running.then(() => this.#run());
    return this.#next;
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher.close();
    this.#expiryCheck?.cancel();
    this.#options.alarms.clear('tls_reload_failed', this);
    this.#certificateWarning.clear();
    this.#crlWarning.clear();
  }

  async #begin(): Promise<void> {
    const { tls, clock } = this.#options;
    try {
      await this.#watcher.start(); // first: what changes while the files are read is noticed
      const set = await TlsSet.load(tls, null, clock.wallNow());
      if (this.#isClosed) return;
      this.#use(set, 'TLS certificate loaded');
      this.#expiryCheck = clock.every(HOUR_MS, () => this.#checkExpiry(false));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #run(): Promise<boolean> {
    this.#next = null;
    this.#running = this.#load().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #load(): Promise<boolean> {
    if (this.#isClosed) return false;
    const { tls, clock, alarms, listener, logger } = this.#options;
    const former = this.current;
    let set: TlsSet;
    try {
      set = await TlsSet.load(tls, former, clock.wallNow());
    } catch (error) {
      if (!this.#isClosed) this.#failed(error as Error);
      return false;
    }
    if (this.#isClosed) return false;
    alarms.clear('tls_reload_failed', this);
    if (set.digest === former.digest) {
      logger.info({ listener }, 'TLS files are the same as before');
      this.#checkExpiry(true);
      return true;
    }
    const trustChanged = set.trustDigest !== former.trustDigest;
    this.#use(set, 'TLS certificate reloaded', { trustChanged });
    this.onSwap?.(set, trustChanged);
    return true;
  }

  #use(set: TlsSet, message: string, more: object = {}): void {
    const { logger, listener } = this.#options;
    this.#current = set;
    const [own] = set.expiries;
    const fields = {
      listener,
      subject: own?.subject,
      serialNumber: own?.serialNumber,
      notAfter: own?.notAfter.toISOString(),
      ...more,
    };
    logger.info(fields, message);
    for (const warning of set.warnings) {
      logger.warn({ listener, file: warning.file }, warning.message);
    }
    this.#checkExpiry(true);
  }

  #failed(error: Error): void {
    const { logger, listener, alarms } = this.#options;
    const problems =
      error instanceof TlsMaterialError ? error.message.split('\n') : [error.message];
    const message = 'the new TLS files cannot be used, the former ones stay';
    logger.error({ listener, problems }, message);
    const first = `${message}: ${problems[0]}`;
    alarms.raise('tls_reload_failed', this, listener, 'warning', first, { problems });
  }

  #checkExpiry(isRead: boolean): void {
    this.#certificateWarning.check(certificateLives(this.current), isRead);
    this.#crlWarning.check(crlLives(this.current), isRead);
  }

  #leftDays(lives: readonly Life[]): number | null {
    const life = firstToEnd(lives);
    return life && daysUntil(life.ends, this.#options.clock.wallNow());
  }
}
