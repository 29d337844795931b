// One setting of the configuration: how its value is read, and what the reference says about it. Each kind gives its own
// sentence for a wrong value, so that an operator never reads about types of a programming language.

import * as z from 'zod';
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts';

export interface Setting<T> {
  readonly type: z.ZodType<T>;
  /** What may be written, for people: `size`, `duration`, `whole number`, … */
  readonly kind: string;
  /** The values allowed, for people. */
  readonly range: string;
  readonly meaning: string;
  /** How a value is written in the file. */
  show(value: T): string;
}

/** A zod type from a function that gives the value, or the sentence that says what is wrong. */
function reader<T>(read: (value: unknown) => { value: T } | string): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const result = read(value);
    if (typeof result !== 'string') return result.value;
    context.issues.push({ code: 'custom', message: result, input: value });
    return z.NEVER;
  });
}

/** A value as it stands in the file, cut to what fits in a sentence. */
function quote(value: unknown): string {
  const text =
    value instanceof Date ? value.toISOString() : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** A whole number from `min` to `max`. */
export function count(min: number, max: number, meaning: string): Setting<number> {
  const range = `${min} to ${max}`;
  return {
    type: reader((value) => {
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return `${quote(value)} is not a whole number from ${range}`;
      }
      if (value < min || value > max) return `${value} is out of range: ${range}`;
      return { value };
    }),
    kind: 'whole number',
    range,
    meaning,
    show: String,
  };
}

/** Whole bytes from `min` to `max`. */
export function size(min: number, max: number, meaning: string): Setting<number> {
  const range = `${formatSize(min)} to ${formatSize(max)}`;
  return {
    type: reader((value) => {
      const bytes = parseSize(value);
      if (bytes === null || !Number.isInteger(bytes)) {
        return `${quote(value)} is not a size: write bytes as a whole number, or "64KiB", "8MiB", "2MB"`;
      }
      if (bytes < min || bytes > max) return `${quote(value)} is out of range: ${range}`;
      return { value: bytes };
    }),
    kind: 'size',
    range,
    meaning,
    show: (value) => `"${formatSize(value)}"`,
  };
}

/** A duration, kept in whole units of `unitMs` milliseconds; `never`, where it is given, stands for that value. */
function durationIn(
  unitMs: number,
  min: number,
  max: number,
  meaning: string,
  never: number | null,
): Setting<number> {
  const shown = (value: number): string =>
    value === never ? 'never' : formatDuration(value * unitMs);
  const range = `${shown(min)} to ${shown(max)}`;
  const unitName = unitMs === 1 ? 'milliseconds' : 'seconds';
  return {
    type: reader((value) => {
      if (never !== null && value === 'never') return { value: never };
      const milliseconds = parseDuration(value);
      if (milliseconds === null) {
        return `${quote(value)} is not a duration: write seconds as a number, or "500ms", "10s", "5m", "2h", "7d"`;
      }
      const units = milliseconds / unitMs;
      if (units < min || units > max) return `${quote(value)} is out of range: ${range}`;
      if (!Number.isInteger(units)) return `${quote(value)} is not a whole number of ${unitName}`;
      return { value: units };
    }),
    kind: 'duration',
    range,
    meaning,
    show: (value) => `"${shown(value)}"`,
  };
}

/** A duration that the server keeps in milliseconds; `min` and `max` are milliseconds too. */
export function durationMs(min: number, max: number, meaning: string): Setting<number> {
  return durationIn(1, min, max, meaning, null);
}

/** A duration that the protocol counts in whole seconds; `min`, `max` and `never` are seconds too. */
export function durationSeconds(
  min: number,
  max: number,
  meaning: string,
  never: number | null = null,
): Setting<number> {
  return durationIn(1_000, min, max, meaning, never);
}

/** One of a few values. */
export function choice<const T extends string | number>(
  values: readonly T[],
  meaning: string,
): Setting<T> {
  const range = values.map((value) => JSON.stringify(value)).join(', ');
  return {
    type: reader((value) => {
      const found = values.find((candidate) => candidate === value);
      return found === undefined ? `${quote(value)} is not one of ${range}` : { value: found };
    }),
    kind: 'choice',
    range,
    meaning,
    show: (value) => JSON.stringify(value),
  };
}

/** true or false. */
export function flag(meaning: string): Setting<boolean> {
  return {
    type: reader((value) =>
      typeof value === 'boolean' ? { value } : `${quote(value)} is not true or false`,
    ),
    kind: 'true or false',
    range: 'true, false',
    meaning,
    show: String,
  };
}

/** What is wrong with this as an address to listen on, or null. */
export function hostProblem(value: unknown): string | null {
  if (typeof value === 'string' && /^[A-Za-z0-9._:%-]{1,253}$/.test(value)) return null;
  return `${quote(value)} is not an address: write an IP address (IPv6 without brackets) or a host name`;
}

/** An address to listen on. */
export function host(meaning: string): Setting<string> {
  return {
    type: reader((value) => hostProblem(value) ?? { value: value as string }),
    kind: 'address',
    range: 'IP address or host name',
    meaning,
    show: (value) => JSON.stringify(value),
  };
}

/** Text of 1 to `max` characters, without control characters. */
export function text(max: number, meaning: string): Setting<string> {
  return {
    type: reader((value) => {
      return typeof value === 'string' && value.length <= max && /^\P{Cc}+$/u.test(value)
        ? { value }
        : `${quote(value)} is not a text of 1 to ${max} characters`;
    }),
    kind: 'text',
    range: `1 to ${max} characters`,
    meaning,
    show: (value) => JSON.stringify(value),
  };
}
