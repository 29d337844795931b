// The commands about a running server, against one that is really there: what people read, what scripts read, and exit codes.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { runManage } from '../../src/cli/commands/manage.ts';
import { openControlSocket } from '../../src/cli/control.ts';
import type { ManageLine } from '../../src/cli/manage-lines.ts';
import { managementControl } from '../../src/cli/management-control.ts';
import { parseCommandLine } from '../../src/cli/options.ts';
import type { ServerControl } from '../../src/server/contract.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { publishV5, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10';

interface Hub {
  readonly broker: TestServer;
  readonly folder: string;
  /** The command, as its words. */
  run(...words: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>;
}

async function hub(): Promise<Hub> {
  const folder = temporaryFolder();
  const broker = await startServer();
  const management = managementControl(broker.server, {
    version: '1.2.3',
    storeType: 'memory',
    folder,
    startedAt: new Date(0),
    config: async () => [
      { path: 'log.level', value: '"info"', origin: 'f.toml:3', isReloaded: true },
    ],
  });
  const control = { management, users: null, bans: {} } as unknown as ServerControl;
  const close = await openControlSocket(folder, control, new LogBook());
  onTestFinished(close);
  return { broker, folder, run: (...words) => run(...words, '--data', folder) };
}

async function run(...words: string[]) {
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  try {
    return { exitCode: await runManage(parseCommandLine(words) as ManageLine), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe('lists', () => {
  test('of clients are a table for people, and everything for scripts', async () => {
    const { broker, run } = await hub();
    await broker.v5('a');
    await (await subscriberV5(broker, 'b', 't', 1, DURABLE)).drop();
    const table = await run('clients', 'list');
    const [head, ...rows] = table.stdout.trimEnd().split('\n');
    expect(head).toBe(
      'CLIENT  USER  STATE      MQTT  ADDRESS  SINCE                     SUBS  QUEUED  INFLIGHT',
    );
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 4))).toEqual([
      ['"a"', '-', 'connected', '5'],
      ['"b"', '-', 'away', '5'],
    ]);
    expect([table.exitCode, table.stderr]).toEqual([0, '']);
    const { stdout } = await run('clients', 'list', '--json', '--away');
    const { clients } = broker.server.management;
    const page = { limit: 9, after: null };
    expect(JSON.parse(stdout)).toEqual(await clients.list({ state: 'away' }, page));
  });

  test('that are empty say so to people', async () => {
    const { run } = await hub();
    const empty = { exitCode: 0, stdout: '' };
    for (const words of [['clients', 'list'], ['retained', 'list'], ['topics']]) {
      const stderr = `iothub ${words.join(' ')}: there are none\n`;
      expect(await run(...words)).toEqual({ ...empty, stderr });
      expect(await run(...words, '--json')).toMatchObject({ exitCode: 0, stderr: '' });
    }
  });

  test('that have more say so, and go on after a name', async () => {
    const { broker, run } = await hub();
    for (const id of ['a', 'b', 'c']) await broker.v5(id);
    const some = await run('clients', 'list', '--limit', '2');
    expect(some.stderr).toBe('iothub clients list: there are more: take a larger --limit than 2\n');
    expect(some.stdout.split('\n')).toHaveLength(4);
    const rest = await run('clients', 'list', '--after', 'b', '--json');
    expect(JSON.parse(rest.stdout).items).toHaveLength(1);
  });

  test('of more than a page come whole', async () => {
    const { broker, run } = await hub();
    const { management } = broker.server;
    const topics = Array.from({ length: 1_100 }, (_, i) => `t/${String(i).padStart(4, '0')}`);
    for (const topic of topics) await management.publish({ topic, payload: 'x', retain: true });
    const { stdout } = await run('retained', 'list', 't/#', '--limit', '5000', '--json');
    const { items, next } = JSON.parse(stdout);
    expect(items.map(({ topic }: { topic: string }) => topic)).toEqual(topics);
    expect(next).toBeNull();
  });

  test('show nothing that a client chose as it is', async () => {
    const { broker, run } = await hub();
    await broker.v5('\u001b[2J\u202ex');
    await subscriberV5(broker, 's', 'a\u0085b');
    for (const command of [['clients', 'list'], ['subscriptions'], ['topics']]) {
      for (const json of [[], ['--json']]) {
        const { stdout } = await run(...command, ...json);
        expect(stdout).toContain(command[0] === 'clients' ? '\\u001b[2J\\u202ex' : 'a\\u0085b');
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(stdout).not.toMatch(/[\u001b\u0085\u202e]/);
      }
    }
  });
});

test('all there is about a client', async () => {
  const { broker, run } = await hub();
  await subscriberV5(broker, 'a', 't/#', 1);
  const { stdout } = await run('clients', 'show', 'a');
  const rows = Object.fromEntries(
    stdout
      .trimEnd()
      .split('\n')
      .map((row) => row.split(/ {2,}/, 2)),
  );
  expect(rows).toMatchObject({
    client: '"a"',
    protocol: 'MQTT 5',
    listener: 'memory',
    'keep alive': 'none',
    subscription: '"t/#", QoS 1',
  });
});

describe('changes', () => {
  test('kick, by either name', async () => {
    const { broker, run } = await hub();
    for (const words of [['kick'], ['clients', 'kick']]) {
      const client = await broker.v5('a', true, DURABLE);
      const said = await run(...words, 'a', '--reason', 'bye', '--reason-code', '0x98');
      expect(said).toEqual({
        exitCode: 0,
        stdout: '',
        stderr: 'iothub kick: client "a" was disconnected\n',
      });
      await client.expectClosed("e0 08 98 06 1f 0003 'bye'");
    }
    const { stderr } = await run('kick', 'a', '--end-session');
    expect(stderr).toContain('was away; its session ended, with 0 messages');
    expect(await run('kick', 'a')).toMatchObject({
      exitCode: 1,
      stderr: 'iothub kick: there is no client "a"\n',
    });
    expect(await run('kick', 'a', '--reason-code', '4')).toMatchObject({ exitCode: 2 });
  });

  test('purge, and the sessions that hold most', async () => {
    const { broker, run } = await hub();
    await (await subscriberV5(broker, 'a', 't', 1, DURABLE)).drop();
    await broker.server.management.publish({ topic: 't', payload: 'x', qos: 1 });
    const { stdout } = await run('sessions', 'list');
    expect(stdout.split('\n')[1]).toMatch(/^"a" +- +0m 0s +1 +4 +0 %$/);
    expect((await run('clients', 'purge', 'a')).stderr).toContain('ended, with 1 messages');
    expect(broker.server.stats().sessions).toBe(0);
  });

  test('retained messages are shown and removed', async () => {
    const { broker, run } = await hub();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a', retain: true, payload: 'one\ntwo\u001b' }));
    const { stdout } = await run('retained', 'show', 'a');
    expect(stdout).toContain('payload  8 bytes, utf8\n\none\ntwo\\u001b\n');
    const dry = await run('retained', 'delete', '#', '--dry-run');
    expect(dry.stderr).toContain('1 retained messages would be removed');
    expect((await run('retained', 'delete', '#')).stderr).toContain('were removed');
    expect((await run('retained', 'show', 'a')).exitCode).toBe(1);
  });

  test('queues are shown and cleared', async () => {
    const { broker, run } = await hub();
    await (await subscriberV5(broker, 'a', 't', 1, DURABLE)).drop();
    await broker.server.management.publish({ topic: 't', payload: 'x', qos: 1 });
    expect((await run('queues', 'show', 'a')).stdout).toMatch(/\n1 {2}"t" +1 +4 {2}\d/);
    expect((await run('queues', 'clear', 'a', '--dry-run')).stderr).toContain('1 messages would');
    expect((await run('queues', 'clear', 'a')).stderr).toContain('1 messages were dropped');
    expect(broker.server.stats().dropped.queue_cleared).toBe(1);
  });

  test('a message is sent, from the line or from a file as it is', async () => {
    const { broker, folder, run } = await hub();
    const subscriber = await subscriberV5(broker, 's', 't', 1);
    const said = await run('send', 't', '-m', 'ü', '-q', '1', '-r');
    expect(said.stderr).toBe('iothub send: handed to 1 subscribers\n');
    await subscriber.expect("32 08 0001 't' 0001 00 c3bc");
    const file = path.join(folder, 'f');
    writeFileSync(file, Uint8Array.of(0, 255));
    expect((await run('send', 't', '-f', file)).exitCode).toBe(0);
    await subscriber.expect("30 06 0001 't' 00 00ff");
    expect(await run('send', 't', '-f', `${file}x`)).toMatchObject({ exitCode: 1 });
    expect(await run('send', 'a/#', '-m', 'x')).toMatchObject({ exitCode: 2 });
  });

  test('drain, its state, its end', async () => {
    const { broker, run } = await hub();
    await broker.v5('a');
    const { stdout } = await run('drain', '--over', '0', '--server-reference', 'b');
    expect(stdout).toMatch(/^drained since .*: 0 clients disconnected, 1 left, .* sent to "b"\n$/);
    expect((await run('drain', '--state')).stdout).toBe(stdout);
    expect((await run('drain', '--undo')).stdout).toBe('the server is not drained\n');
  });
});

test('the server and its listeners are told', async () => {
  const { run } = await hub();
  const { stdout } = await run('info');
  expect(stdout).toMatch(/^version {8}IoTHub 1\.2\.3, node v/);
  expect(stdout).toContain('\noverload       none\n');
  expect(JSON.parse((await run('info', '--json')).stdout)).toMatchObject({
    version: '1.2.3',
    stats: { sessions: 0 },
    overload: { level: 0 },
  });
  const none = { exitCode: 0, stdout: '', stderr: 'iothub listeners: there are none\n' };
  expect(await run('listeners')).toEqual(none);
});

describe('the configuration', () => {
  test('that is in force, and who said it', async () => {
    const { run } = await hub();
    expect((await run('config', 'print', '--live')).stdout).toBe('log.level = "info"\n');
    const { stdout } = await run('config', 'print', '--live', '--origin');
    expect(stdout).toBe('log.level = "info"  # f.toml:3, reloaded\n');
  });

  test('as a start would read it', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'f.toml');
    writeFileSync(file, '[limits]\nqueue_messages_max = 5\n');
    const { stdout } = await run('config', 'print', '-c', file, '--origin');
    expect(stdout).toContain(`limits.queue_messages_max = 5  # ${file}:2\n`);
    expect(stdout).toContain('log.level = "info"  # default\n');
    writeFileSync(file, '[limits]\nqueue = 5\n');
    expect(await run('config', 'print', '-c', file)).toMatchObject({ exitCode: 78, stdout: '' });
  });
});

test('without a server each says so', async () => {
  const folder = temporaryFolder();
  for (const words of [['info'], ['clients', 'list'], ['kick', 'a'], ['drain', '--undo']]) {
    const { exitCode, stderr } = await run(...words, '--data', folder);
    expect(exitCode).toBe(69);
    expect(stderr).toContain(`no server runs on the data folder ${folder}`);
  }
});
