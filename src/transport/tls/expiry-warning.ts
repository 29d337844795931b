// Says that a certificate or a revocation list ends, weeks before: by an alarm for as long as it is so, and by a line of the log
// whenever its files were read, and once a day, since an alarm is told only when it goes up.

import type { AlarmSeverity } from '../../core/alarms.ts';
import type { Logger } from '../../core/logger.ts';
import type { Clock } from '../../lib/clock.ts';
import { daysUntil, firstDue, type Life } from './expiry.ts';
import type { TlsAlarms } from './tls-alarms.ts';

export interface ExpiryWarningOptions {
  /** Names the listener in logs and alarms: its URL. */
  readonly listener: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alarms: TlsAlarms;
  /** So long before its end a certificate or a list is an alarm, or in the last quarter of its life, if that is later. */
  readonly expiryWarningDays?: number;
}

const EXPIRY_WARNING_DAYS = 30;
const DAY_MS = 86_400_000;

type Name = 'certificate_expires' | 'crl_expires';

/** How it speaks of something that ends. */
interface Words {
  readonly what: string;
  readonly ends: string;
  readonly todo: string;
  readonly todoNow: string;
}

const WORDS: Readonly<Record<Name, Words>> = {
  certificate_expires: {
    what: 'the certificate',
    ends: 'ends on',
    todo: 'renew it',
    todoNow: 'clients refuse it, renew it now',
  },
  crl_expires: {
    what: 'the revocation list of',
    ends: 'holds until',
    todo: 'fetch a newer one',
    todoNow: 'all clients below that authority are refused, fetch a newer one now',
  },
};

export class ExpiryWarning {
  readonly #options: ExpiryWarningOptions;
  readonly #name: Name;
  /** monotonic milliseconds */
  #toldMs = 0;

  constructor(name: Name, options: ExpiryWarningOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** `isRead`: the files were read just now, which is a reason to say it again. */
  check(lives: readonly Life[], isRead: boolean): void {
    const {
      alarms,
      listener,
      clock,
      logger,
      expiryWarningDays = EXPIRY_WARNING_DAYS,
    } = this.#options;
    const nowMs = clock.wallNow();
    const life = firstDue(lives, expiryWarningDays, nowMs);
    if (life === null) {
      this.clear();
      return;
    }
    const { file, subject, ends } = life;
    const words = WORDS[this.#name];
    const days = daysUntil(ends, nowMs);
    const isOver = days <= 0;
    const date = ends.toISOString();
    const when = isOver ? `is over since ${date}` : `${words.ends} ${date}, in ${spell(days)}`;
    const message = `${words.what} ${subject} (${file}) ${when}: ${isOver ? words.todoNow : words.todo}`;
    const severity: AlarmSeverity = isOver ? 'critical' : 'warning';
    const isTold = alarms.raise(this.#name, this, listener, severity, message, { file, days });
    if (!isTold && !isRead && clock.now() - this.#toldMs < DAY_MS) return;
    this.#toldMs = clock.now();
    if (isTold) return;
    const fields = { listener, subject, file, ends: date, days: round(days) };
    if (this.#name === 'certificate_expires') {
      logger.warn(fields, 'a certificate ends soon, or has ended: renew it');
    } else {
      logger.warn(fields, 'a revocation list is soon too old, or is already: fetch a newer one');
    }
  }

  clear(): void {
    this.#options.alarms.clear(this.#name, this);
  }
}

function spell(days: number): string {
  return days >= 2 ? `${Math.floor(days)} days` : `${Math.floor(days * 24)} hours`;
}

function round(days: number): number {
  return Math.round(days * 10) / 10;
}
