// The metrics page of a server, read as Prometheus reads it.

import { renderPage } from '../../src/admin/metrics/page.ts';
import type { MetricsCompat, MetricsControl } from '../../src/server/contract/metrics.ts';
import type { Server } from '../../src/server/server.ts';

export function metricsOf(server: Server, compat: readonly MetricsCompat[] = []): MetricsControl {
  return {
    version: '1.2.3',
    compat,
    snapshot: async () => ({ ...(await server.figures()), bans: 0, lostLogLines: 0 }),
  };
}

export interface ReadPage {
  readonly contentType: string;
  readonly text: string;
  /** By name, with the labels as they stand there: `iothub_sessions{state="connected"}`. */
  readonly samples: ReadonlyMap<string, number>;
}

export async function readPage(control: MetricsControl, accept = ''): Promise<ReadPage> {
  const page = await renderPage(control, accept);
  return { ...page, samples: samplesOf(page.text) };
}

export function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const blank = line.lastIndexOf(' ');
    const key = line.slice(0, blank);
    if (samples.has(key)) throw new Error(`${key} is there twice`);
    samples.set(key, Number(line.slice(blank + 1)));
  }
  return samples;
}

/** The samples of one family, by their labels. */
export function familyOf(
  samples: ReadonlyMap<string, number>,
  name: string,
): Record<string, number> {
  const own = [...samples].filter(([key]) => key === name || key.startsWith(`${name}{`));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(name.length), value]));
}
