// A server that may not open as many files as clients come: it says so at the start, and survives it.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { warnOfOpenFiles } from '../../src/cli/open-files.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { firstReserved, openFilesMax } from '../../src/transport/open-files.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { expectServed } from '../kit/secure-server.ts';
import { RunningServer } from './command.ts';

/** Few enough to run out of soon; with fewer Node does not load the server. */
const FILES = 192;
const CLIENTS_MAX = FILES;

function linesFor(openFiles: number | null): string[] {
  const log = new LogBook();
  warnOfOpenFiles(openFiles, 1_000, log);
  return log.lines.map(({ level, message }) => `${level} ${message}`);
}

describe('the limit of open files', () => {
  const file = path.join(temporaryFolder(), 'limits');

  test.each([
    ['Max open files            1024                 4096                 files', 1_024],
    ['Max open files            unlimited            unlimited            files', null],
    ['', null],
  ])('is read from what Linux says: %j', (line, expected) => {
    writeFileSync(file, `Limit                     Soft Limit           Hard\n${line}\n`);
    expect(openFilesMax(file)).toBe(expected);
  });

  test('is not known elsewhere, and then there is none', () => {
    expect(openFilesMax(path.join(temporaryFolder(), 'none'))).toBeNull();
    expect(firstReserved(null)).toBe(Number.POSITIVE_INFINITY);
  });

  test('keeps 32 for others than clients, or half of what there is', () => {
    expect([firstReserved(1_024), firstReserved(40)]).toEqual([992, 20]);
  });

  test('is warned of when it is below connections_max + 200', () => {
    expect(linesFor(1_200)).toEqual([]);
    expect(linesFor(null)).toEqual([]);
    expect(linesFor(1_199)).toEqual([
      'warn This process may have 1199 files open, limits.connections_max (1000) needs 1200: raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker) or lower connections_max',
    ]);
  });
});

/** Null: the server, or the system, did not take it. */
async function come(port: number, clientId: string): Promise<PacketClient | null> {
  const client = PacketClient.tcp(port, 5);
  onTestFinished(() => client.destroy());
  try {
    await client.connect(clientId);
    return client;
  } catch {
    return null;
  }
}

describe.runIf(process.platform === 'linux')('a server without files to open', () => {
  test('stops accepting with an alarm, serves who is in, and takes others when some have left', async () => {
    const server = new RunningServer({ openFilesMax: FILES });
    onTestFinished(() => server.kill());
    await server.line(/"level":"warn".*may have 192 files open, limits.connections_max \(100000\)/);
    const port = await server.port();
    const clients: PacketClient[] = [];
    for (;;) {
      const client = await come(port, `c-${clients.length}`);
      if (client === null) break;
      clients.push(client);
      expect(clients.length).toBeLessThan(CLIENTS_MAX);
    }
    await server.line(/"level":"error".*"alarm":"open_files".*ALARM open_files/);
    expect(await come(port, 'one-more')).toBeNull();

    const [publisher, subscriber] = clients;
    subscriber.subscribe({ topicFilter: 'served', qos: 1 });
    await subscriber.next(PacketType.Suback);
    await expectServed(publisher, subscriber);
    expect(clients.filter(({ hasEnded }) => hasEnded)).toEqual([]);
    server.child.kill('SIGHUP'); // there are files left for what must be read again
    await server.line(/The configuration was reloaded/);

    for (const client of clients.slice(-5)) client.destroy();
    let newcomer: PacketClient | null = null;
    while (newcomer === null) newcomer = await come(port, 'newcomer'); // a second at most
    await expectServed(publisher, subscriber);
    await server.line(/"alarm":"open_files".*alarm over/);

    server.child.kill('SIGTERM');
    expect(await server.exit).toBe(0);
  }, 40_000);
});
