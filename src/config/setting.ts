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
  /** The value as the file would have it, from a variable or a URL; what cannot be that stays text, and is told when read. */
  fromText(text: string): unknown;
  /** It is a path: of a file, or of a module when it begins with a dot. */
  readonly path?: 'file' | 'module';
  /** Never shown, and never on a command line. */
  readonly isSecret?: boolean;
}

const asText = (text: string): string => text;
const asFlag = (text: string): unknown =>
  text === 'true' ? true : text === 'false' ? false : text;
const asNumber = (text: string): unknown => (/^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text);

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
    fromText: asNumber,
  };
}

/** A part of a whole: 0 to 1. */
export function fraction(meaning: string): Setting<number> {
  return {
    type: reader((value) => {
      const isRight = typeof value === 'number' && value >= 0 && value <= 1;
      return isRight ? { value } : `${quote(value)} is not a number from 0 to 1: 0.1 is a tenth`;
    }),
    kind: 'number',
    range: '0 to 1',
    meaning,
    show: String,
    fromText: asNumber,
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
    fromText: asNumber,
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
    fromText: asNumber,
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
    fromText: typeof values[0] === 'number' ? asNumber : asText,
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
    fromText: asFlag,
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
    fromText: asText,
  };
}

/** Text of `min` to `max` characters, without control characters. */
export function text(max: number, meaning: string, min = 1): Setting<string> {
  const range = `${min} to ${max} characters`;
  return {
    type: reader((value) => {
      return isText(value, max, min) ? { value } : `${quote(value)} is not a text of ${range}`;
    }),
    kind: 'text',
    range,
    meaning,
    show: (value) => JSON.stringify(value),
    fromText: asText,
  };
}

function isText(value: unknown, max: number, min = 1): value is string {
  if (typeof value !== 'string') return false;
  return value.length >= min && value.length <= max && /^\P{Cc}*$/u.test(value);
}

/** The path of a file: in the configuration file seen from its folder, elsewhere from the working directory. */
export function file(meaning: string): Setting<string> {
  return { ...text(4_096, meaning), kind: 'file', range: 'a path', path: 'file' };
}

/** A name, or the path of a module when it begins with a dot; seen from where a file's would be. */
export function modulePath(meaning: string): Setting<string> {
  return { ...text(4_096, meaning), path: 'module' };
}

/** A text that nobody may see: no message shows it. */
export function secret(max: number, meaning: string): Setting<string> {
  const range = `1 to ${max} characters`;
  return {
    type: reader((value) => {
      const isRight = typeof value === 'string' && value !== '' && value.length <= max;
      return isRight ? { value } : `it is not a text of ${range}`;
    }),
    kind: 'secret',
    range,
    meaning,
    show: () => '"…"',
    fromText: asText,
    isSecret: true,
  };
}

/** Text of one form; `problemOf` says what is wrong with it, or null. */
export function formed(
  kind: string,
  range: string,
  problemOf: (text: string) => string | null,
  meaning: string,
): Setting<string> {
  return {
    type: reader((value) => {
      if (!isText(value, 4_096)) return `${quote(value)} is not a text of 1 to 4096 characters`;
      return problemOf(value) ?? { value };
    }),
    kind,
    range,
    meaning,
    show: (value) => JSON.stringify(value),
    fromText: asText,
  };
}

/** A list of `min` to `max` texts, each of the form of `item`. */
export function list<T extends string>(
  item: Setting<T>,
  meaning: string,
  { min = 0, max = 1_000 } = {},
): Setting<readonly T[]> {
  return {
    type: reader((value) => {
      if (!Array.isArray(value) || value.length > max) {
        return `${quote(value)} is not a list of at most ${max}: write ["…", "…"]`;
      }
      if (value.length < min) return 'is empty: name at least one, or leave the key out';
      for (const entry of value) {
        const { error } = item.type.safeParse(entry);
        if (error !== undefined) return error.issues[0].message;
      }
      return { value: value as T[] };
    }),
    kind: `list of ${item.kind}s`,
    range: item.range,
    meaning,
    show: (value) => JSON.stringify(value),
    fromText: asList,
  };
}

/** JSON, or what stands between the commas. */
function asList(text: string): unknown {
  if (!text.trimStart().startsWith('[')) return text.split(',').map((part) => part.trim());
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Permissions of a file as chmod writes them. */
export function fileMode(meaning: string): Setting<number> {
  const range = '"0000" to "0777"';
  return {
    type: reader((value) => {
      return typeof value === 'string' && /^0?[0-7]{3}$/.test(value)
        ? { value: Number.parseInt(value, 8) }
        : `${quote(value)} is not a file mode: write it as chmod does, in quotes: "0660"`;
    }),
    kind: 'file mode',
    range,
    meaning,
    show: (value) => `"${value.toString(8).padStart(4, '0')}"`,
    fromText: asText,
  };
}
