// The documentation that must agree with the code: docs/reference is generated, and the tables of CONTRIBUTING.md and ARCHITECTURE.md name
// what is there.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandTree } from '../../src/cli/options.ts';
import { allTables } from '../../src/config/tables.ts';
import { DROP_REASON_NAMES } from '../../src/core/drop.ts';
import { ROOT, runNode } from './command.ts';

function read(page: string): string {
  return readFileSync(path.join(ROOT, page), 'utf8');
}

test('docs/reference is not stale', async () => {
  const script = path.join(ROOT, 'scripts/reference.mjs');
  expect(await runNode([script, '--check'])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
});

test('docs/reference has every key, command and drop reason', () => {
  const config = read('docs/reference/config.md');
  for (const [, { settings }] of allTables()) {
    for (const key of Object.keys(settings)) expect(config).toContain(`| \`${key}\` |`);
  }
  const cli = read('docs/reference/cli.md');
  for (const command of commandTree(() => {}).commands) {
    expect(cli).toContain(`## iothub ${command.name()}\n`);
  }
  const reasons = read('docs/reference/drop-reasons.md');
  for (const name of DROP_REASON_NAMES) expect(reasons).toContain(`| \`${name}\` |`);
});

describe('the table of CONTRIBUTING.md', () => {
  const section = read('CONTRIBUTING.md').split('## Where is …?')[1];
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  const paths = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  const named = paths.filter((name) =>
    /^(?:src|tests|docs|scripts|bench|deploy)\b|^[A-Z]/.test(name),
  );

  test.each(named)('names %s, which is there', (name) => {
    // Names of commands and functions in the left column are no paths.
    if (/^Drops\./.test(name)) return;
    expect(existsSync(path.join(ROOT, name))).toBe(true);
  });

  test('has every folder of src', () => {
    expect(named.length).toBeGreaterThan(30);
    const folders = readdirSync(path.join(ROOT, 'src'), { withFileTypes: true });
    for (const folder of folders.filter((entry) => entry.isDirectory())) {
      expect(named).toContain(`src/${folder.name}`);
    }
  });
});

test('ARCHITECTURE.md names sources that are there', () => {
  const files = [...read('docs/ARCHITECTURE.md').matchAll(/`(src\/[\w/.-]+\.ts)`/g)];
  expect(files.length).toBeGreaterThan(50);
  for (const [, file] of files) expect(existsSync(path.join(ROOT, file)), file).toBe(true);
});
