import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { CommanderError } from 'commander';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { issueCertificates } from '../../src/cli/certificates.ts';
import { type CommandLine, parseCommandLine } from '../../src/cli/options.ts';
import { admitsAnonymous } from '../../src/config/access-config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { bytes, testHasher } from '../auth/passwords/fixture.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { ROOT } from './command.ts';
import { inProcess } from './in-process.ts';

const DAY_MS = 86_400_000;

let folder = '';
beforeEach(() => {
  folder = path.join(temporaryFolder(), 'deep', 'hub');
});

function at(name: string): string {
  return path.join(folder, name);
}

/** Runs it; it must go well. Returns what it printed. */
async function init(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await inProcess('init', folder, ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
}

/** All files of the folder with their modes. */
function modes(): Record<string, string> {
  const names = readdirSync(folder, { recursive: true }).map(String).sort();
  return Object.fromEntries(
    ['.', ...names].map((name) => [name, (statSync(at(name)).mode & 0o777).toString(8)]),
  );
}

function passwordIn(stdout: string): string {
  return /^ {2}PASSWORD=(.*)$/m.exec(stdout)?.[1] ?? '';
}

test('a program is told as JSON where everything is, and the password', async () => {
  const told: unknown = JSON.parse(await init('--user', 'plant', '--json'));
  expect(told).toEqual({
    config: at('iothub.toml'),
    files: [at('passwords'), at('iothub.toml')],
    username: 'plant',
    password: expect.stringMatching(/^[a-z2-9]{26}$/),
  });
});

describe('the command line', () => {
  const LINE = {
    command: 'init',
    folder: './iothub',
    username: 'admin',
    hasTls: false,
    hosts: [],
    json: false,
  };

  test.each<[string[], object]>([
    [['init'], LINE],
    [
      ['init', 'x', '--user', 'anna.b@c', '--tls'],
      { ...LINE, folder: 'x', username: 'anna.b@c', hasTls: true },
    ],
    [
      ['init', '--tls', '--host', 'hub-1.example.com', '--host', '::1', '--host', 'hub'],
      { ...LINE, hasTls: true, hosts: ['hub-1.example.com', '::1', 'hub'] },
    ],
  ])('%j', (args, expected) => expect(parseCommandLine(args)).toEqual(expected));

  test.each([
    [['--host', 'a'], '--host needs --tls: passwords would cross the network in the clear'],
    [['--user', ''], 'Write a letter or digit'],
    [['--user', '-x'], 'Write a letter or digit'],
    [['--user', 'a*'], 'Write a letter or digit'],
    [['--user', 'a"b'], 'Write a letter or digit'],
    [['--user', 'a:b'], 'Write a letter or digit'],
    [['--user', 'a'.repeat(65)], 'Write a letter or digit'],
    [['--tls', '--host', 'mqtts://a'], 'Write an IP address'],
    [['--tls', '--host', '[::1]'], 'Write an IP address'],
    [['--tls', '--host', '1.2.3.256'], 'Write an IP address'],
    [['--tls', '--host', '-a'], 'Write an IP address'],
    [['--tls', '--host', ''], 'Write an IP address'],
    [['a', 'b'], 'too many arguments'],
    [[''], 'must not be empty'],
  ])('%j is refused in one sentence', (args, sentence) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    onTestFinished(() => write.mockRestore());
    let line: CommandLine | undefined;
    expect(() => {
      line = parseCommandLine(['init', ...args]);
    }).toThrow(CommanderError);
    expect(line).toBeUndefined();
    expect(String(write.mock.calls[0]?.[0])).toContain(sentence);
  });
});

