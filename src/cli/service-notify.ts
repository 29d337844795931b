// Tells a service manager how the server is doing, where one listens (systemd with Type=notify sets NOTIFY_SOCKET): ready, reloading, stopping, and
// the pings of its watchdog. Node has no unix datagrams, so the program systemd-notify says it, which NotifyAccess=all lets it. Where that is
// missing or fails there is one warning, and the server runs on.

import { spawn } from 'node:child_process';
import type { Logger } from '../core/logger.ts';
import { type Cancellable, type Clock, SYSTEM_CLOCK } from '../lib/clock.ts';

/** Runs systemd-notify with these; resolves when it has ended. Rejects with what went wrong. */
export type RunNotify = (assignments: readonly string[]) => Promise<void>;

const PROGRAM = 'systemd-notify';
/** It waits for the service manager, but not for ever. */
const TIMEOUT_MS = 10_000;
const MICROSECONDS = 1_000;

export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string;
  readonly WATCHDOG_USEC?: string;
  readonly WATCHDOG_PID?: string;
}

export class ServiceNotify {
  readonly #logger: Logger;
  readonly #run: RunNotify;
  readonly #clock: Clock;
  readonly #watchdogMs: number | null;
  #isOn: boolean;
  #isStopping = false;
  #watchdog: Cancellable | null = null;
  /** One after the other: the order is what they say. */
  #last: Promise<void> = Promise.resolve();

  constructor(
    environment: ServiceEnvironment,
    logger: Logger,
    run: RunNotify = runSystemdNotify,
    clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#isOn = (environment.NOTIFY_SOCKET ?? '') !== '';
    this.#watchdogMs = watchdogMs(environment);
    this.#logger = logger;
    this.#run = run;
    this.#clock = clock;
  }

  /** It serves; the watchdog is fed from now on. */
  ready(status: string): void {
    if (this.#isStopping) return; // a reload that ends while it stops
    this.#say('READY=1', `STATUS=${status}`);
    if (this.#watchdog !== null || this.#watchdogMs === null || !this.#isOn) return;
    // Half of what it waits for. A loop that stands still does not come here, which is what a watchdog is for.
    this.#watchdog = this.#clock.every(this.#watchdogMs / 2, () => this.#say('WATCHDOG=1'));
  }

  /** `ready()` must follow, whatever comes of it. */
  reloading(): void {
    const micros = process.hrtime.bigint() / 1_000n; // since the machine started, as systemd counts
    this.#say('RELOADING=1', `MONOTONIC_USEC=${micros}`, 'STATUS=Reloading');
  }

  stopping(): void {
    this.#isStopping = true;
    this.#say('STOPPING=1', 'STATUS=Stopping');
  }

  /** Resolves when everything was said. */
  async close(): Promise<void> {
    this.#watchdog?.cancel();
    await this.#last;
  }

  #say(...assignments: readonly string[]): void {
    if (!this.#isOn) return;
    this.#last = this.#last.then(async () => {
      if (!this.#isOn) return;
      try {
        await this.#run(assignments);
      } catch (error) {
        this.#isOn = false;
        this.#watchdog?.cancel();
        const fields = { error: (error as Error).message };
        this.#logger.warn(fields, 'The service manager cannot be told how the server is doing');
      }
    });
  }
}

/** How long the watchdog of this process waits; null: there is none. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceEnvironment): number | null {
  if (!/^[1-9]\d{0,15}$/.test(WATCHDOG_USEC ?? '')) return null;
  const isOther = WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(process.pid);
  return isOther ? null : Number(WATCHDOG_USEC) / MICROSECONDS;
}

function runSystemdNotify(assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(PROGRAM, assignments, { stdio: 'ignore', timeout: TIMEOUT_MS });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT';
      reject(new Error(isMissing ? `there is no program ${PROGRAM}` : error.message));
    });
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${PROGRAM} ended with ${code ?? signal}`));
    });
  });
}
