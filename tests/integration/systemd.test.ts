// The unit in deploy/systemd, judged by systemd itself, and a server that talks to a notify socket as systemd has one.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { run, startHub } from './hub.ts';

const UNIT = 'deploy/systemd/iothub.service';

/** Prints what is sent to the socket, a datagram a line; a line that came last is the end. */
const RECEIVER = `
import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print('bound', flush=True)
while True:
    message = receiver.recv(4096).decode()
    if 'BARRIER=1' in message:
        continue
    print(message.replace('\\n', ' '), flush=True)
    if message.startswith('STOPPING=1'):
        break
`;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the unit', () => {
  test('is right', () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', UNIT], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('is exposed to less than 3.0 of 10', () => {
    const { status, stdout } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=yes', '--threshold=30', '--no-pager', UNIT],
      { encoding: 'utf8' },
    );
    expect(stdout).toContain('Overall exposure level');
    expect(status, stdout).toBe(0);
  });
});

test('a server says when it is ready, reloads and stops, and feeds the watchdog', async () => {
  const socket = path.join(temporaryFolder(), 'notify');
  const receiver = run('/usr/bin/python3', ['-c', RECEIVER, socket]);
  await receiver.prints('bound');
  vi.stubEnv('NOTIFY_SOCKET', socket);
  vi.stubEnv('WATCHDOG_USEC', '400000');
  const hub = await startHub();
  await receiver.prints('READY=1 STATUS=IoTHub');
  await receiver.prints('WATCHDOG=1');
  hub.process.kill('SIGHUP');
  await receiver.prints('RELOADING=1 MONOTONIC_USEC=');
  expect(await hub.stop()).toBe(0);
  const { stdout } = await receiver.finished;
  const states = stdout.split('\n').map((line) => line.split(' ')[0]);
  const order = states.filter((state) => state !== 'WATCHDOG=1' && state !== '');
  expect(order.slice(0, 3)).toEqual(['bound', 'READY=1', 'RELOADING=1']);
  expect(order.at(-1)).toBe('STOPPING=1');
});

test('where systemd-notify is missing there is a warning, and the server serves', async () => {
  vi.stubEnv('NOTIFY_SOCKET', '/nowhere/notify');
  vi.stubEnv('PATH', '/nowhere');
  const hub = await startHub();
  const warning = await hub.says('The service manager cannot be told');
  expect(warning).toContain('there is no program systemd-notify');
  expect(await hub.stop()).toBe(0);
});
