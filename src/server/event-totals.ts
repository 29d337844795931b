// The totals that live events are made from: counters that are there anyway, so that nothing happens on the message path, whether
// somebody looks or not.

import { DROP_REASON_NAMES, type Drops } from '../core/drop.ts';
import type { Metrics } from '../core/metrics.ts';
import type { EventControl } from './contract/events.ts';
import type { HealthControl } from './contract/health.ts';
import type { HealthOfServer } from './health.ts';

export interface CountedServer extends HealthOfServer {
  readonly metrics: Metrics;
  readonly drops: Drops;
}

export function eventControl(server: CountedServer, health: HealthControl): EventControl {
  return {
    totals() {
      const { alarms, drops, metrics } = server;
      return {
        connectionsOpened: metrics.connectionsOpened,
        connectionsClosed: metrics.connectionsClosed,
        connectionsRefused: metrics.connectionsRefused,
        failedLogins: metrics.authenticationFailures,
        dropped: Object.fromEntries(DROP_REASON_NAMES.map((name, i) => [name, drops.counts[i]])),
        alarms: alarms.active.map(({ name, severity, message, sinceMs }) => ({
          ...{ name, severity, message },
          since: new Date(sinceMs).toISOString(),
        })),
        problems: health.problems(),
      };
    },
  };
}
