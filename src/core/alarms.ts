// What somebody must look at: one registry of the alarms that are up, by name. The log has a line when one goes up and when it
// is over; metrics, the API and readiness read the registry.

import type { Clock } from '../lib/clock.ts';
import type { Logger } from './logger.ts';

/** `warning`: it works, but not for long or not as it should; `critical`: something does not work. */
export type AlarmSeverity = 'warning' | 'critical';

export interface Alarm {
  /** snake_case, of a fixed set */
  readonly name: string;
  readonly severity: AlarmSeverity;
  /** What is wrong and what to do. */
  readonly message: string;
  /** Wall clock milliseconds. */
  readonly sinceMs: number;
  readonly fields: object;
}

export class Alarms {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #active = new Map<string, Alarm>();
  /** How often alarms went up. */
  raised = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Those that are up, oldest first. */
  get active(): readonly Alarm[] {
    return [...this.#active.values()];
  }

  isRaised(name: string): boolean {
    return this.#active.has(name);
  }

  /** Goes up, or stays up with what is known now. Only the first time is said in the log: whether this was it. */
  raise(name: string, severity: AlarmSeverity, message: string, fields: object = {}): boolean {
    const former = this.#active.get(name);
    const sinceMs = former?.sinceMs ?? this.#clock.wallNow();
    this.#active.set(name, { name, severity, message, sinceMs, fields });
    if (former !== undefined && former.severity === severity) return false;
    this.raised++;
    const line = { alarm: name, severity, ...fields };
    if (severity === 'critical') this.#logger.error(line, `ALARM ${name}: ${message}`);
    else this.#logger.warn(line, `ALARM ${name}: ${message}`);
    return true;
  }

  /** Is over; nothing happens if it was not up. */
  clear(name: string): void {
    const alarm = this.#active.get(name);
    if (alarm === undefined) return;
    this.#active.delete(name);
    const lastedMs = Math.round(this.#clock.wallNow() - alarm.sinceMs);
    this.#logger.info({ alarm: name, lastedMs }, `alarm over: ${name}`);
  }
}
