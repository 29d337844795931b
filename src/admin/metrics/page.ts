// The page for Prometheus: every family is read from figures of one moment, into a registry that lives as long as the page, so that
// nothing is counted twice and pages that are asked for at the same time do not touch each other.

import { Counter, Gauge, Registry, type RegistryContentType } from 'prom-client';
import type { MetricsControl } from '../../server/contract/metrics.ts';
import { COMPAT_FAMILIES } from './compat.ts';
import { CountedHistogram } from './counted-histogram.ts';
import { FAMILIES } from './families.ts';
import type { Family, Figures, NumberFamily } from './family.ts';
import { type Format, formatFor } from './negotiate.ts';
import { Runtime } from './runtime.ts';

const CONTENT_TYPES: Readonly<Record<Format, RegistryContentType>> = {
  text: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

export interface Page {
  readonly contentType: string;
  readonly text: string;
}

/** `accept`: the header of whoever asks, which decides about the format. */
export async function renderPage(control: MetricsControl, accept: string): Promise<Page> {
  const { version, compat } = control;
  const runtime = await Runtime.get().read();
  const figures: Figures = { server: await control.snapshot(), runtime, version };
  const contentType = CONTENT_TYPES[formatFor(accept)];
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(contentType);
  const aliases = [...new Set(compat)].flatMap((name) => COMPAT_FAMILIES[name]);
  for (const family of [...FAMILIES, ...aliases]) fill(registry, family, figures);
  return { contentType, text: await registry.metrics() };
}

/** A family without values is left out: what is not known is not 0. */
function fill(registry: Registry<RegistryContentType>, family: Family, figures: Figures): void {
  if (family.type === 'histogram') {
    const samples = family.read(figures);
    if (samples.length > 0) registry.registerMetric(new CountedHistogram(family, samples));
  } else {
    fillNumbers(registry, family, figures);
  }
}

function fillNumbers(
  registry: Registry<RegistryContentType>,
  { name, type, help, labels, read }: NumberFamily,
  figures: Figures,
): void {
  const samples = read(figures);
  if (samples.length === 0) return;
  const settings = { name, help, labelNames: labels, registers: [] };
  if (type === 'counter') {
    const metric = new Counter(settings);
    for (const sample of samples) metric.inc(sample.labels, sample.value);
    registry.registerMetric(metric);
  } else {
    const metric = new Gauge(settings);
    for (const sample of samples) metric.set(sample.labels, sample.value);
    registry.registerMetric(metric);
  }
}
