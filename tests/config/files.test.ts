import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { loadProblems } from './problems.ts';

/** A folder with these files; their paths in it. */
function folderOf(files: Readonly<Record<string, string>>): (name: string) => string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  return (name) => path.join(folder, name);
}

const LISTENER = `[[listeners]]
url = "mqtts://127.0.0.1"
[listeners.tls]
cert = "tls/c.pem"
key = "tls/k.pem"
`;
const SNI = '[[listeners.tls.sni]]\nhosts = ["a"]\ncert = "tls/c.pem"\nkey = "tls/k.pem"\n';
const PEMS = { 'tls/c.pem': 'c', 'tls/k.pem': 'k' };

test('files that a configuration names are found from its folder', async () => {
  const at = folderOf({ ...PEMS, 'f.toml': LISTENER });
  const { config } = await loadConfig(at('f.toml'));
  expect(config.listeners[0].tls).toMatchObject({ cert: at('tls/c.pem'), key: at('tls/k.pem') });
});

test('files that cannot be read are told with path and reason, all of them', async () => {
  const at = folderOf({
    'tls/c.pem/x': '',
    'f.toml': `${LISTENER}ca = "/nowhere/ca.pem"\nclient_certificate = "optional"\nkey_passphrase_file = "p"\n${SNI.replace('tls/k', 'k')}`,
  });
  const f = at('f.toml');
  expect(await loadProblems(f)).toEqual([
    `${f}:4: listeners[0].tls.cert: ${at('tls/c.pem')} is a directory, not a file`,
    `${f}:5: listeners[0].tls.key: ${at('tls/k.pem')}: there is no such file`,
    `${f}:6: listeners[0].tls.ca: /nowhere/ca.pem: there is no such file`,
    `${f}:8: listeners[0].tls.key_passphrase_file: ${at('p')}: there is no such file`,
    `${f}:11: listeners[0].tls.sni[0].cert: ${at('tls/c.pem')} is a directory, not a file`,
    `${f}:12: listeners[0].tls.sni[0].key: ${at('k.pem')}: there is no such file`,
  ]);
});

test.each([
  ['geheim', 'geheim'],
  ['geheim\n', 'geheim'],
  ['geheim\r\n', 'geheim'],
  [' ge heim \n\n', ' ge heim \n'],
])('a passphrase is what stands in its file: %j is %j', async (content, passphrase) => {
  const at = folderOf({
    ...PEMS,
    p: content,
    'f.toml': `${LISTENER}key_passphrase_file = "p"\n${SNI}key_passphrase = "other"`,
  });
  const { config } = await loadConfig(at('f.toml'));
  expect(config.listeners[0].tls).toMatchObject({
    keyPassphrase: passphrase,
    keyPassphraseFile: at('p'),
    sni: [{ keyPassphrase: 'other' }],
  });
});

test('a variable with a passphrase or its file stands for what the file says of it', async () => {
  const at = folderOf({ ...PEMS, p: 'of the file', 'f.toml': `${LISTENER}key_passphrase = "x"` });
  const variable = 'IOTHUB_LISTENERS__0__TLS__KEY_PASSPHRASE';
  const ofFile = await loadConfig(at('f.toml'), {}, { [`${variable}_FILE`]: at('p') });
  expect(ofFile.config.listeners[0].tls?.keyPassphrase).toBe('of the file');
  const itself = await loadConfig(at('f.toml'), {}, { [variable]: '12 34' });
  expect(itself.config.listeners[0].tls).toMatchObject({
    keyPassphrase: '12 34',
    keyPassphraseFile: null,
  });
});

test.each([
  ['', 'is empty'],
  ['\n', 'is empty'],
  ['x'.repeat(4_097), 'is too large for a passphrase'],
])('a file of a passphrase may not be %j', async (content, sentence) => {
  const at = folderOf({ ...PEMS, p: content });
  const environment = {
    IOTHUB_LISTENERS__0__URL: 'wss://127.0.0.1',
    IOTHUB_LISTENERS__0__TLS__CERT: at('tls/c.pem'),
    IOTHUB_LISTENERS__0__TLS__KEY: at('tls/k.pem'),
    IOTHUB_LISTENERS__0__TLS__KEY_PASSPHRASE_FILE: at('p'),
  };
  expect(await loadProblems(null, {}, environment)).toEqual([
    `IOTHUB_LISTENERS__0__TLS__KEY_PASSPHRASE_FILE: ${at('p')} ${sentence}`,
  ]);
});
