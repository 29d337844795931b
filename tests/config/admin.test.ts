// What may stand in [admin], and what an operator is told who wrote something else.

import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseAdminUrl } from '../../src/config/admin-config.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { loadProblems, problemsOf } from './problems.ts';

const admin = (lines: string): string[] => problemsOf(`[admin]\n${lines}\n`);

describe('the URL of the admin API', () => {
  test.each([
    ['http://127.0.0.1:18083', false, '127.0.0.1', 18_083],
    ['http://localhost', false, 'localhost', 18_083],
    ['https://:1', true, '', 1],
    ['https://[::1]:0/', true, '::1', 0],
    ['https://hub.example.com:65535', true, 'hub.example.com', 65_535],
  ])('%s is one', (url, isSecure, host, port) => {
    expect(parseAdminUrl(url)).toEqual({ isSecure, host, port });
  });

  test.each([
    '',
    '127.0.0.1:18083',
    'ftp://127.0.0.1',
    'http://127.0.0.1:65536',
    'http://127.0.0.1:18083/api',
    'http://a@127.0.0.1',
    'http://127.0.0.1?x=1',
    'http://[::1',
  ])('%s is none', (url) => {
    expect(parseAdminUrl(url)).toMatch(/write http:\/\/127\.0\.0\.1:18083, or https:\/\/:18083/);
  });

  test('has no password in it, which no message repeats', () => {
    const [problem] = admin('url = "http://anna:geheim@127.0.0.1"');
    expect(problem).toContain('f.toml:2: admin.url: it is not the URL of a listener: a user or');
    expect(problem).not.toContain('geheim');
  });
});

describe('plain HTTP beyond loopback', () => {
  test.each(['http://:18083', 'http://0.0.0.0:1', 'http://[::]:1', 'http://hub.example.com:1'])(
    '%s needs the word of the operator',
    (url) => {
      const [problem, ...more] = admin(`url = "${url}"`);
      expect(problem).toMatch(/^f\.toml:2: admin\.url: .* tokens would cross the network/);
      expect(problem).toContain('insecure = true');
      expect(more).toEqual([]);
      expect(admin(`url = "${url}"\ninsecure = true`)).toEqual([]);
      expect(admin(`url = "${url}"\nenabled = false`)).toEqual([]);
    },
  );

  test.each(['http://127.0.0.2:1', 'http://localhost:1', 'http://[::1]:1'])(
    '%s is loopback',
    (url) => {
      expect(admin(`url = "${url}"`)).toEqual([]);
    },
  );
});

describe('TLS of the admin API', () => {
  test('is needed by https, and by nothing else', () => {
    expect(admin('url = "https://:1"')).toEqual([
      'f.toml:2: admin.url: https:// needs a certificate: add [admin.tls] with the lines cert = "server.pem" and key = "server.key"',
    ]);
    expect(admin('[admin.tls]\ncert = "c"\nkey = "k"')).toEqual([
      'f.toml:2: admin.tls: http:// has no TLS: write https:// in url, or leave it out',
    ]);
  });

  test('is a certificate and a key, whose files are there', async () => {
    expect(admin('url = "https://:1"\n[admin.tls]\ncert = "c"')).toEqual([
      'f.toml:3: admin.tls: is not complete: add the line key = "server.key"',
    ]);
    const folder = temporaryFolder();
    const file = path.join(folder, 'f.toml');
    writeFileSync(file, '[admin]\nurl = "https://:1"\n[admin.tls]\ncert = "c"\nkey = "k"\n');
    expect(await loadProblems(file)).toEqual([
      `${file}:4: admin.tls.cert: ${folder}/c: there is no such file`,
      `${file}:5: admin.tls.key: ${folder}/k: there is no such file`,
    ]);
  });

  test('with a passphrase in the file makes it one that not everybody may read', async () => {
    const file = path.join(temporaryFolder(), 'f.toml');
    const tls = '[admin.tls]\ncert = "f.toml"\nkey = "f.toml"\nkey_passphrase = "geheim"\n';
    writeFileSync(file, `[admin]\nurl = "https://:1"\n${tls}`);
    expect((await loadConfig(file)).config.secretsIn).toBe(file);
  });
});

test('a file with a token has one in it, and no message shows it', async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, 'token');
  const config = path.join(folder, 'f.toml');
  writeFileSync(config, '[admin]\ntoken_file = "token"\n');
  expect(await loadProblems(config)).toEqual([
    `${config}:2: admin.token_file: ${file}: there is no such file`,
  ]);
  for (const text of ['x'.repeat(31), `${'x'.repeat(40)} y`, 'x'.repeat(600)]) {
    writeFileSync(file, `${text}\n`);
    const [problem] = await loadProblems(config);
    expect(problem).toContain('has no token in it: write 32 to 512 letters');
    expect(problem).not.toContain('xxxx');
  }
  writeFileSync(file, `${'x'.repeat(32)}\n`);
  chmodSync(file, 0o600);
  expect((await loadConfig(config)).config.admin.tokenFile).toBe(file);
});

test('flags say where it is, or that there is none', async () => {
  const { config } = await loadConfig(null, { admin: 'http://127.0.0.1:1' });
  expect([config.admin.enabled, config.admin.url]).toEqual([true, 'http://127.0.0.1:1']);
  expect((await loadConfig(null, { admin: false })).config.admin.enabled).toBe(false);
  expect(await loadProblems(null, { admin: 'x' })).toEqual([
    expect.stringMatching(/^--admin: it is not the URL of a listener: /),
  ]);
});

test('names that are allowed are names, without ports', () => {
  expect(admin('allowed_hosts = ["hub.example.com", "hub"]')).toEqual([]);
  expect(admin('allowed_hosts = ["hub:18083"]')[0]).toContain('"hub:18083" is not a host name');
  const { admin: config } = parseConfig('[admin]\nallowed_hosts = ["a"]', 'f.toml');
  expect(config.allowedHosts).toEqual(['a']);
});
