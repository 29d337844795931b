// `iothub bench` as people call it: its flags, what it prints, its exit codes, and how it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { CommanderError } from 'commander';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { summaryLines } from '../../src/cli/commands/bench-text.ts';
import { parseCommandLine } from '../../src/cli/options.ts';
import type { BenchSummary } from '../../src/client/bench/plan.ts';
import { Decoder, encodePacket, PacketType } from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { iothub, ROOT } from './command.ts';
import { inProcess } from './in-process.ts';

async function startServer(protocol: 'mqtt' | 'ws' = 'mqtt'): Promise<string> {
  const server = new Server({ listeners: [{ protocol, host: '127.0.0.1', port: 0 }] });
  onTestFinished(() => server.stop());
  await server.start();
  return String(server.addresses[0].port);
}

/** A server that answers every CONNECT so. */
async function startRefusing(version: 4 | 5, reasonCode: number): Promise<string> {
  const server = net.createServer((socket) => {
    const decoder = new Decoder({ role: 'server' });
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (const { type } of decoder.push(chunk)) {
        if (type !== PacketType.Connect) continue;
        const connack = {
          type: PacketType.Connack,
          sessionPresent: false,
          properties: {},
        } as const;
        socket.end(encodePacket({ ...connack, reasonCode }, version) ?? '');
      }
    });
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return String((server.address() as net.AddressInfo).port);
}

describe('the flags', () => {
  test('are those of pub and sub, and of load generators', () => {
    expect(
      parseCommandLine([
        ...['bench', 'pairs', '-L', 'wss://me:secret@hub/mqtt', '-V', '5', '-k', '30'],
        ...['-c', '7', '-R', 'max', '-r', '2000', '-s', '1KiB', '-q', '2', '-t', 'a/%i'],
        ...['-n', '500', '--for', '30s', '--wait', '2s', '-M', '5', '--id-prefix', 'x-'],
        ...['--start-number', '100', '--json', '-D', 'publish', 'user-property', '-a', 'b'],
      ]),
    ).toMatchObject({
      ...{ command: 'bench', kind: 'pairs', clients: 7, firstNumber: 100, json: true },
      ...{ connectionsPerSecond: null, messagesPerSecond: 2_000, payloadBytes: 1_024, qos: 2 },
      ...{ topic: 'a/%i', messages: 500, durationMs: 30_000, patienceMs: 2_000, inflightMax: 5 },
      connection: {
        address: { protocol: 'wss', host: 'hub', port: 8_084 },
        ...{ protocolVersion: 5, username: 'me', keepAlive: 30, clientIdPrefix: 'x-' },
        properties: { publish: { userProperties: [['-a', 'b']] } },
      },
    });
  });

  test.each([
    [[], 100, 100],
    [['-c', '20'], 20, 20],
    [['-c', '20', '-I', '10'], 20, 2_000],
    [['-c', '20', '-r', '0.5'], 20, 0.5],
    [['-c', '20', '-r', 'max'], 20, null],
  ])('%j: %i clients, %j messages a second', (flags, clients, messagesPerSecond) => {
    const line = parseCommandLine(['bench', 'pub', ...flags]);
    expect(line).toMatchObject({ clients, messagesPerSecond });
  });

  test.each([
    [['pub', '-t', 'a/#'], '-t is no topic name'],
    [['sub', '-t', 'a#'], '-t "a#": # stands elsewhere'],
    [['pairs', '-t', 'a'], '-t needs %i or %c'],
    [['pairs', '-s', '23'], '-s is 24 at least'],
    [['pub', '-t', '%u'], '%u in -t needs -u'],
    [['pub', '-r', '5', '-I', '10'], '-r and -I do not go together'],
    [['pub', '-r', '0'], 'as 500 or 0.5, or "max"'],
    [['pub', '-c', '0'], 'a whole number from 1 to 100000'],
    [['pub', '-s', '65MiB'], 'is 64MiB at most'],
    [['conn', '--for', '0'], 'A duration is written as'],
    [['conn', '-t', 'x'], "unknown option '-t'"],
    [['conn', '-V', '5', '-D', 'publish', 'content-type', 'x'], 'properties of connect only'],
    [['sub', '--proxy', 'x'], 'iothub has no --proxy'],
    [['pub', '-L', 'mqtt://u:geheim@'], '-L names no host'],
    [['stress'], "unknown command 'stress'"],
  ])('%j is refused in one sentence', (args, sentence) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => write.mockRestore());
    expect(() => parseCommandLine(['bench', ...args])).toThrow(CommanderError);
    const said = write.mock.calls.map(([text]) => String(text)).join('');
    expect(said).toContain(sentence);
    expect(said).toMatch(/^iothub: .*[.?] See iothub( [a-z]+)* --help\.\n$/);
    expect(said).not.toContain('geheim');
  });
});

