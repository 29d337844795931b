import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { iothub, iothubWith, ROOT, runNode } from './command.ts';
import { inProcess } from './in-process.ts';

describe('the command line', () => {
  test('--version prints the version of package.json', async () => {
    const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
    expect(await iothub('--version')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('--help names every flag and every exit code', async () => {
    const { exitCode, stdout } = await inProcess('--help');
    expect(exitCode).toBe(0);
    for (const word of [
      '--host',
      '--port',
      '--listener',
      '--config',
      '--test-config',
      '--log-level',
      '--version',
      '--help',
    ]) {
      expect(stdout).toContain(word);
    }
    for (const code of [0, 1, 2, 69, 78, 130, 143]) expect(stdout).toMatch(`${code} `);
  });

  test('help is what --help is, of each command, too', async () => {
    const whole = await iothub('help');
    expect(whole).toEqual(await iothub('--help'));
    expect(whole.stdout).toContain('help [command]');
    const { exitCode, stdout } = await iothub('help', 'drops');
    expect([exitCode, stdout.split('\n')[0]]).toEqual([0, 'Usage: iothub drops [options]']);
  });

  test.each([
    [['--bogus'], "unknown option '--bogus'"],
    [['strat'], "unknown command 'strat' (Did you mean start?)."],
    [['client'], "unknown command 'client' (Did you mean clients?)."],
    [['frobnicate'], "unknown command 'frobnicate'."],
    [['start', 'now'], 'too many arguments'],
    [['--port'], 'argument missing'],
    [['--port', '65536'], 'A port is a whole number from 0 to 65535'],
    [['--port', '-1'], 'A port is a whole number from 0 to 65535'],
    [['--port', '1e3'], 'A port is a whole number from 0 to 65535'],
    [['--host', 'tcp://x'], 'is not an address'],
    [['--listener', 'tcp://127.0.0.1'], 'unknown protocol: write mqtt://127.0.0.1.'],
    [['-l', 'mqtt://127.0.0.1?qosmax=1'], 'unknown parameter "qosmax"; did you mean qos-max?'],
    [
      ['-l', 'mqtt://127.0.0.1', '--port', '1'],
      "'-l, --listener <url>' cannot be used with option",
    ],
    [['--log-level', 'loud'], 'Allowed choices are debug'],
  ])('%j is refused in one sentence, with exit code 2', async (args, sentence) => {
    const { exitCode, stdout, stderr } = await inProcess(...args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^iothub: .*[.?] See iothub --help\.\n$/);
  });

  test('is not repeated where it has a secret', async () => {
    for (const url of [
      'mqtt://me:geheim@127.0.0.1',
      'mqtts://127.0.0.1?cert=c&key=k&key-passphrase=geheim',
    ]) {
      const { exitCode, stderr } = await inProcess('--listener', url);
      expect(exitCode).toBe(2);
      expect(stderr).not.toContain('geheim');
    }
  });
});

describe('a command that runs no server loads none', () => {
  /** The packages of a server, not of the command line or of a store. */
  const OF_SERVERS = ['fastify', 'jose', 'pino', 'prom-client', '@peculiar/x509'];

  async function loadedBy(...args: string[]): Promise<string[]> {
    const hook = path.join(ROOT, 'tests/cli/loaded-packages.mjs');
    const main = path.join(ROOT, 'dist/cli/main.js');
    const { stdout } = await runNode(['--import', hook, main, ...args]);
    return OF_SERVERS.filter((name) => stdout.split('\n').includes(name));
  }

  test.each([
    [['pub', '-t', 't', '-m', 'm', '-p', '1']],
    [['users', 'list', '--data', '/nowhere']],
  ])('%j', async (args) => {
    expect(await loadedBy(...args)).toEqual([]);
  });

  test('as one would see', async () => {
    expect(await loadedBy('check')).toEqual(expect.arrayContaining(['fastify', 'pino']));
  });
});

describe('--test-config', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'iothub-cli-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function fileWith(content: string): string {
    const file = path.join(folder, 'f.toml');
    writeFileSync(file, content);
    return file;
  }

  test('says ok to a configuration that is right, and starts nothing', async () => {
    const file = fileWith('[limits]\nqos_max = 1');
    const ok = { exitCode: 0, stdout: `ok\nfile: ${file}\nvariables: none\n`, stderr: '' };
    expect(await iothub('--config', file, '--test-config')).toEqual(ok);
    expect(await iothub('start', '-c', file, '-t')).toEqual(ok);
  });

  test('says which file and variables count', async () => {
    const file = fileWith('');
    const variables = { IOTHUB_CONFIG: file, IOTHUB_LIMITS__QOS_MAX: '1', IOTHUB_LOG__LEVEL: '' };
    expect(await iothubWith(variables, '-t')).toEqual({
      exitCode: 0,
      stdout: `ok\nfile: ${file}\nvariables: IOTHUB_CONFIG, IOTHUB_LIMITS__QOS_MAX\n`,
      stderr: '',
    });
    const none = { exitCode: 0, stdout: 'ok\nfile: none\nvariables: none\n', stderr: '' };
    expect(await iothub('-t')).toEqual(none);
  });

  test('names a variable that is wrong, with exit code 78', async () => {
    expect(await iothubWith({ IOTHUB_LIMITS__QOSMAX: '1' }, '-t')).toEqual({
      exitCode: 78,
      stdout: '',
      stderr:
        'IOTHUB_LIMITS__QOSMAX: no key of the configuration has this name; did you mean IOTHUB_LIMITS__QOS_MAX?\n',
    });
  });

  test('lists everything that is wrong, with exit code 78', async () => {
    const file = fileWith('[limits]\nqos_max = 3\nqueue = 1\n[log]\nlevel = "loud"');
    const { exitCode, stdout, stderr } = await inProcess('--config', file, '--test-config');
    expect(exitCode).toBe(78);
    expect(stdout).toBe('');
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(`${file}:2: limits.qos_max: 3 is not one of 0, 1, 2`);
    expect(lines[1]).toContain(`${file}:3: limits.queue: unknown key`);
    expect(lines[2]).toContain(`${file}:5: log.level: "loud" is not one of`);
  });

  test('a wrong or missing configuration is not started with either', async () => {
    expect(await iothub('--config', fileWith('a = '))).toMatchObject({ exitCode: 78, stdout: '' });
    const missing = path.join(folder, 'nowhere.toml');
    expect(await iothub('--config', missing)).toEqual({
      exitCode: 78,
      stdout: '',
      stderr: `${missing}: there is no such file\n`,
    });
  });
});
