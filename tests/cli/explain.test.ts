// `iothub explain` and `iothub trace`, as people run them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { publishLines } from '../../src/cli/explained.ts';
import { eventLine } from '../../src/cli/traced.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { ROOT, RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const TOML = `
[[listeners]]
url = "mqtt://127.0.0.1:0"
anonymous = true

[[authorizers]]
type = "acl-file"
file = "acl"
`;

const ACL = `topic readwrite plant/#
topic deny plant/secret
`;

interface Running {
  readonly data: string;
  readonly port: number;
  readonly server: RunningServer;
}

async function start(): Promise<Running> {
  const folder = temporaryFolder();
  const data = path.join(folder, 'data');
  mkdirSync(data);
  writeFileSync(path.join(folder, 'iothub.toml'), TOML);
  writeFileSync(path.join(folder, 'acl'), ACL);
  const file = path.join(folder, 'iothub.toml');
  const server = new RunningServer({ isPlaced: true }, '--config', file, '--data', data);
  onTestFinished(() => server.kill());
  return { data, server, port: await server.port() };
}

async function subscriber(port: number, clientId: string): Promise<PacketClient> {
  const client = PacketClient.tcp(port);
  await client.connect(clientId);
  client.subscribe({ topicFilter: 'plant/#', qos: 1 });
  await client.next(9);
  onTestFinished(() => client.destroy());
  return client;
}

describe('explain', () => {
  test('says who would get it, and by which line of which file', async () => {
    const { data, port } = await start();
    await subscriber(port, 's');
    const said = await inProcess(
      'explain',
      'publish',
      '--data',
      data,
      '--client',
      'p',
      '-t',
      'plant/1',
    );
    expect(said).toMatchObject({ exitCode: 0, stderr: '' });
    const lines = said.stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toBe('would be published: sent at once to 1 client');
    expect(said.stdout).toMatch(/it may publish this: .* \(.*acl:1\)\n +by: /);
    expect(said.stdout).toContain('sent: s: it is sent at once, at QoS 0\n  by plant/# (QoS 1, ');
    const denied = await inProcess(
      'explain',
      'publish',
      '--data',
      data,
      '-t',
      'plant/secret',
      '--json',
    );
    expect(denied).toMatchObject({ exitCode: 1, stderr: '' });
    expect(JSON.parse(denied.stdout)).toMatchObject({
      isAccepted: false,
      rule: { isAllowed: false, line: 2, file: expect.stringMatching(/acl$/) },
    });
  });

  test('says why a client gets nothing', async () => {
    const { data, port } = await start();
    await subscriber(port, 's');
    const asks = (...args: string[]) => inProcess('explain', 'delivery', '--data', data, ...args);
    const got = await asks('--client', 's', '-t', 'plant/1');
    expect([got.exitCode, got.stdout.trimEnd().split('\n').at(-1)]).toEqual([
      0,
      'would be delivered at QoS 1',
    ]);
    const not = await asks('--client', 's', '-t', 'plant/secret');
    expect(not.exitCode).toBe(1);
    expect(not.stdout).toMatch(/^ {2}rule: .*\(.*acl:2\)$/m);
    expect(not.stdout.trimEnd().split('\n').at(-1)).toMatch(/^would not: it may not receive/);
  });

  test.each([
    [['explain', 'publish']],
    [['explain', 'publish', '-t', 't', '--size', 'x']],
    [['explain', 'delivery', '-t', 't']],
    [['trace', '--for', '2d']],
    [['trace', '--max', '0']],
  ])('%j is a wrong line', async (args) => {
    const { exitCode, stdout, stderr } = await inProcess(...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/ See iothub (?:explain \w+|trace) --help\.\n$/);
  });

  test('what is no topic is a wrong line, too', async () => {
    const { data } = await start();
    for (const args of [
      ['explain', 'publish', '-t', 'a/#'],
      ['trace', '-t', 'a/#/b'],
    ]) {
      const { exitCode, stdout, stderr } = await inProcess(...args, '--data', data);
      expect([exitCode, stdout]).toEqual([2, '']);
      expect(stderr).toContain(JSON.stringify(args.at(-1)));
    }
  });

  test('needs a server', async () => {
    const data = temporaryFolder();
    expect((await inProcess('explain', 'publish', '-t', 't', '--data', data)).exitCode).toBe(69);
    expect((await inProcess('trace', '--data', data)).exitCode).toBe(69);
  });
});

describe('trace', () => {
  function traces(data: string, ...args: string[]) {
    const child = spawn(
      process.execPath,
      [path.join(ROOT, 'dist/cli/main.js'), 'trace', '--data', data, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    // From its start on: it may have ended before a test comes to wait for that.
    const exit = once(child, 'exit');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, exit, next: async () => String((await lines.next()).value) };
  }

  test('shows lines for people, and JSON', async () => {
    const { data, port } = await start();
    const pretty = traces(data, '--client', 's', '--max', '2');
    const json = traces(data, '--client', 's', '--max', '2', '--json');
    expect(await pretty.next()).toMatch(/^\S+Z begin +s forMs=600000 max=2$/);
    expect(JSON.parse(await json.next())).toMatchObject({ event: 'begin', max: 2 });
    await subscriber(port, 's');
    expect(await pretty.next()).toMatch(/ connect +s remote=127\.0\.0\.1:\d+ /);
    expect(await pretty.next()).toMatch(/ subscribe +s topicFilter=plant\/# reasonCode=1$/);
    expect(await pretty.next()).toMatch(/ end +reason=max events=2 lost=0$/);
    const events: unknown[] = [];
    for (let i = 0; i < 3; i++) events.push(JSON.parse(await json.next()).event);
    expect(events).toEqual(['connect', 'subscribe', 'end']);
    expect(await pretty.exit).toEqual([0, null]);
  });

  test('ends when nobody reads it', async () => {
    const { data, port } = await start();
    const { child, exit, next } = traces(data);
    await next();
    child.stdout.destroy();
    const isOver = exit.then(() => true);
    for (let i = 0; !(await Promise.race([isOver, false])); i++) {
      const client = PacketClient.tcp(port);
      await client.connect(`c${i}`);
      client.destroy();
    }
    expect(await exit).toEqual([0, null]);
  });

  test('ends with the server, and says so', async () => {
    const { data, server } = await start();
    const { exit, next } = traces(data, '--json');
    await next();
    server.child.kill('SIGTERM');
    expect(JSON.parse(await next())).toMatchObject({ event: 'end', reason: 'shutdown' });
    expect(await exit).toEqual([0, null]);
  });

  test('a server that dies is said, too', async () => {
    const { data, server } = await start();
    const { child, next } = traces(data);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += String(chunk);
    });
    await next();
    server.kill();
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(stderr).toMatch(/^iothub trace: the server ended before it had answered\n$/);
  });
});

test('what clients chose cannot move the cursor', () => {
  const line = JSON.stringify({
    at: 'now',
    event: 'connect',
    clientId: 'a b\u001b[2J',
    topic: 'x=1',
  });
  expect(eventLine(line)).toBe('now connect      "a b\\u001b[2J" topic="x=1"');
});

test('an explanation of nobody is short', () => {
  const client = { clientId: null, username: null, groups: [], hasSession: false };
  const full = { shareName: 'g', topicFilter: 't', members: 1, lookedAt: 1, next: null };
  const lines = publishLines({
    client: { ...client, isConnected: false, listener: null },
    ...{ topic: 't', qos: 0, retain: false, packetSize: 4, rule: null, isAccepted: true },
    steps: [{ step: 'match', outcome: 'note', text: 'nobody', drop: 'no_subscriber' }],
    groups: [{ ...full, drop: 'no_shared_member', text: 'nobody can' }],
    ...{ subscribers: [], moreSubscribers: 2, moreGroups: 1, conclusion: 'the end' },
  });
  expect(lines).toEqual([
    '-     match            nobody [no_subscriber]',
    'and 2 more subscribers',
    'shared: $share/g/t, 1 member: nobody can [no_shared_member]',
    'and 1 more shared subscriptions',
    'the end',
  ]);
});
