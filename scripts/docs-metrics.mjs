// Writes the tables of docs/metrics.md from the metric families of the built program; what stands around them is written by hand.
// A test says when they are stale. Usage: npm run docs

import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

const TARGET = new URL('../docs/metrics.md', import.meta.url);
const BEGIN = '<!-- Generated from src/admin/metrics by `npm run docs`; do not edit. -->';
const END = '<!-- The end of what is generated. -->';

/** The tables: all families, and the names of others. */
export function metricsReference(families, compat) {
  const rows = families.map(({ name, type, labels, help }) => {
    const shown = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${shown} | ${help} |`;
  });
  const aliases = Object.entries(compat).map(([whose, others]) => {
    const names = others.map(({ name }) => `\`${name}\``).join(', ');
    return `**\`${whose}\`**: ${names}.`;
  });
  const head = '| name | type | labels | meaning |\n|---|---|---|---|';
  return `${head}\n${rows.join('\n')}\n\n## Names of others\n\n${aliases.join('\n\n')}\n`;
}

/** The page with these tables. */
export function withReference(page, reference) {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/metrics.md has no place for its tables`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${reference}\n${page.slice(end)}`;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { FAMILIES } = await import('../dist/admin/metrics/families.js');
  const { COMPAT_FAMILIES } = await import('../dist/admin/metrics/compat.js');
  const page = fs.readFileSync(TARGET, 'utf8');
  fs.writeFileSync(TARGET, withReference(page, metricsReference(FAMILIES, COMPAT_FAMILIES)));
}
