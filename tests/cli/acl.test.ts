// `iothub acl`: the same answer as clients get, whoever is asked, the files or the server that runs.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const USERS = '[[authenticators]]\ntype = "users"\n';
const RULES = `
[[groups]]
name = "operators"
users = ["anna"]
[[rules]]
effect = "allow"
actions = ["publish", "subscribe"]
topics = ["ops/#"]
groups = ["operators"]
[[rules]]
effect = "allow"
actions = ["publish", "subscribe"]
topics = ["plant/#"]
groups = ["plant"]
[[rules]]
effect = "allow"
actions = ["publish"]
topics = ["sites/\${claim.site.id}/+"]
`;

class Configured {
  readonly folder = temporaryFolder();
  readonly data = path.join(this.folder, 'data');
  readonly file = path.join(this.folder, 'iothub.toml');

  constructor(toml: string) {
    mkdirSync(this.data);
    writeFileSync(this.file, `[[listeners]]\nurl = "mqtt://127.0.0.1:0"\n${toml}`);
  }

  async start(): Promise<number> {
    const { data, file } = this;
    const server = new RunningServer({ isPlaced: true }, '--config', file, '--data', data);
    onTestFinished(() => server.kill());
    return await server.port();
  }

  /** What the files say. */
  ask(...args: string[]) {
    return inProcess('acl', 'test', '--config', this.file, '--client', 'c', ...args);
  }

  /** What the server says. */
  askLive(...args: string[]) {
    return inProcess('acl', 'test', '--live', '--data', this.data, '--client', 'c', ...args);
  }
}

const ALLOWED = { exitCode: 0, stdout: 'allow\n', stderr: '' };
const DENIED = { exitCode: 1, stdout: 'deny\n', stderr: '' };

describe('the rules that are written', () => {
  const configured = new Configured(`${USERS}${RULES}`);

  test('count with the groups of the configuration', async () => {
    expect(await configured.ask('--as', 'anna', 'publish', 'ops/a')).toEqual(ALLOWED);
    expect(await configured.ask('--as', 'bob', 'publish', 'ops/a')).toEqual(DENIED);
    expect(await configured.ask('--as', 'bob', '-g', 'plant', 'publish', 'plant/a')).toEqual(
      ALLOWED,
    );
  });

  test('see claims within claims', async () => {
    expect(await configured.ask('--claim', 'site.id=7', 'publish', 'sites/7/a')).toEqual(ALLOWED);
    expect(await configured.ask('--claim', 'site=7', 'publish', 'sites/7/a')).toEqual(DENIED);
    const own = ['--claim', 'site=1', '--claim', 'site.id=7', '--claim', '__proto__.x=1'];
    expect(await configured.ask(...own, 'publish', 'sites/7/a')).toEqual(ALLOWED);
  });

  test('are asked about a shared subscription as the server asks, without $share', async () => {
    const filter = '$share/group/ops/#';
    expect(await configured.ask('--as', 'anna', 'subscribe', filter)).toEqual(ALLOWED);
    expect(await configured.ask('--as', 'bob', 'subscribe', filter)).toEqual(DENIED);
  });

  test('grant every SUBSCRIBE where that is wished', async () => {
    const granting = new Configured(`${USERS}${RULES}[access]\nsuback = "mosquitto"\n`);
    expect(await granting.ask('--as', 'bob', 'subscribe', 'x/#')).toEqual(ALLOWED);
    expect(await granting.ask('--as', 'bob', 'receive', 'x/a')).toEqual(DENIED);
  });

  test.each([
    ['publish', 'ops/#'],
    ['subscribe', 'ops/#/a'],
  ])('are not asked to %s %s, which nobody can', async (action, topic) => {
    const { exitCode, stdout, stderr } = await configured.ask('--as', 'anna', action, topic);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(`iothub acl: "${topic}": `);
  });
});

describe('a server that runs', () => {
  test('knows the groups of its users', async () => {
    const configured = new Configured(`${USERS}${RULES}`);
    const { data } = configured;
    await configured.start();
    const added = await inProcess(
      'users',
      'add',
      'bob',
      '-g',
      'plant',
      '--machine',
      '--data',
      data,
    );
    expect(added.exitCode).toBe(0);
    expect(await configured.askLive('--as', 'anna', 'publish', 'ops/a')).toEqual(ALLOWED);
    expect(await configured.askLive('--as', 'bob', 'publish', 'plant/a')).toEqual(ALLOWED);
    expect(await configured.askLive('--as', 'bob', 'publish', 'ops/a')).toEqual(DENIED);
    expect(await configured.askLive('publish', 'plant/a')).toEqual(DENIED);
    const filter = '$share/group/ops/#';
    expect(await configured.askLive('--as', 'anna', 'subscribe', filter)).toEqual(ALLOWED);
    expect((await configured.askLive('publish', '#')).exitCode).toBe(2);
  });

  test('knows what an authenticator said of a client that has a session', async () => {
    const module = `export const createAuthenticator = () => ({
      authenticate: ({ username }) => ({
        reasonCode: 0, username, groups: ['plant'], claims: { site: { id: '7' } },
        permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: ['own/%c'] }],
      }),
    });`;
    const types = '[[authorizers]]\ntype = "claims"\n[[authorizers]]\ntype = "rules"\n';
    const configured = new Configured(`[[authenticators]]\ntype = "./who.mjs"\n${types}${RULES}`);
    writeFileSync(path.join(configured.folder, 'who.mjs'), module);
    const client = PacketClient.tcp(await configured.start());
    await client.connect('c', { username: 'bob' });
    for (const topic of ['plant/a', 'sites/7/a', 'own/c']) {
      expect(await configured.askLive('--as', 'bob', 'publish', topic)).toEqual(ALLOWED);
      expect(await configured.askLive('--as', 'eve', 'publish', topic)).toEqual(DENIED);
    }
    client.destroy();
  });
});

test('without a configuration and without --live it says whose rules it asked', async () => {
  const { stdout, stderr } = await inProcess('acl', 'test', 'publish', 'a', '--client', 'c');
  expect(stdout).toBe('allow\n');
  expect(stderr).toMatch(/^iothub acl: no configuration is named, .*-c.*--live\n$/);
});
