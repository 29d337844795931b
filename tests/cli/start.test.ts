import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { iothub, RunningServer } from './command.ts';

const servers: RunningServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.kill();
});

function run(...args: string[]): RunningServer {
  const server = new RunningServer(...args);
  servers.push(server);
  return server;
}

/** Connects and goes away again; rejects when nobody listens. */
async function knock(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

describe('a server that starts', () => {
  test('says version, address, whom it serves, and what to type', async () => {
    const server = run();
    const port = await server.port();
    expect(server.lines[0]).toMatch(/IoTHub \d+\.\d+\.\d+ starts/);
    await server.line(/only those on this machine \(loopback\) are served/);
    await server.line(new RegExp(`mosquitto_sub -h 127.0.0.1 -p ${port} -t '#' -v`));
    await server.line(new RegExp(`npx mqtt sub -h 127.0.0.1 -p ${port} -t '#'`));
    await knock(port);
  });

  test('beyond loopback warns that anybody may connect', async () => {
    const server = run('--listener', 'mqtt://0.0.0.0:0?anonymous=true');
    await server.line(/ANYBODY who can reach mqtt:\/\/0\.0\.0\.0:\d+ may connect/);
    await server.line(/mosquitto_sub -h 127\.0\.0\.1 /);
    expect(server.lines.join('\n')).not.toContain('only those on this machine');
  });

  test('serves each listener, all interfaces too', async () => {
    const server = run(
      '--listener',
      'mqtt://:0?anonymous=true',
      '--listener',
      'mqtt://localhost:0',
    );
    await knock(await server.port());
    await knock(await server.port());
  });

  test('says that the folder of a socket is missing', async () => {
    const outcome = await iothub(
      '--store',
      'memory',
      '--listener',
      'mqtt+unix:///nowhere/iothub.sock',
    );
    expect(outcome).toMatchObject({
      exitCode: 69,
      stderr: 'the folder of the socket /nowhere/iothub.sock does not exist: make it first.\n',
    });
  });

  test('does not, beyond loopback, unless somebody said that anybody may come', async () => {
    const { exitCode, stdout, stderr } = await iothub('--host', '0.0.0.0', '--port', '0');
    expect(exitCode).toBe(78);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^--host 0\.0\.0\.0: .* write --listener 'mqtt:\/\/0\.0\.0\.0:0\?anonymous=true' instead of --host\n$/,
    );
  });

  test('on a port in use says so in one sentence, with exit code 69', async () => {
    const port = await run().port();
    const { exitCode, stderr } = await iothub('--store', 'memory', '--port', String(port));
    expect(exitCode).toBe(69);
    expect(stderr).toBe(
      `Port ${port} on 127.0.0.1 is in use: stop the program that listens there, or choose another with --port or --listener.\n`,
    );
  });

  test('on an address of another machine says so in one sentence, with exit code 69', async () => {
    // TEST-NET-1: documentation only, nobody has it
    const { exitCode, stderr } = await iothub(
      '--store',
      'memory',
      '--listener',
      'mqtt://192.0.2.1:0?anonymous=true',
    );
    expect(exitCode).toBe(69);
    expect(stderr).toBe(
      'The address 192.0.2.1 is not one of this machine: choose another with --host or --listener.\n',
    );
  });
});

describe('a server that is told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s stops gracefully with 0', async (signal) => {
    const server = run();
    const port = await server.port();
    server.child.kill(signal);
    await server.line(/Stopping/);
    await server.line(/Stopped/);
    expect(await server.exit).toBe(0);
    await expect(knock(port)).rejects.toThrow('ECONNREFUSED');
  });

  test('while a client is half connected does not wait for it', async () => {
    const server = run();
    const socket = net.connect(await server.port(), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    server.child.kill('SIGTERM');
    expect(await server.exit).toBe(0);
    socket.destroy();
  });

  test('twice ends at once with 130 or 143', async () => {
    const server = run();
    await server.port();
    // Both are pending when it runs again: the second comes while it stops, whichever that is.
    server.child.kill('SIGSTOP');
    server.child.kill('SIGINT');
    server.child.kill('SIGTERM');
    server.child.kill('SIGCONT');
    expect([130, 143]).toContain(await server.exit);
  });
});

describe('a server that runs', () => {
  test('reloads at SIGHUP, and serves on', async () => {
    const server = run();
    const port = await server.port();
    server.child.kill('SIGHUP');
    await server.line(/The configuration was reloaded/);
    await knock(port);
  });

  test('goes on when nobody reads its log any more', async () => {
    const server = run();
    const port = await server.port();
    server.child.stdout?.destroy();
    for (let i = 0; i < 5; i++) {
      server.child.kill('SIGHUP');
      await knock(port);
    }
    server.child.kill('SIGTERM');
    expect(await server.exit).toBe(0);
  });
});
