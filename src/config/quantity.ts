// Quantities as people write them. One rule for the whole file: a duration is a number of seconds or a string with its unit
// ("500ms", "10s", "5m", "2h", "7d"); a size is a number of bytes or a string with its unit ("64KiB", "8MiB", "2MB").

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
};

/** Milliseconds, or null for what is no duration. They may have a fraction: the range check refuses that. */
export function parseDuration(value: unknown): number | null {
  if (typeof value === 'number')
    return Number.isFinite(value) ? Math.round(value * 1e6) / 1e3 : null;
  return parseWithUnit(value, DURATION_MS);
}

/** Bytes, or null for what is no size. */
export function parseSize(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  return parseWithUnit(value, SIZE_BYTES);
}

function parseWithUnit(value: unknown, units: Readonly<Record<string, number>>): number | null {
  if (typeof value !== 'string') return null;
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(value);
  if (match === null || !Object.hasOwn(units, match[2])) return null;
  return Math.round(Number(match[1]) * units[match[2]] * 1e3) / 1e3;
}

/** The shortest exact form with a unit: 604,800,000 → `7d`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  return formatWithUnit(milliseconds, DURATION_MS, ['d', 'h', 'm', 's', 'ms']);
}

/** The shortest exact form with a unit: 8,388,608 → `8MiB`. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0B';
  const units = ['GiB', 'MiB', 'KiB', 'GB', 'MB', 'KB', 'B'];
  return formatWithUnit(bytes, SIZE_BYTES, units);
}

function formatWithUnit(
  value: number,
  units: Readonly<Record<string, number>>,
  order: readonly string[],
): string {
  for (const unit of order) if (value % units[unit] === 0) return `${value / units[unit]}${unit}`;
  return `${value}${order[order.length - 1]}`;
}
