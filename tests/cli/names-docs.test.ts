// Names that operators meet and that no generated page has: alarms, the steps of an explanation, the events of a trace and of the
// live feed, why a server is not ready. Each is in its table, and nothing else is. The sources say which there are.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './command.ts';

const SOURCES = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(`src/${name}`))
  .join('\n');

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

function found(text: string, pattern: RegExp): string[] {
  const names = [...text.matchAll(pattern)].map((groups) => groups.slice(1).find(Boolean) ?? '');
  return [...new Set(names)].sort();
}

/** What stands in backticks in the first cells below this heading, to the next one. */
function rowsOf(page: string, heading: string): string[] {
  const section = `\n${read(page)}`.split(`\n${heading}\n`)[1].split(/\n#+ /)[0];
  const cells = section.split('\n').flatMap((line) => /^\| (`[^|]*) \|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell) => found(cell, /`([^`]+)`/g)).sort();
}

test('docs/alarms.md has every alarm', () => {
  const raised =
    /(?:\b[aA]larms\??\.raise|\braiseAlarm|#warnOf|ExpiryWarning)\(\s*'([a-z_]+)'|\b(?:SYNC_)?ALARM = '([a-z_]+)'/g;
  const names = [...found(SOURCES, raised), 'jwt_keys:…'].sort();
  expect(names.length).toBeGreaterThan(12);
  expect(SOURCES).toContain('`jwt_keys:');
  expect(rowsOf('docs/alarms.md', '# Alarms')).toEqual(names);
});

test('docs/explain.md has every step of `explain publish`', () => {
  const files = ['publish', 'client', 'quotas'].map((name) =>
    read(`src/server/explain/${name}.ts`),
  );
  const steps = found(files.join('\n'), /\b(?:pass|note|wait|stop)\(\s*'([a-z-]+)'/g);
  expect(steps.length).toBeGreaterThan(10);
  expect(
    rowsOf('docs/explain.md', '## explain publish').filter((name) => !name.startsWith('-')),
  ).toEqual(steps);
});

test('docs/explain.md has every event of a trace', () => {
  const [, union] = read('src/server/contract/trace.ts').split('readonly event:');
  const events = found(union.slice(0, union.indexOf(';')), /'(\w+)'/g);
  expect(events.length).toBeGreaterThan(10);
  expect(rowsOf('docs/explain.md', '## trace')).toEqual(events);
});

test('docs/admin-api.md has every reason not to be ready', () => {
  const files = ['src/server/health.ts', 'src/cli/commands/start.ts'].map(read).join('\n');
  const problems = found(files, /\bname: '(\w+)'|health\.add\('(\w+)'|STORE_ALARM = '(\w+)'/g);
  expect(problems.length).toBeGreaterThan(4);
  expect(rowsOf('docs/admin-api.md', '## Health')).toEqual(problems);
});

test('docs/admin-api.md has every live event', () => {
  const events = found(read('src/admin/event-feed.ts'), /\beventOf\('(\w+)'/g);
  expect(rowsOf('docs/admin-api.md', '## Live events')).toEqual(events);
});
