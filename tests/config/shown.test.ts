// The configuration key by key: its values as they could be written, who said each, and nothing that is secret.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig, type Overrides } from '../../src/config/load.ts';
import { temporaryFolder } from '../kit/folder.ts';

interface Said {
  readonly overrides?: Overrides;
  readonly environment?: Readonly<Record<string, string>>;
}

/** `value  # origin` by path; `FILE` stands for the file. */
async function settingsOf(toml: string | null, { overrides, environment }: Said = {}) {
  const folder = temporaryFolder();
  const file = path.join(folder, 'f.toml');
  writeFileSync(path.join(folder, 'secret'), 'geheim');
  writeFileSync(file, toml ?? '');
  const loaded = await loadConfig(toml === null ? null : file, overrides, environment);
  return Object.fromEntries(
    loaded
      .settings()
      .map(({ origin, path, value }) => [path, `${value}  # ${origin.replace(file, 'FILE')}`]),
  );
}

test('without a file all is by default, and there is something of each part', async () => {
  const settings = await settingsOf(null);
  expect(settings['listeners[0].host']).toBe('"127.0.0.1"  # default');
  expect(settings['limits.queue_messages_max']).toMatch(/^\d+ {2}# default$/);
  expect(settings['storage.path']).toBe('"./data"  # default');
  expect(settings['penalties.enabled'] ?? settings['access.watch']).toMatch(/# default$/);
  expect(Object.values(settings).every((said) => said.endsWith('# default'))).toBe(true);
});

test('the file, a variable and a flag say which they are, and the later one counts', async () => {
  const toml = `
[limits]
queue_messages_max = 5
queue_bytes_max = "8MiB"
qos_max = 1

[log]
level = "debug"
`;
  const settings = await settingsOf(toml, {
    environment: { IOTHUB_LIMITS__QOS_MAX: '2' },
    overrides: { logLevel: 'warn', data: '/srv/data' },
  });
  expect(settings).toMatchObject({
    'limits.queue_messages_max': '5  # FILE:3',
    'limits.queue_bytes_max': '"8MiB"  # FILE:4',
    'limits.qos_max': '2  # IOTHUB_LIMITS__QOS_MAX',
    'log.level': '"warn"  # --log-level',
    'storage.path': '"/srv/data"  # --data',
    'storage.level': '"always"  # default',
  });
});

test('a listener has what its URL says, and the defaults of its tables', async () => {
  const toml = `[[listeners]]
url = "ws://127.0.0.1:8083"
connect_rate = 7
[[listeners]]
url = "mqtt://127.0.0.1:1884"
`;
  const settings = await settingsOf(toml);
  expect(settings).toMatchObject({
    'listeners[0].url': '"ws://127.0.0.1:8083"  # FILE:2',
    'listeners[0].port': '8083  # FILE:2',
    'listeners[0].connect_rate': '7  # FILE:3',
    'listeners[1].url': '"mqtt://127.0.0.1:1884"  # FILE:5',
  });
  expect(settings['listeners[0].websocket.path'] ?? '').toMatch(/# default$|^$/);
});

test('flags for the address of the one listener are told', async () => {
  const overrides = { port: 1884 };
  const settings = await settingsOf('', { overrides });
  expect(settings).toMatchObject({
    'listeners[0].host': '"127.0.0.1"  # default',
    'listeners[0].port': '1884  # --port',
  });
});

describe('secrets', () => {
  test('are told to be there, wherever they came from, and not what they are', async () => {
    const toml = `
[[authenticators]]
type = "jwt"
issuer = "i"
audience = ["a"]
[[authenticators.keys]]
algorithms = ["HS256"]
secret = "geheim-geheim-geheim-geheim-geheim"
[[authenticators]]
type = "http"
url = "https://127.0.0.1/x?key=geheim"
[authenticators.headers]
authorization = "geheim"
[tracing]
endpoint = "https://127.0.0.1/v1/traces?key=geheim"
ratio = 0.5
[tracing.headers]
x-key = "geheim"
`;
    const settings = await settingsOf(toml);
    expect(settings['authenticators[0].keys[0].secret']).toBe('"…"  # FILE:8');
    expect(settings['authenticators[1].url']).toBe('"https://127.0.0.1/x?…"  # FILE:11');
    expect(settings['authenticators[1].headers.authorization']).toBe('"…"  # FILE:13');
    expect(settings['tracing.endpoint']).toBe('"https://127.0.0.1/v1/traces?…"  # FILE:15');
    expect(settings['tracing.ratio']).toBe('0.5  # FILE:16');
    expect(settings['tracing.headers.x-key']).toBe('"…"  # FILE:18');
    expect(JSON.stringify(settings)).not.toContain('geheim');
  });

  test('of modules are anything in their options', async () => {
    const toml = `
[storage]
type = "memory"
[storage.options]
password = "geheim"
`;
    const settings = await settingsOf(toml);
    expect(settings['storage.options.password']).toBe('"…"  # FILE:5');
    expect(JSON.stringify(settings)).not.toContain('geheim');
  });
});

test('of very many rules only the number is told', async () => {
  const rule = '[[rules]]\neffect = "deny"\nactions = ["publish"]\ntopics = ["a"]\n';
  const settings = await settingsOf(rule.repeat(1_001));
  expect(settings.rules).toMatch(/^1001 tables {2}#/);
  expect(settings['rules[0].effect']).toBeUndefined();
  const few = await settingsOf(rule);
  expect(few['rules[0].effect']).toBe('"deny"  # FILE:2');
});
