// What the metrics page asks of a server: its own figures, those of its guard, the certificate of its admin API, and its log.

import type { Guard } from '../../auth/guard/guard.ts';
import type { MetricsConfig } from '../../config/config.ts';
import type {
  CertificateFigures,
  MetricsControl,
  MetricsSnapshot,
} from '../../server/contract/metrics.ts';
import type { Server } from '../../server/server.ts';

/** What is beside a server. */
interface Beside {
  readonly admin: { readonly certificates: readonly CertificateFigures[] };
  readonly log: { state(): { readonly lostLines: number } };
}

/** null: there is no page. */
export function metricsControl(
  server: Server,
  { bans }: Guard,
  { admin, log }: Beside,
  { enabled, compat }: MetricsConfig,
  version: string,
): MetricsControl | null {
  if (!enabled) return null;
  let counting: Promise<MetricsSnapshot> | null = null;
  const count = async (): Promise<MetricsSnapshot> => {
    try {
      const figures = await server.figures();
      const certificates = [...figures.certificates, ...admin.certificates];
      const { lostLines: lostLogLines } = log.state();
      return { ...figures, certificates, lostLogLines, bans: bans.size };
    } finally {
      counting = null;
    }
  };
  // Who asks while it is being counted gets the same: however many ask, one walks the sessions.
  return { version, compat, snapshot: () => (counting ??= count()) };
}