describe('prints', () => {
  test('a summary for people', async () => {
    const port = await startServer();
    const { exitCode, stdout, stderr } = await inProcess(
      ...['bench', 'pairs', '-h', '127.0.0.1', '-p', port, '-c', '2', '-R', 'max', '-q', '1'],
      ...['-n', '1000', '-r', 'max', '--quiet'],
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^connections {5}4$/m);
    expect(stdout).toMatch(/^sent {12}1,000 \(.*\/s, .*B\/s\)$/m);
    expect(stdout).toMatch(/^acknowledged {4}1,000$/m);
    expect(stdout).toMatch(/^received {8}1,000 \(/m);
    expect(stdout).toMatch(
      /^lost {12}0\nduplicates {6}0\nout of order {4}0\nlatency {9}p50 .* ms$/m,
    );
    expect(stdout).toMatch(/^this process {4}\d+ % busy$/m);
  });

  test('an object a second, then one for the summary, with --json', async () => {
    const port = await startServer('ws');
    const { exitCode, stdout } = await inProcess(
      ...['bench', 'pairs', '-h', '127.0.0.1', '-p', port, '--ws', '-c', '2', '-V', '5'],
      ...['-u', 'user-%i', '-t', '%u/%c', '-n', '12', '-r', '10', '--json'],
    );
    const lines = stdout.trimEnd().split('\n');
    const [interval] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const summary = JSON.parse(lines[lines.length - 1]) as Record<string, unknown>;
    expect(exitCode).toBe(0);
    const percentiles = ['count', 'p50', 'p95', 'p99', 'max'];
    expect(interval.type).toBe('interval');
    expect(Object.keys(interval)).toEqual([
      ...['type', 'phase', 'seconds', 'connected', 'failed', 'lostConnections', 'sent'],
      ...['acknowledged', 'received', 'sentPerSecond', 'receivedPerSecond', 'latencyMs'],
      ...['acknowledgementMs', 'busy'],
    ]);
    expect(summary).toMatchObject({
      ...{ type: 'summary', kind: 'pairs', isClean: true, connections: 4, sent: 12 },
      ...{ received: 12, lost: 0, unnumbered: 0, acknowledgementMs: null, problems: [] },
    });
    expect(Object.keys(summary.latencyMs as object)).toEqual(percentiles);
  });

  test.each([
    [[], 4, 5, 'the server refuses the connection: not authorized (5)'],
    [['-V', '5'], 5, 0x97, 'the server refuses the connection: Quota exceeded (0x97)'],
  ] as const)(
    'why clients are refused, by name, once: %j',
    async (flags, version, code, sentence) => {
      const port = await startRefusing(version, code);
      const { exitCode, stdout, stderr } = await inProcess(
        ...['bench', 'conn', '-h', '127.0.0.1', '-p', port, '-c', '5', '-R', 'max', ...flags],
      );
      expect([exitCode, stderr]).toEqual([1, `iothub bench: ${sentence}\n`]);
      expect(stdout).toContain(`problem         ${sentence} (5 times)\n`);
      expect(stdout).toMatch(/^connections {5}0, 5 failed$/m);
    },
  );

  test('that nothing listens there, and which file is missing', async () => {
    const nothing = await inProcess(
      'bench',
      'pub',
      '-h',
      '127.0.0.1',
      '-p',
      '1',
      '-c',
      '1',
      '--json',
    );
    expect([nothing.exitCode, nothing.stderr]).toEqual([
      1,
      expect.stringMatching(/^.*refused.*\n$/),
    ]);
    expect(JSON.parse(nothing.stdout)).toMatchObject({
      ...{ isClean: false, failed: 1, sent: 0, latencyMs: null },
      problems: [{ reasonCode: null, count: 1 }],
    });
    const file = await inProcess('bench', 'conn', '--cafile', '/no/such/file');
    expect(file).toEqual({
      ...{ exitCode: 1, stdout: '' },
      stderr: 'iothub bench: /no/such/file: there is no such file\n',
    });
  });
});

test.each([
  [0.95, 2, true],
  [0.85, 2, false],
  [1, 0.2, false],
])('busy %d for %d s, it says that itself was the limit: %j', (busy, seconds, isSaid) => {
  const summary: BenchSummary = {
    ...{ kind: 'conn', isClean: true, connections: 1, failed: 0, lostConnections: 0, sent: 0 },
    ...{ unsent: 0, acknowledged: 0, unacknowledged: 0, refused: 0, received: 0, lost: 0 },
    ...{ duplicates: 0, outOfOrder: 0, unnumbered: 0, sentPerSecond: 0, receivedPerSecond: 0 },
    ...{ sentBytesPerSecond: 0, receivedBytesPerSecond: 0, latencyMs: null, connectMs: null },
    ...{ acknowledgementMs: null, faults: [], busy, seconds },
  };
  expect(summaryLines(summary, []).join('\n').includes('was the limit')).toBe(isSaid);
});

test('ends on SIGINT with its summary, and exit code 0', async () => {
  const port = await startServer();
  const main = path.join(ROOT, 'dist/cli/main.js');
  const args = ['bench', 'pairs', '-h', '127.0.0.1', '-p', port, '-c', '3', '-R', 'max', '--json'];
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const objects: Record<string, unknown>[] = [];
  for await (const text of createInterface({ input: child.stdout })) {
    objects.push(JSON.parse(text) as Record<string, unknown>);
    if (objects.length === 1) child.kill('SIGINT');
  }
  expect(await exit).toEqual([0, null]);
  expect(objects.at(-1)).toMatchObject({ type: 'summary', isClean: true, connections: 6, lost: 0 });
});

test('without a command it says what there is, with exit code 2', async () => {
  const { exitCode, stdout, stderr } = await iothub('bench');
  expect([exitCode, stdout]).toEqual([2, '']);
  for (const kind of ['conn', 'pub', 'sub', 'pairs']) {
    expect(stderr).toMatch(new RegExp(`^  ${kind} \\[options\\]`, 'm'));
  }
});
