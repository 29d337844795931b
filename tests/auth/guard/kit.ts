// A guard under a fake clock, and the attempts that it is asked about.

import { onTestFinished } from 'vitest';
import type { ConnectRequest } from '../../../src/auth/auth.ts';
import type { BanTable } from '../../../src/auth/guard/bans.ts';
import { Guard, type GuardOptions } from '../../../src/auth/guard/guard.ts';
import { Metrics } from '../../../src/core/metrics.ts';
import { RefusalLog } from '../../../src/core/refusal-log.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { TimerWheel } from '../../../src/lib/timer-wheel.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import type { ConnectGuard } from '../../../src/session/connect-guard.ts';
import { LogBook } from '../../kit/log-book.ts';

export const SECOND = 1_000;
export const MINUTE = 60_000;

export function request(
  remoteAddress: string,
  username: string | null,
  clientId = 'c',
): ConnectRequest {
  return {
    clientId,
    username,
    password: username === null ? null : Uint8Array.of(1),
    authenticationMethod: null,
    protocolVersion: 5,
    cleanStart: true,
    keepAlive: 0,
    userProperties: [],
    listener: 'mqtt://127.0.0.1:1883',
    transport: 'tcp',
    remoteAddress,
    remotePort: 4_711,
    certificate: null,
    isGone: false,
  };
}

export class Guarded {
  readonly clock = new FakeClock();
  readonly book = new LogBook();
  readonly metrics = new Metrics();
  readonly guard: Guard;

  readonly #table: FakeTable | null;

  constructor({
    table,
    ...options
  }: Pick<GuardOptions, 'settings'> & { readonly table?: FakeTable } = {}) {
    this.#table = table ?? null;
    this.guard = new Guard({ ...options, clock: this.clock });
  }

  async open(): Promise<this> {
    const wheel = new TimerWheel(this.clock);
    const refusalLog = new RefusalLog(this.book, wheel);
    // It is what the session layer asks for.
    const guard: ConnectGuard = this.guard;
    await guard.open({
      logger: this.book,
      metrics: this.metrics,
      refusalLog,
      table: (name) => (name === 'bans' ? this.#table : null),
    });
    onTestFinished(() => guard.close());
    return this;
  }

  /** So many logins that failed. */
  fail(address: string, username: string | null, clientId = 'c', times = 1): void {
    for (let i = 0; i < times; i++) {
      this.guard.onRefused(request(address, username, clientId), ReasonCode.BadUserNameOrPassword);
    }
  }

  succeed(address: string, username: string, clientId = 'c'): void {
    this.guard.onAccepted(request(address, username, clientId), username);
  }

  /** The reason code that such an attempt is turned away with; 0 = it is not. */
  answer(address: string, username: string | null, clientId = 'c'): number {
    return this.guard.objection(request(address, username, clientId))?.reasonCode ?? 0;
  }
}

/** A table in memory that says what was done with it, and can be made to fail. */
export class FakeTable implements BanTable {
  readonly entries = new Map<string, Uint8Array>();
  isBroken = false;

  load(): Promise<readonly { key: string; value: Uint8Array }[]> {
    return Promise.resolve([...this.entries].map(([key, value]) => ({ key, value })));
  }

  put(key: string, value: Uint8Array): Promise<void> {
    if (this.isBroken) return Promise.reject(new Error('the disk is full'));
    this.entries.set(key, value);
    return Promise.resolve();
  }

  remove(key: string): Promise<void> {
    if (this.isBroken) return Promise.reject(new Error('the disk is full'));
    this.entries.delete(key);
    return Promise.resolve();
  }
}
