// The control socket from both ends: who finds a server by it, and who finds none, or none that answers.

import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { askServer, NoServer, openControlSocket } from '../../src/cli/control.ts';
import { createLog } from '../../src/cli/logger.ts';
import { ControlError, type ServerControl } from '../../src/server/contract.ts';
import { FakeOutput } from '../kit/fake-output.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { NO_MANAGEMENT } from '../kit/no-management.ts';
import { iothub, runNode } from './command.ts';

const NOTHING_TO_DO: ServerControl = {
  metrics: null,
  log: createLog({}, new FakeOutput()).control,
  management: NO_MANAGEMENT,
  users: null,
  bans: {
    list: async () => [],
    add: () => Promise.reject(new ControlError('invalid', 'no')),
    remove: async () => false,
  },
  drops: {
    totals: async () => ({ total: 0, reasons: [], ledgerMax: 1 }),
    list: async () => ({ items: [], next: null }),
  },
  health: { problems: () => [] },
  events: { totals: () => Promise.reject(new Error('no')) as never },
  tokens: {
    list: async () => [],
    add: () => Promise.reject(new ControlError('invalid', 'no')),
    remove: async () => false,
  },
  logins: { login: async () => ({ outcome: 'wrong' }) },
  reload: async () => ({ changes: [], ended: 0, muted: 0, afterRestart: [], problems: [] }),
  explain: () => Promise.reject(new ControlError('failed', 'no')),
  explanations: {
    publish: () => Promise.reject(new ControlError('failed', 'no')),
    delivery: () => Promise.reject(new ControlError('failed', 'no')),
  },
  traces: {
    open: () => {
      throw new ControlError('failed', 'no');
    },
  },
};

function open(folder: string): Promise<() => Promise<void>> {
  return openControlSocket(folder, NOTHING_TO_DO, new LogBook());
}

const bans = (folder: string): Promise<unknown> => askServer(folder, 'GET', '/api/v1/bans');

/** Something else that listens where the socket of a server would be. */
async function stranger(onConnection: (socket: net.Socket) => void): Promise<string> {
  const folder = temporaryFolder();
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(path.join(folder, 'control.sock'));
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return folder;
}

describe('a folder with a server', () => {
  test('has a socket that only its user may open, and none any more when it has ended', async () => {
    const folder = temporaryFolder();
    const before = process.umask(0);
    const close = await open(folder);
    expect(process.umask(before)).toBe(0);
    const file = path.join(folder, 'control.sock');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await bans(folder)).toEqual([]);
    await close();
    expect(existsSync(file)).toBe(false);
    await expect(bans(folder)).rejects.toThrow(NoServer);
  });

  test('may be deeper than the name of a socket can be, and have any name', async () => {
    const folder = path.join(temporaryFolder(), 'ä b'.repeat(20), 'c'.repeat(200));
    mkdirSync(folder, { recursive: true });
    const close = await open(folder);
    expect(await bans(folder)).toEqual([]);
    expect(statSync(path.join(folder, 'control.sock')).mode & 0o777).toBe(0o600);
    await close();
    await expect(bans(folder)).rejects.toThrow(NoServer);
  });

  test('takes the place of one that died there, and of whatever else it left', async () => {
    const folder = temporaryFolder();
    const left = `require('node:net').createServer().listen(${JSON.stringify(path.join(folder, 'control.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`;
    await runNode(['--eval', left]);
    expect(existsSync(path.join(folder, 'control.sock'))).toBe(true);
    await expect(bans(folder)).rejects.toThrow(NoServer);
    await (await open(folder))();
    symlinkSync('/nowhere', path.join(folder, 'control.sock'));
    const close = await open(folder);
    expect(await bans(folder)).toEqual([]);
    await close();
  });

  test('does not notice the end of another one', async () => {
    const [one, other] = [temporaryFolder(), temporaryFolder()];
    const closeOne = await open(one);
    const closeOther = await open(other);
    await closeOther();
    expect(await bans(one)).toEqual([]);
    await closeOne();
  });
});

test('a folder without a server, or none at all, has nobody to ask', async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  for (const data of [folder, `${folder}/nowhere`, `${folder}/${'x'.repeat(150)}`, file]) {
    await expect(bans(data)).rejects.toThrow(new NoServer(data));
  }
});

describe('a command that is not answered says why, in a sentence', () => {
  async function reloadIn(folder: string): Promise<[number | null, string]> {
    const { exitCode, stdout, stderr } = await iothub('reload', '--data', folder);
    expect([stdout, stderr.split('\n')]).toEqual(['', [expect.any(String), '']]);
    return [exitCode, stderr.trim()];
  }

  test('nobody is there', async () => {
    const folder = temporaryFolder();
    const sentence = `iothub reload: no server runs on the data folder ${folder}: start it, or name its folder with --data`;
    expect(await reloadIn(folder)).toEqual([69, sentence]);
  });

  test.each([
    ['does not speak HTTP', (socket: net.Socket) => void socket.end('hello\n'), 'does not answer'],
    ['hangs up', (socket: net.Socket) => void socket.destroy(), 'ended before it had answered'],
    [
      'hangs up in the middle',
      (socket: net.Socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{'));
      },
      'ended before it had answered',
    ],
    [
      'is a web server',
      (socket: net.Socket) => {
        const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>';
        socket.once('data', () => socket.end(answer));
      },
      'is no server of this kind',
    ],
    [
      'answers with an error of its own',
      (socket: net.Socket) => {
        const answer = 'HTTP/1.1 500 Oops\r\ncontent-length: 14\r\n\r\n{"error":"no"}';
        socket.once('data', () => socket.end(answer));
      },
      'is no server of this kind',
    ],
  ])('who is there %s', async (_, onConnection, sentence) => {
    const folder = await stranger(onConnection);
    const [exitCode, said] = await reloadIn(folder);
    expect(exitCode).toBe(1);
    expect(said).toContain(sentence);
    const users = await iothub('users', 'list', '--data', folder);
    expect([users.exitCode, users.stderr.split('\n').length]).toEqual([1, 2]);
    expect(users.stderr).toContain(sentence);
  });

  test.runIf(process.getuid?.() === 0)('this user may not open the socket', async () => {
    const folder = await stranger(() => {});
    chmodSync(folder, 0o755);
    chmodSync(path.join(folder, 'control.sock'), 0o600);
    const program = path.resolve('dist/cli/main.js');
    const asNobody = `process.setuid(65534); await import(${JSON.stringify(program)});`;
    const args = ['--input-type=module', '--eval', asNobody, '--', 'x', 'reload', '--data', folder];
    const { exitCode, stderr } = await runNode(args);
    expect([exitCode, stderr]).toEqual([
      1,
      `iothub reload: ${folder}/control.sock may not be used by this user: run the command as the user that the server runs as\n`,
    ]);
  });
});
