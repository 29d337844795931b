// `iothub log` and the log of a server that runs as people run it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { freePort } from '../kit/free-port.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { until } from '../kit/until.ts';
import { iothub, ROOT, RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const running: { kill(): unknown }[] = [];
afterEach(() => {
  for (const server of running.splice(0)) server.kill();
});

/** Somebody listens. */
async function isOpen(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return outcome;
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** A server whose log goes to a file; resolves when it serves. */
async function inFile(settings = '') {
  const folder = temporaryFolder();
  const [config, file] = [path.join(folder, 'iothub.toml'), path.join(folder, 'iothub.log')];
  const port = await freePort();
  writeFileSync(
    config,
    `[[listeners]]\nurl = "mqtt://127.0.0.1:${port}"\n[limits]\nloop_lag_max = 0\n[log]\nfile = "iothub.log"\nformat = "json"\n${settings}`,
  );
  const data = path.join(folder, 'data');
  const server = new RunningServer({ isPlaced: true }, '--config', config, '--data', data);
  running.push(server);
  await until(() => textOf(file).includes('serves MQTT'));
  return { config, data, file, port, server };
}

describe('iothub log', () => {
  test('says which lines are written, changes that for a while, and takes it back', async () => {
    const { data } = await inFile(
      'level = "warn"\n[log.levels]\naccess = "debug"\nserver = "info"\n',
    );
    const state = ['level: warn', 'access: debug', 'server: info'];
    expect((await inProcess('log', '--data', data)).stdout.trimEnd().split('\n')).toEqual(state);
    const args = ['--level', 'debug', '--client', 'c\u202e', '--for', '5m'];
    const raised = await inProcess('log', ...args, '--data', data);
    expect(raised).toMatchObject({ exitCode: 0, stdout: '' });
    expect(raised.stderr).toMatch(
      /^iothub log: debug for everything about c\\u202e until 20.*Z\n$/,
    );
    const shown = JSON.parse((await inProcess('log', '--json', '--data', data)).stdout);
    expect(shown).toMatchObject({
      level: 'warn',
      levels: { access: 'debug', server: 'info' },
      raised: [{ level: 'debug', module: null, client: 'c\u202e' }],
    });
    await inProcess('log', '--reset', '--data', data);
    expect((await inProcess('log', '--data', data)).stdout.trimEnd().split('\n')).toEqual(state);
  });

  test('shows the last lines, of one client if asked, and each that comes', async () => {
    const { data, port } = await inFile();
    for (const clientId of ['one', 'two']) {
      await PacketClient.tcp(port).connect(clientId);
    }
    const args = ['log', '--last', '50', '--client', 'two', '--data', data];
    const last = await inProcess(...args);
    expect(last.stdout).toMatch(
      /^\S+ INFO {2}client connected {2}module=session {2}clientId=two .*\n$/,
    );
    const entry = JSON.parse((await inProcess(...args, '--json')).stdout);
    expect(entry).toMatchObject({ module: 'session', clientId: 'two', msg: 'client connected' });
    const tail = spawn(process.execPath, [
      path.join(ROOT, 'dist/cli/main.js'),
      ...['log', '--tail', '--last', '1', '--module', 'session', '--data', data],
    ]);
    running.push(tail);
    let seen = '';
    tail.stdout.on('data', (text) => {
      seen += String(text);
    });
    await until(() => seen.includes('clientId=two'));
    await PacketClient.tcp(port).connect('three');
    await until(() => seen.includes('clientId=three'));
    const ended = new Promise((resolve) => tail.on('exit', resolve));
    tail.kill('SIGINT');
    expect(await ended).toBe(0);
  });

  test.each([
    [['--for', '5m'], '--for goes with --level'],
    [['--client', 'c'], '--module and --client go with --level'],
    [['--level', 'debug', '--reset'], '--reset and --level do not go together'],
    [['--level', 'loud'], 'Allowed choices are debug'],
    [['--level', 'debug', '--for', '25h'], 'A duration from "1s" to "24h"'],
    [['--last', '1001'], 'A whole number from 0 to 1000'],
  ])('a command line that makes no sense is exit code 2: %j', async (args, sentence) => {
    const { exitCode, stderr } = await inProcess('log', ...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(sentence);
  });

  test('without a server there is none to ask', async () => {
    expect((await inProcess('log', '--data', temporaryFolder())).exitCode).toBe(69);
  });
});

describe('the log in a file', () => {
  test('SIGHUP goes on in a new file after somebody renamed it, and levels are those of the configuration then', async () => {
    const { config, file, port, server } = await inFile();
    await PacketClient.tcp(port).connect('before');
    await until(() => textOf(file).includes('"clientId":"before"'));
    renameSync(file, `${file}.1`);
    writeFileSync(config, `${readFileSync(config, 'utf8')}level = "debug"\n`);
    server.child.kill('SIGHUP');
    await until(() => textOf(file).includes('The configuration was reloaded'));
    await PacketClient.tcp(port).connect('after');
    await until(() => textOf(file).includes('"packet":"CONNECT"'));
    server.child.kill('SIGTERM');
    expect(await server.exit).toBe(0);
    expect(textOf(file)).toContain('"msg":"Stopped"');
    expect(textOf(`${file}.1`)).toContain('"clientId":"before"');
    expect(textOf(`${file}.1`)).not.toContain('after');
  });

  test('a file that cannot be opened keeps the server from starting, and says which key', async () => {
    const folder = temporaryFolder();
    const config = path.join(folder, 'iothub.toml');
    writeFileSync(config, `[log]\nfile = "no/such/folder.log"\n`);
    const { exitCode, stderr } = await iothub('-c', config, '--data', path.join(folder, 'data'));
    expect(exitCode).toBe(78);
    expect(stderr).toContain('the log file cannot be opened (log.file): ENOENT');
  });
});

/** Runs a command with a terminal as its output, which nobody reads once the pipe behind it is full. */
function onTerminal(command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const file = path.join(temporaryFolder(), 'pid');
  const words = command.map((word) => `'${word}'`).join(' ');
  const script = `echo $$ > '${file}'; exec ${words}`;
  // Without a terminal's end to the process: to a server that is a reload.
  running.push({ kill: () => process.kill(Number(textOf(file)), 'SIGKILL') });
  return spawn('script', ['-qec', script, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

test.each([
  ['a pipe', ([program, ...args], env) => spawn(program, args, { env })],
  ['a terminal', onTerminal],
] as [string, (command: readonly string[], env: NodeJS.ProcessEnv) => ChildProcess][])(
  'a standard output that nobody reads, %s, holds up nobody; what was lost is counted',
  async (_, startOn) => {
    const [data, port] = [temporaryFolder(), await freePort()];
    const args = ['--port', String(port), '--data', data, '--log-level', 'debug', '--no-admin'];
    // A busy machine is no reason to refuse the client.
    const env = { ...process.env, IOTHUB_LIMITS__LOOP_LAG_MAX: '0' };
    const entry = path.join(ROOT, 'dist/cli/main.js');
    running.push(startOn([process.execPath, entry, ...args], env));
    while (!(await isOpen(port))) await new Promise((resolve) => setImmediate(resolve));
    const client = PacketClient.tcp(port);
    await client.connect('c');
    // Some 150 bytes of log each: a pipe has room for 64 KiB, the server keeps 1 MiB.
    for (let i = 0; i < 20_000; i++) client.send({ type: PacketType.Pingreq });
    let answers = 0;
    while (answers < 20_000) {
      await client.next(PacketType.Pingresp);
      answers++;
    }
    // Clients are let in before commands are.
    await until(() => existsSync(path.join(data, 'control.sock')));
    const { stdout, stderr } = await inProcess('log', '--json', '--data', data);
    expect(stderr).toBe('');
    const state = JSON.parse(stdout);
    expect(state.lostLines).toBeGreaterThan(1_000);
  },
);
