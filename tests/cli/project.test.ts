// The project itself: its layers, its generated documents, its package.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT, runNode } from './command.ts';

const CHECK_LAYERS = path.join(ROOT, 'scripts/check-layers.mjs');

describe('the layers', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'iothub-layers-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What the check says of a source with one import. */
  async function check(file: string, code: string): Promise<string> {
    mkdirSync(path.dirname(path.join(folder, 'src', file)), { recursive: true });
    writeFileSync(path.join(folder, 'src', file), `// A comment\n${code}\n`);
    const { exitCode, stderr } = await runNode([CHECK_LAYERS, folder]);
    expect(exitCode).toBe(stderr === '' ? 0 : 1);
    return stderr.split('\n')[0];
  }

  test('of this project are in order', async () => {
    expect(await runNode([CHECK_LAYERS])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  test.each([
    ['protocol/a.ts', "import { assert } from '../lib/assert.ts';"],
    ['lib/a.ts', "import type { Limits } from '../core/limits.ts';"],
    ['core/a.ts', "import { Router } from '../router/router.ts';"],
    ['router/a.ts', "import { Session } from '../session/session.ts';"],
    ['session/a.ts', "import { Server } from '../server/server.ts';"],
    ['session/handlers/a.ts', "import { TcpListener } from '../../transport/tcp.ts';"],
    ['session/a.ts', "export * from '../storage/memory.ts';"],
    ['session/a.ts', "type T = import('../auth/chain.ts').Chain;"],
    ['admin/a.ts', "import {\n  Server,\n} from '../server/server.ts';"],
    ['extensions/a.ts', "const { Router } = await import('../router/router.ts');"],
    ['cluster/a.ts', "import '../session/session.ts';"],
    ['session/a.ts', "import net from 'node:net';"],
    ['router/a.ts', "import { EventEmitter } from 'events';"],
    ['protocol/a.ts', "import { z } from 'zod';"],
    ['core/a.ts', "import { x } from '../../scripts/x.ts';"],
    ['config/a.ts', "import { Server } from '../index.ts';"],
    ['helpers/a.ts', "import { x } from '../lib/x.ts';"],
  ])('forbid %s: %s', async (file, code) => {
    const said = await check(file, code);
    expect(said).toMatch(/^src\/\S+:\d+ imports '[^']+': (?:src\/|the folder src\/)/);
    expect(said).toContain(`src/${file}`);
  });

  test.each([
    ['core/a.ts', "import { Topic } from '../protocol/topic.ts';"],
    ['session/handlers/a.ts', "import type { Stream } from '../../transport/stream.ts';"],
    ['session/a.ts', "import { Queue } from './queue.ts';"],
    ['server/a.ts', "import { TcpListener } from '../transport/tcp.ts';"],
    ['admin/a.ts', "import type { Contract } from '../server/contract.ts';"],
    ['transport/a.ts', "import net from 'node:net';"],
    ['cli/a.ts', "import { Command } from 'commander';"],
    ['index.ts', "export { Server } from './server/server.ts';"],
    ['lib/a.ts', "/* import { x } from '../core/x.ts'; */\n// import { x } from '../core/x.ts';"],
  ])('allow %s: %s', async (file, code) => {
    expect(await check(file, code)).toBe('');
  });
});

describe('the package', () => {
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));

  test('exports and starts only what was built', () => {
    const targets = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry as Record<string, string>),
    );
    for (const target of [...targets, ...Object.values(manifest.bin as object)]) {
      expect(existsSync(path.join(ROOT, target)), target).toBe(true);
    }
  });

  test('can be embedded under its own name', async () => {
    const code = `
      const { Server } = await import('iothub');
      const server = new Server({ listeners: [{ host: '127.0.0.1', port: 0 }] });
      await server.start();
      console.log(server.addresses[0].port > 0);
      await server.stop();`;
    const outcome = await runNode(['--input-type=module', '--eval', code], { cwd: ROOT });
    expect(outcome).toEqual({ exitCode: 0, stdout: 'true\n', stderr: '' });
  });

  test('has a lock file that names no place to download from', () => {
    expect(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).not.toContain('"resolved"');
  });

  test('has a reason on record for every dependency', () => {
    const record = readFileSync(path.join(ROOT, 'docs/decisions/0001-dependencies.md'), 'utf8');
    for (const name of Object.keys(manifest.dependencies)) expect(record).toContain(`**${name}**`);
  });

  test('has a reference of its configuration that is not stale', async () => {
    const script = path.join(ROOT, 'scripts/docs-config.mjs');
    expect(await runNode([script, '--check'])).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });
});
