// Numbers of several rounds as one: the median, and how far they are apart.

/** @param {readonly number[]} values @param {number} q 0 to 1 */
export function quantile(values, q) {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** @param {readonly number[]} values */
export function median(values) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Of the rounds: median, least and most. @param {readonly number[]} values */
export function summary(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** What is usually asked of latencies. @param {readonly number[]} values */
export function percentiles(values) {
  return {
    p50: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    p99: quantile(values, 0.99),
    p999: quantile(values, 0.999),
    max: quantile(values, 1),
  };
}

/** Three digits that count, thousands apart. */
export function show(value) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(size >= 10 ? 1 : size >= 0.995 ? 2 : 3);
}

/** The median, and behind it the least and the most. @param {readonly number[]} values */
export function showSpread(values) {
  const { median: middle, min, max } = summary(values);
  if (values.length < 2) return show(middle);
  return `${show(middle)} (${show(min)}–${show(max)})`;
}

/** A Markdown table. @param {string[]} head @param {string[][]} rows */
export function table(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/**
 * Whether two sets of rounds differ: `undecided` when the ranges overlap, which is when the spread exceeds the difference.
 * @param {readonly number[]} a @param {readonly number[]} b
 */
export function compare(a, b) {
  const [one, other] = [summary(a), summary(b)];
  const ratio = one.median / other.median;
  const isApart = one.min > other.max || other.min > one.max;
  return { ratio, isDecided: isApart && a.length > 1 };
}
