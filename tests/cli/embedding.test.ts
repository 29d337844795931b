// Programs that run the server themselves, on what was built: `iothub` alone, and secured by the parts of `iothub/auth`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import { formatPasswordHash } from '../../src/auth/passwords/password-hash.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { hashOf, testHasher } from '../auth/passwords/fixture.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { ROOT, runNode } from './command.ts';

describe('what is loaded', () => {
  /** The packages, beside Node's own modules. */
  async function packagesOf(entry: string): Promise<string[]> {
    const hook = path.join(ROOT, 'tests/cli/loaded-packages.mjs');
    const code = `await import(${JSON.stringify(entry)})`;
    const { exitCode, stdout, stderr } = await runNode(
      ['--import', hook, '--input-type=module', '--eval', code],
      { cwd: ROOT },
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    return [...new Set(stdout.split('\n').filter((line) => line !== ''))].sort();
  }

  test.each([
    ['iothub', []],
    ['iothub/protocol', []],
    ['iothub/contracts', []],
    ['iothub/auth', ['jose']],
    ['iothub/lmdb', ['lmdb']],
  ])('with %s: %j, and what those need', async (entry, packages) => {
    const optional = [
      'jose',
      'hash-wasm',
      'fastify',
      'lmdb',
      '@peculiar/x509',
      'pino',
      'commander',
    ];
    const loaded = await packagesOf(entry);
    expect(loaded.filter((name) => [...optional, 'ws', 'zod', 'smol-toml'].includes(name))).toEqual(
      packages,
    );
  });

  test('the list is one of what is there', async () => {
    expect(await packagesOf('zod')).toEqual(['zod']);
  });
});

describe('a program that secures its server with iothub/auth', () => {
  async function filesOf(hasher: PasswordHasher): Promise<string> {
    const folder = temporaryFolder();
    const hash = await hashOf(hasher, 'f1le f1le');
    writeFileSync(path.join(folder, 'passwords'), `fay:${formatPasswordHash(hash)}\n`, {
      mode: 0o600,
    });
    writeFileSync(path.join(folder, 'acl'), 'user fay\ntopic readwrite files/#\n');
    return folder;
  }

  async function start() {
    const folder = await filesOf(testHasher());
    const child = spawn(process.execPath, [path.join(ROOT, 'tests/cli/embedder.mjs'), folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const said = JSON.parse((await lines.next()).value ?? '{}');
    /** The answer to a CONNECT, and the client. */
    const connect = async (username: string | undefined, password?: string, clientId = 'c') => {
      const client = PacketClient.tcp(said.port);
      onTestFinished(() => client.destroy());
      const { reasonCode } = await client.connect(clientId, { username, password });
      return { client, reasonCode };
    };
    return { child, said, connect };
  }

  async function publishes(client: PacketClient, topic: string): Promise<number> {
    client.publish(topic, 'x', 1);
    const puback = await client.next(PacketType.Puback);
    return 'reasonCode' in puback ? puback.reasonCode : -1;
  }

  test('lets in whom one of its authenticators knows, as far as its authorizers say', async () => {
    const { said, connect } = await start();
    expect(said).toMatchObject({
      warned: 1,
      errors: ['AccessError', 'HasherError', 'UserError'],
    });
    for (const [username, password, own] of [
      ['fay', 'f1le f1le', ['files/a', 'clients/fay', 'users/fay/a']],
      ['mia', 'm0dule m0dule', ['users/mia/a']],
      ['web', 'any', ['web/a']],
    ] as const) {
      const { client, reasonCode } = await connect(username, password, username);
      expect([username, reasonCode]).toEqual([username, 0]);
      for (const topic of ['files/a', 'clients/fay', 'users/fay/a', 'users/mia/a', 'web/a', 'x']) {
        const isOwn = (own as readonly string[]).includes(topic);
        const code = await publishes(client, topic);
        expect([username, topic, code < 0x80 ? 'allowed' : code]).toEqual([
          ...[username, topic, isOwn ? 'allowed' : 0x87],
        ]);
      }
    }
  });

  test('refuses everybody else, and guessers without asking', async () => {
    const { child, connect } = await start();
    expect((await connect(undefined)).reasonCode).toBe(0x87);
    expect((await connect('eve', 'guessed')).reasonCode).toBe(0x86);
    expect((await connect('fay', 'guessed')).reasonCode).toBe(0x86);
    expect((await connect('fay', 'guessed')).reasonCode).toBe(0x86);
    expect((await connect('fay', 'f1le f1le')).reasonCode).toBe(0x97);
    child.stdin.end();
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