describe('iothub init', () => {
  test('writes a configuration and a user, which only their owner can read', async () => {
    const stdout = await init('--user', 'anna');
    expect(modes()).toEqual({ '.': '700', 'iothub.toml': '600', passwords: '600' });
    const { users } = await parsePasswordFile(readFileSync(at('passwords')), 'f');
    expect([...users.keys()]).toEqual(['anna']);
    const hash = users.get('anna');
    const password = passwordIn(stdout);
    expect(password).toMatch(/^[a-z2-9]{26}$/);
    expect(hash).toMatchObject({ algorithm: 'sha512-pbkdf2', iterations: 210_000 });
    if (hash === undefined) return;
    expect(await testHasher().verify(hash, bytes(password), () => false)).toBe('match');
  });

  test('prints the password once, and lines to try it', async () => {
    const stdout = await init();
    expect(stdout.split(passwordIn(stdout))).toHaveLength(2);
    expect(stdout).toContain(`  iothub start -c ${at('iothub.toml')}\n`);
    expect(stdout).toContain(
      `  mosquitto_sub -h 127.0.0.1 -p 1883 -u admin -P "$PASSWORD" -t '#' -v &\n`,
    );
    expect(stdout).toContain(
      '  mosquitto_pub -h 127.0.0.1 -p 1883 -u admin -P "$PASSWORD" -t hello -m world\n',
    );
    for (const file of readdirSync(folder)) {
      expect(readFileSync(at(file), 'utf8')).not.toContain(passwordIn(stdout));
    }
  });

  test('makes another password every time', async () => {
    const first = passwordIn(await init());
    folder = `${folder}-2`;
    expect(passwordIn(await init())).not.toBe(first);
  });

  test('writes a configuration that is right, and lets in nobody without a password', async () => {
    await init('--user', 'anna');
    const { config } = await loadConfig(at('iothub.toml'));
    expect(config.listeners.map(({ url }) => url)).toEqual(['mqtt://127.0.0.1:1883']);
    expect(admitsAnonymous(config, config.listeners[0])).toBe(false);
    expect(config.authenticators).toEqual([
      { kind: 'password-file', name: 'password-file', file: at('passwords') },
    ]);
    expect(config.authorizers).toEqual([{ kind: 'rules', name: 'rules' }]);
    expect(config.rules).toMatchObject([
      { effect: 'allow', actions: ['publish', 'subscribe'], topics: ['#'], users: ['anna'] },
    ]);
    expect(await inProcess('-c', at('iothub.toml'), '-t')).toMatchObject({ exitCode: 0 });
  });

  test('writes shell words that are one also where the folder has blanks', async () => {
    folder = path.join(temporaryFolder(), "my 'hub");
    const stdout = await init();
    const word = /iothub start -c (.*)/.exec(stdout)?.[1] ?? '';
    expect(String(execFileSync('sh', ['-c', `printf %s ${word}`]))).toBe(at('iothub.toml'));
  });

  test('uses a folder that is there as it is', async () => {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o750);
    writeFileSync(at('else'), 'x');
    await init();
    expect(modes()).toMatchObject({ '.': '750', else: expect.anything(), passwords: '600' });
  });
});

describe('iothub init does not overwrite', () => {
  test('anything: it lists all that is there, and writes nothing', async () => {
    mkdirSync(at('tls'), { recursive: true });
    writeFileSync(at('iothub.toml'), 'mine');
    writeFileSync(at('tls/ca.key'), 'mine');
    symlinkSync('/nowhere/at/all', at('passwords'));
    const { exitCode, stdout, stderr } = await inProcess('init', folder, '--tls');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toBe(
      `iothub init: nothing was written, because this is there already:
iothub init:   ${at('tls/ca.key')}
iothub init:   ${at('passwords')}
iothub init:   ${at('iothub.toml')}
iothub init: name another folder, or move it away
`,
    );
    expect(readdirSync(folder, { recursive: true }).map(String).sort()).toEqual([
      'iothub.toml',
      'passwords',
      'tls',
      path.join('tls', 'ca.key'),
    ]);
    for (const name of ['iothub.toml', 'tls/ca.key']) {
      expect(readFileSync(at(name), 'utf8')).toBe('mine');
    }
  });

  test('its own folder', async () => {
    await init();
    const before = readFileSync(at('passwords'));
    expect(await inProcess('init', folder)).toMatchObject({ exitCode: 1, stdout: '' });
    expect(readFileSync(at('passwords'))).toEqual(before);
  });

  test('a file where the folder would be', async () => {
    mkdirSync(path.dirname(folder), { recursive: true });
    writeFileSync(folder, 'mine');
    const { exitCode, stdout, stderr } = await inProcess('init', folder);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^iothub init: .*\/hub: cannot be written: /);
    expect(readFileSync(folder, 'utf8')).toBe('mine');
  });

  test('and leaves nothing behind when it fails half way', () => {
    // No file may be larger than 1 KiB: certificates, keys and the password file are not, the configuration is.
    const command = ['-c', 'ulimit -f 1 && exec "$@"', 'bash', process.execPath];
    const args = [...command, path.join(ROOT, 'dist/cli/main.js'), 'init', folder, '--tls'];
    const { status, stdout, stderr } = spawnSync('bash', args, { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^iothub init: .*iothub\.toml: cannot be written: /);
    expect(existsSync(path.dirname(folder))).toBe(false);
  });
});

