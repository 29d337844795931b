// The alarms of TLS listeners. Alarms have fixed names, and there may be several listeners: each alarm is up while one of them
// has reason for it, and says what the worst one says.

import type { AlarmSeverity, Alarms } from '../../core/alarms.ts';

export type TlsAlarmName = 'tls_reload_failed' | 'certificate_expires' | 'crl_expires';

interface Reason {
  readonly severity: AlarmSeverity;
  readonly message: string;
  readonly fields: object;
}

export class TlsAlarms {
  readonly #alarms: Alarms;
  /** By name, then by listener. */
  readonly #reasons = new Map<TlsAlarmName, Map<string, Reason>>();

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  raise(
    name: TlsAlarmName,
    listener: string,
    severity: AlarmSeverity,
    message: string,
    fields: object = {},
  ): void {
    const reasons = this.#reasons.get(name) ?? new Map<string, Reason>();
    reasons.set(listener, { severity, message, fields });
    this.#reasons.set(name, reasons);
    this.#show(name, reasons);
  }

  /** This listener has no reason any more. */
  clear(name: TlsAlarmName, listener: string): void {
    const reasons = this.#reasons.get(name);
    if (reasons?.delete(listener)) this.#show(name, reasons);
  }

  #show(name: TlsAlarmName, reasons: ReadonlyMap<string, Reason>): void {
    const all = [...reasons.values()];
    const worst = all.find(({ severity }) => severity === 'critical') ?? all[0];
    if (worst === undefined) {
      this.#alarms.clear(name);
      return;
    }
    const others = all.length > 1 ? ` (and ${all.length - 1} more of the listeners)` : '';
    const fields = { listeners: [...reasons.keys()], ...worst.fields };
    this.#alarms.raise(name, worst.severity, worst.message + others, fields);
  }
}
