// The commands about a running server, with one that runs as people run it: what it is asked, and what a reload changes of that.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ConfigValue } from '../../src/server/contract/management.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const RULE = '[[rules]]\neffect = "allow"\nactions = ["publish"]\ntopics = ["a"]\n';
const LISTENER = '[[listeners]]\nurl = "mqtt://127.0.0.1:0"\n';

test('a server that runs is asked by its data folder, and knows what a reload brought', async () => {
  const folder = temporaryFolder();
  const data = path.join(folder, 'data');
  const file = path.join(folder, 'f.toml');
  writeFileSync(file, `${LISTENER}${RULE}`);
  const server = new RunningServer({ isPlaced: true }, '--config', file, '--data', data);
  onTestFinished(() => server.kill());
  const port = await server.port();
  const ask = async (...words: string[]) => {
    const { exitCode, stdout, stderr } = await inProcess(...words, '--data', data, '--json');
    expect([exitCode, stderr]).toEqual([0, '']);
    return JSON.parse(stdout);
  };
  const client = PacketClient.tcp(port);
  onTestFinished(() => client.destroy());
  await client.connect('plant/1');
  expect(await ask('clients', 'list')).toMatchObject({
    items: [{ clientId: 'plant/1', state: 'connected', address: '127.0.0.1' }],
    next: null,
  });
  expect(await ask('info')).toMatchObject({ state: 'running', pid: server.child.pid });
  expect(await ask('listeners')).toMatchObject([
    { url: `mqtt://127.0.0.1:${port}`, connections: 1 },
  ]);
  const setting = async (name: string): Promise<ConfigValue | undefined> => {
    const all = (await ask('config', 'print', '--live')) as ConfigValue[];
    return all.find(({ path }) => path === name);
  };
  const name = 'rules[0].topics';
  const origin = `${file}:6`;
  expect(await setting(name)).toEqual({ path: name, value: '["a"]', origin, isReloaded: false });
  expect(await setting('storage.path')).toMatchObject({
    value: JSON.stringify(data),
    origin: '--data',
  });
  writeFileSync(file, `${LISTENER}${RULE.replace('"a"', '"b"')}[limits]\nqos_max = 1\n`);
  server.child.kill('SIGHUP');
  await server.line(/The configuration was reloaded/);
  expect(await setting(name)).toEqual({ path: name, value: '["b"]', origin, isReloaded: true });
  expect(await setting('limits.qos_max')).toMatchObject({ value: '2', origin: 'default' }); // from the next start on
}, 60_000);
