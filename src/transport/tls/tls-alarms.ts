// The alarms of TLS listeners. Alarms have fixed names, and there may be several listeners: each alarm is up while one of them
// has reason for it, and says what the worst one says.

import type { AlarmSeverity, Alarms } from '../../core/alarms.ts';

export type TlsAlarmName = 'tls_reload_failed' | 'certificate_expires' | 'crl_expires';

interface Reason {
  readonly listener: string;
  readonly severity: AlarmSeverity;
  readonly message: string;
  readonly fields: object;
}

export class TlsAlarms {
  static readonly #known = new WeakMap<Alarms, TlsAlarms>();
  readonly #alarms: Alarms;
  /** By name, then by whose files they are: while a listener changes, there are two of them for one. */
  readonly #reasons = new Map<TlsAlarmName, Map<object, Reason>>();

  private constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  /** All listeners of a server, that of the admin API too, have the same. */
  static of(alarms: Alarms): TlsAlarms {
    const known = TlsAlarms.#known.get(alarms) ?? new TlsAlarms(alarms);
    TlsAlarms.#known.set(alarms, known);
    return known;
  }

  /** `owner` has the reason, until it clears it. Whether the log was told, as `Alarms` tells it. */
  raise(
    name: TlsAlarmName,
    owner: object,
    listener: string,
    severity: AlarmSeverity,
    message: string,
    fields: object = {},
  ): boolean {
    const reasons = this.#reasons.get(name) ?? new Map<object, Reason>();
    reasons.set(owner, { listener, severity, message, fields });
    this.#reasons.set(name, reasons);
    return this.#show(name, reasons);
  }

  /** The owner has no reason any more. */
  clear(name: TlsAlarmName, owner: object): void {
    const reasons = this.#reasons.get(name);
    if (reasons?.delete(owner)) this.#show(name, reasons);
  }

  #show(name: TlsAlarmName, reasons: ReadonlyMap<object, Reason>): boolean {
    const all = [...reasons.values()];
    const worst = all.find(({ severity }) => severity === 'critical') ?? all[0];
    if (worst === undefined) {
      this.#alarms.clear(name);
      return false;
    }
    const others = all.length > 1 ? ` (and ${all.length - 1} more of the listeners)` : '';
    const fields = { listeners: all.map(({ listener }) => listener), ...worst.fields };
    return this.#alarms.raise(name, worst.severity, worst.message + others, fields);
  }
}