describe('iothub init --tls', () => {
  /** What openssl says of a certificate in the folder. */
  function verify(name: string, ...args: string[]): string {
    const command = ['verify', '-x509_strict', '-CAfile', at('tls/ca.crt'), ...args];
    const { stdout, stderr } = spawnSync('openssl', [...command, at(`tls/${name}.crt`)], {
      encoding: 'utf8',
    });
    return /: OK$/m.test(stdout) ? 'ok' : stderr;
  }

  function certificate(name: string): X509Certificate {
    return new X509Certificate(readFileSync(at(`tls/${name}.crt`)));
  }

  test('writes an authority with two certificates that openssl takes for their purposes', async () => {
    const stdout = await init('--tls', '--host', 'hub.example.com', '--host', '192.0.2.7');
    expect(modes()).toEqual({
      '.': '700',
      'iothub.toml': '600',
      passwords: '600',
      tls: '700',
      'tls/ca.crt': '644',
      'tls/ca.key': '600',
      'tls/client.crt': '644',
      'tls/client.key': '600',
      'tls/server.crt': '644',
      'tls/server.key': '600',
    });
    for (const name of ['hub.example.com', 'localhost']) {
      expect(verify('server', '-purpose', 'sslserver', '-verify_hostname', name)).toBe('ok');
    }
    for (const address of ['192.0.2.7', '127.0.0.1', '::1']) {
      expect(verify('server', '-purpose', 'sslserver', '-verify_ip', address)).toBe('ok');
    }
    expect(verify('client', '-purpose', 'sslclient')).toBe('ok');
    expect(verify('server', '-purpose', 'sslclient')).toContain('unsuitable certificate purpose');
    expect(verify('client', '-purpose', 'sslserver')).toContain('unsuitable certificate purpose');
    expect(verify('server', '-verify_hostname', 'other.example.com')).toContain('ostname mismatch');
    expect(stdout).toContain(
      `  mosquitto_pub --cafile ${at('tls/ca.crt')} -h hub.example.com -p 8883 -u admin -P "$PASSWORD" -t hello -m world\n`,
    );
    expect(stdout).toContain(
      `  mosquitto_pub --cafile ${at('tls/ca.crt')} -h hub.example.com -p 8883 --cert ${at('tls/client.crt')} --key ${at('tls/client.key')} -t hello -m world\n`,
    );
  });

  test('writes keys that fit, and a client that is the user', async () => {
    await init('--tls', '--user', 'anna');
    for (const name of ['ca', 'server', 'client']) {
      const key = String(readFileSync(at(`tls/${name}.key`)));
      const fitting = execFileSync('openssl', ['pkey', '-pubout'], {
        input: key,
        encoding: 'utf8',
      });
      const { publicKey } = certificate(name);
      expect(publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
      expect(publicKey.export({ type: 'spki', format: 'pem' })).toBe(fitting);
    }
    expect(certificate('client').subject).toBe('CN=anna');
    expect(certificate('ca').ca).toBe(true);
    expect(certificate('server').ca).toBe(false);
    const serials = ['ca', 'server', 'client'].map((name) => certificate(name).serialNumber);
    expect(new Set(serials).size).toBe(3);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  test('serves programs on this machine only, unless others have a name for it', async () => {
    await init('--tls');
    const own = await loadConfig(at('iothub.toml'));
    const urls = own.config.listeners.map(({ url }) => url);
    expect(urls).toEqual(['mqtt://127.0.0.1:1883', 'mqtts://127.0.0.1:8883']);
    folder = `${folder}-2`;
    await init('--tls', '--host', 'hub');
    const { config } = await loadConfig(at('iothub.toml'));
    expect(config.listeners[1]).toMatchObject({
      url: 'mqtts://:8883',
      anonymous: null,
      tls: {
        cert: at('tls/server.crt'),
        key: at('tls/server.key'),
        ca: at('tls/ca.crt'),
        clientCertificate: 'optional',
        identity: 'cn',
      },
    });
    expect(config.listeners.map((one) => admitsAnonymous(config, one))).toEqual([false, false]);
    expect(config.authenticators.map(({ kind }) => kind)).toEqual(['password-file', 'certificate']);
  });

  test('lets server and client believe each other', async () => {
    const issued = await issueCertificates({
      hosts: ['localhost', '::1'],
      username: 'anna',
      nowMs: Date.now(),
    });
    const server = tls.createServer({ ...issued.server, ca: issued.ca.cert, requestCert: true });
    onTestFinished(() => void server.close());
    const seen = new Promise<string>((resolve) => {
      server.once('secureConnection', (socket) => {
        resolve(`${socket.authorized} ${socket.getPeerCertificate().subject.CN}`);
        socket.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const options = { ...issued.client, ca: issued.ca.cert, servername: 'localhost' };
    const client = tls.connect({ host: '127.0.0.1', port, ...options });
    onTestFinished(() => void client.destroy());
    await new Promise((resolve, reject) =>
      client.once('end', resolve).once('error', reject).resume(),
    );
    expect(client.authorized).toBe(true);
    expect(await seen).toBe('true anna');
  });

  test('makes certificates that begin an hour ago: the authority for ten years, others for 825 days', async () => {
    const nowMs = Date.UTC(2030, 0, 31, 12);
    const { ca, server, client } = await issueCertificates({
      hosts: [`${'a'.repeat(60)}.${'b'.repeat(60)}`],
      username: 'u',
      nowMs,
    });
    const days = [ca, server, client].map(({ cert }) => {
      const { validFrom, validTo } = new X509Certificate(cert);
      expect(Date.parse(validFrom)).toBe(nowMs - 3_600_000);
      return (Date.parse(validTo) - Date.parse(validFrom)) / DAY_MS;
    });
    expect(days).toEqual([3_650, 825, 825]);
    // a name that is too long for the subject is in the extension only
    expect(new X509Certificate(server.cert).subject).toBe('CN=IoTHub');
    expect(new X509Certificate(server.cert).subjectAltName).toContain('aaa.bbb');
  });
});
