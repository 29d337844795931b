// What the metrics page asks of a server: its own figures, and those of its guard.

import type { Guard } from '../../auth/guard/guard.ts';
import type { MetricsConfig } from '../../config/config.ts';
import type { MetricsControl, MetricsSnapshot } from '../../server/contract/metrics.ts';
import type { Server } from '../../server/server.ts';

/** null: there is no page. */
export function metricsControl(
  server: Server,
  { bans }: Guard,
  { enabled, compat }: MetricsConfig,
  version: string,
): MetricsControl | null {
  if (!enabled) return null;
  let counting: Promise<MetricsSnapshot> | null = null;
  const count = async (): Promise<MetricsSnapshot> => {
    try {
      return { ...(await server.figures()), bans: bans.size };
    } finally {
      counting = null;
    }
  };
  // Who asks while it is being counted gets the same: however many ask, one walks the sessions.
  return { version, compat, snapshot: () => (counting ??= count()) };
}
