// A metric family: its name, its type, what it says and what to do with it, and how its values are read from what was counted.
// The page, the reference (docs/metrics.md) and the tests of both go by these rows.

import type { DurationFigures, MetricsSnapshot } from '../../server/contract/metrics.ts';
import type { RuntimeFigures } from './runtime.ts';

/** All that a page is made of. */
export interface Figures {
  readonly server: MetricsSnapshot;
  readonly runtime: RuntimeFigures;
  readonly version: string;
}

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface DurationSample {
  readonly labels: Labels;
  readonly durations: DurationFigures;
}

interface Described {
  /** By the rules of Prometheus: base units, `_total` for counters. */
  readonly name: string;
  /** What it is, and what it is good for. */
  readonly help: string;
  /** Of a fixed set of values each: never a client id, never a topic. */
  readonly labels: readonly string[];
}

export interface NumberFamily extends Described {
  readonly type: 'counter' | 'gauge';
  read(figures: Figures): readonly Sample[];
}

export interface HistogramFamily extends Described {
  readonly type: 'histogram';
  read(figures: Figures): readonly DurationSample[];
}

export type Family = NumberFamily | HistogramFamily;

type ReadNumber = (figures: Figures) => number | null;
type ReadSamples = (figures: Figures) => readonly Sample[];

/** One value; null: it is not known here, and the family has none. */
function one(read: ReadNumber): ReadSamples {
  return (figures) => {
    const value = read(figures);
    return value === null ? [] : [{ labels: {}, value }];
  };
}

export function counter(name: string, help: string, read: ReadNumber): NumberFamily {
  return { type: 'counter', name, help, labels: [], read: one(read) };
}

export function gauge(name: string, help: string, read: ReadNumber): NumberFamily {
  return { type: 'gauge', name, help, labels: [], read: one(read) };
}

export function counters(
  name: string,
  labels: readonly string[],
  help: string,
  read: ReadSamples,
): NumberFamily {
  return { type: 'counter', name, help, labels, read };
}

export function gauges(
  name: string,
  labels: readonly string[],
  help: string,
  read: ReadSamples,
): NumberFamily {
  return { type: 'gauge', name, help, labels, read };
}

export function histogram(
  name: string,
  labels: readonly string[],
  help: string,
  read: HistogramFamily['read'],
): HistogramFamily {
  return { type: 'histogram', name, help, labels, read };
}

/** A sample for each entry, which is the value of the one label. */
export function byLabel(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}
