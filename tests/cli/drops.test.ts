// `iothub drops`: its command line, and what it says of a server that runs.

import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';
import { loadConfig } from '../../src/config/load.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { type Outcome, RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const parse = (...args: string[]): unknown => parseCommandLine(args);

describe('the command line', () => {
  const line = {
    ...{ command: 'drops', data: './data', json: false, clientId: null, topicFilter: null },
    ...{ reason: null, sinceMs: null, limit: 50 },
  };

  test('asks for the latest, unless more is said', () => {
    expect(parse('drops')).toEqual(line);
    const what = ['--client', 'c', '-t', 'a/+', '--reason', 'queue_full', '--since', '10m'];
    expect(parse('--data', 'd', 'drops', ...what, '-n', '7', '--json')).toEqual({
      ...{ command: 'drops', data: 'd', json: true, clientId: 'c', topicFilter: 'a/+' },
      ...{ reason: 'queue_full', sinceMs: 600_000, limit: 7 },
    });
  });

  test.each([
    [['--reason', 'bad_luck'], 'Known are no_subscriber, '],
    [['--since', 'long ago'], 'A duration is written as "90s"'],
    [['--limit', '0'], 'A number from 1 to 100000'],
    [['--client', ''], 'must not be empty'],
  ])('%j is refused', (args, sentence) => {
    const said: string[] = [];
    const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      said.push(String(text));
      return true;
    });
    onTestFinished(() => spy.mockRestore());
    expect(() => parse('drops', ...args)).toThrow();
    expect(said.join('')).toContain(sentence);
  });

  test('--no-ledger stands for drops.ledger = false', async () => {
    expect(parse('start', '--no-ledger')).toEqual({ command: 'start', options: { ledger: false } });
    const { config } = await loadConfig(null, { ledger: false });
    expect(config.drops).toEqual({ ledger: false, ledgerMax: 256 });
  });
});

describe('a server', () => {
  const data = temporaryFolder();
  let server: RunningServer;
  const drops = (...args: string[]): Promise<Outcome> =>
    inProcess('drops', '--data', data, ...args);

  beforeAll(async () => {
    server = new RunningServer('--data', data);
    const client = PacketClient.tcp(await server.port());
    await client.connect('pub');
    for (const topic of ['plain', 'plain', 'evil\u001b[2J\u202e']) {
      client.publish(topic, 'x', 1);
      await client.next(PacketType.Puback);
    }
    client.destroy();
    return () => server.kill();
  });

  test('is asked for what it lost', async () => {
    const { exitCode, stdout } = await drops();
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('messages lost since the server started: 3');
    expect(lines[1]).toBe('3  no_subscriber: Nobody subscribes to its topic.');
    expect(lines[4]).toMatch(/^\S+Z no_subscriber "pub" "plain" 2 times since \S+Z$/);
    expect(lines[5]).toMatch(/ no_subscriber "pub" "evil\\u001b\[2J\\u202e"$/);
  });

  test('tells it as JSON, too, and only what is asked for', async () => {
    const { stdout } = await drops('--json', '--topic', 'plain', '--since', '1h', '--limit', '1');
    const { totals, items } = JSON.parse(stdout);
    expect(totals.total).toBe(3);
    expect(items).toMatchObject([{ topic: 'plain', clientId: 'pub', count: 2 }]);
    expect((await drops('--client', 'nobody')).stdout).toMatch(/\nnone of the latest fits\n$/);
  });

  test('that is asked for nonsense says so', async () => {
    const { exitCode, stderr } = await drops('--topic', 'a/#/b');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^iothub drops: "a\/#\/b": /);
  });
});

test('without a loss that is all it says', async () => {
  const data = temporaryFolder();
  const server = new RunningServer('--data', data);
  onTestFinished(() => server.kill());
  await server.port();
  const { exitCode, stdout } = await inProcess('drops', '--data', data);
  expect([exitCode, stdout]).toEqual([0, 'no message was lost since the server started\n']);
});

test('without a ledger only the numbers are told', async () => {
  const data = temporaryFolder();
  const server = new RunningServer('--data', data, '--no-ledger');
  onTestFinished(() => server.kill());
  await server.port();
  const { exitCode, stdout } = await inProcess('drops', '--data', data);
  expect(exitCode).toBe(0);
  expect(stdout).toBe(
    'no message was lost since the server started\n\nthe server keeps no ledger of them (drops.ledger, --no-ledger)\n',
  );
});

test('where no server runs, it says so', async () => {
  const folder = temporaryFolder();
  const { exitCode, stderr } = await inProcess('drops', '--data', folder);
  expect(exitCode).toBe(69);
  expect(stderr).toBe(
    `iothub drops: no server runs on the data folder ${folder}: start it, or name its folder with --data\n`,
  );
});
