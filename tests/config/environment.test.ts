import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { readEnvironment } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ROOT, type Table } from '../../src/config/tables.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { loadProblems } from './problems.ts';

/** The configuration of these variables alone. */
async function configOf(environment: Record<string, string>): Promise<Config> {
  return (await loadConfig(null, {}, environment)).config;
}

function fileWith(toml: string): string {
  const file = path.join(temporaryFolder(), 'f.toml');
  writeFileSync(file, toml);
  return file;
}

/** Every key by the name of its variable, with the text of a value that it may have. */
function variablesOf(prefix: string, table: Table): [string, string][] {
  const own = Object.keys(table.settings).map((key): [string, string] => [
    `${prefix}${key.toUpperCase()}`,
    key,
  ]);
  const inner = Object.entries(table.tables).flatMap(([key, one]) =>
    variablesOf(`${prefix}${key.toUpperCase()}__${one.form === 'array' ? '0__' : ''}`, one),
  );
  return [...own, ...inner];
}

describe('the environment', () => {
  test('has a variable for every key', () => {
    const variables = variablesOf('IOTHUB_', ROOT);
    expect(variables.length).toBeGreaterThan(100);
    const { values, problems } = readEnvironment(
      Object.fromEntries(variables.map(([name]) => [name, 'x'])),
      '/',
    );
    expect(problems).toEqual([]);
    expect(values.map(({ variable }) => variable).sort()).toEqual(
      variables.map(([name]) => name).sort(),
    );
    expect(values.find(({ variable }) => variable.endsWith('SNI__0__HOSTS'))?.path).toEqual([
      'listeners',
      0,
      'tls',
      'sni',
      0,
      'hosts',
    ]);
  });

  test('says numbers, sizes, durations, flags, choices, texts and lists', async () => {
    const config = await configOf({
      IOTHUB_LIMITS__RECEIVE_MAXIMUM: '7',
      IOTHUB_LIMITS__PACKET_SIZE_MAX: '4MiB',
      IOTHUB_LIMITS__OUTPUT_BYTES_MAX: '65536',
      IOTHUB_LIMITS__WRITE_TIMEOUT: '1.5',
      IOTHUB_LIMITS__CONNECT_TIMEOUT: '2s',
      IOTHUB_LIMITS__QUEUE_QOS0: 'true',
      IOTHUB_LIMITS__QOS_MAX: '1',
      IOTHUB_STORAGE__PATH: './elsewhere',
      IOTHUB_QUEUES__0__CLIENT_ID: '*',
      IOTHUB_QUEUES__0__POLICY: 'drop-oldest',
      IOTHUB_LISTENERS__0__TRUSTED_PROXIES: '10.0.0.0/8, loopback',
      IOTHUB_LISTENERS__0__PROXY_PROTOCOL: 'true',
      IOTHUB_LISTENERS__1__URL: 'ws://127.0.0.1',
      IOTHUB_LISTENERS__1__WEBSOCKET__ORIGINS: '["https://a", "https://b"]',
    });
    expect(config.limits).toMatchObject({
      receiveMaximum: 7,
      packetSizeMax: 4_194_304,
      outputBytesMax: 65_536,
      writeTimeoutMs: 1_500,
      connectTimeoutMs: 2_000,
      queueQos0: true,
      qosMax: 1,
    });
    expect(config.storage.path).toBe('./elsewhere');
    expect(config.queues).toEqual([{ clientId: '*', policy: 'drop-oldest' }]);
    expect(config.listeners).toMatchObject([
      { url: 'mqtt://127.0.0.1:1883', trustedProxies: ['10.0.0.0/8', 'loopback'] },
      { url: 'ws://127.0.0.1:8083', websocket: { origins: ['https://a', 'https://b'] } },
    ]);
  });

  test('says anything in the options of a store: JSON, else text, capitals as lower case', async () => {
    const config = await configOf({
      IOTHUB_STORAGE__OPTIONS: '{"url":"a","deep":{"x":1}}',
      IOTHUB_STORAGE__OPTIONS__URL: 'redis://b',
      IOTHUB_STORAGE__OPTIONS__poolSize: '5',
      IOTHUB_STORAGE__OPTIONS__DEEP__Y: '"5"',
    });
    expect(config.storage.options).toEqual({
      url: 'redis://b',
      poolSize: 5,
      deep: { x: 1, y: '5' },
    });
  });

  test('lies over the file and under the flags, and is told which of it counts', async () => {
    const file = fileWith('[log]\nlevel = "warn"\n[limits]\nqos_max = 2\nreceive_maximum = 9\n');
    const environment = {
      PATH: '/bin',
      IOTHUB_LIMITS__QOS_MAX: '1',
      IOTHUB_LOG__LEVEL: 'error',
      IOTHUB_LISTENERS__0__PORT: '1999',
    };
    const first = await loadConfig(file, {}, environment);
    expect(first.config.limits).toMatchObject({ qosMax: 1, receiveMaximum: 9 });
    expect(first.config.log.level).toBe('error');
    expect(first.variables).toEqual([
      'IOTHUB_LIMITS__QOS_MAX',
      'IOTHUB_LISTENERS__0__PORT',
      'IOTHUB_LOG__LEVEL',
    ]);
    const flags = { logLevel: 'debug', listeners: ['mqtt://localhost:1'] } as const;
    const second = await loadConfig(file, flags, environment);
    expect(second.config.log.level).toBe('debug');
    expect(second.config.listeners.map(({ url }) => url)).toEqual(['mqtt://localhost:1']);
    expect(second.variables).toEqual(['IOTHUB_LIMITS__QOS_MAX', 'IOTHUB_LOG__LEVEL']);
  });

  test('changes a listener of the file where it stands, its address as a whole', async () => {
    const file = fileWith(
      '[[listeners]]\nhost = "::1"\nport = 1\nconnections_max = 5\n[[listeners]]\nport = 2',
    );
    const { config } = await loadConfig(
      file,
      {},
      {
        IOTHUB_LISTENERS__10__URL: 'mqtt://127.0.0.1:11',
        ...Object.fromEntries(
          [2, 3, 4, 5, 6, 7, 8, 9].map((i) => [`IOTHUB_LISTENERS__${i}__PORT`, String(i + 1)]),
        ),
        IOTHUB_LISTENERS__0__URL: 'ws://127.0.0.1:80',
      },
    );
    expect(config.listeners[0]).toMatchObject({ url: 'ws://127.0.0.1:80', connectionsMax: 5 });
    expect(config.listeners).toHaveLength(11);
    expect(config.listeners[10].url).toBe('mqtt://127.0.0.1:11');
  });

  test('names the configuration file, unless a flag does', async () => {
    const file = fileWith('[log]\nlevel = "warn"');
    const other = fileWith('[log]\nlevel = "error"');
    const environment = { IOTHUB_CONFIG: file };
    const loaded = await loadConfig(null, {}, environment);
    expect(loaded).toMatchObject({ file, variables: ['IOTHUB_CONFIG'] });
    expect(loaded.config.log.level).toBe('warn');
    const flagged = await loadConfig(other, {}, environment);
    expect(flagged).toMatchObject({ file: other, variables: [] });
    expect(flagged.config.log.level).toBe('error');
  });

  test('says nothing by an empty variable', async () => {
    const loaded = await loadConfig(null, {}, { IOTHUB_CONFIG: '', IOTHUB_LOG__LEVEL: '' });
    expect(loaded).toMatchObject({ file: null, variables: [] });
  });

  test('sees paths from the working directory', async () => {
    const { values } = readEnvironment(
      { IOTHUB_LISTENERS__0__TLS__CERT: 'c.pem', IOTHUB_STORAGE__TYPE: './store.js' },
      '/srv',
    );
    expect(values.map(({ value }) => value)).toEqual([
      path.resolve('/srv/c.pem'),
      path.resolve('/srv/store.js'),
    ]);
    expect((await configOf({ IOTHUB_STORAGE__TYPE: 'memory' })).storage.type).toBe('memory');
  });

  test('of a container platform does not disturb', async () => {
    const environment = {
      IOTHUB_SERVICE_HOST: '10.0.0.1',
      IOTHUB_SERVICE_PORT: '1883',
      IOTHUB_SERVICE_PORT_MQTT: '1883',
      IOTHUB_PORT: 'tcp://10.0.0.1:1883',
      IOTHUB_PORT_1883_TCP: 'tcp://10.0.0.1:1883',
      IOTHUB_PORT_1883_TCP_PROTO: 'tcp',
      IOTHUB_PORT_1883_TCP_PORT: '1883',
      IOTHUB_PORT_1883_TCP_ADDR: '10.0.0.1',
      IOTHUB_ADMIN_SERVICE_HOST: '10.0.0.2',
      IOTHUB_ADMIN_PORT: 'tcp://10.0.0.2:80',
    };
    expect(await loadConfig(null, {}, environment)).toMatchObject({ variables: [] });
  });
});

describe('an environment that is wrong', () => {
  test.each([
    ['IOTHUB_LIMITS__QOS_MAX', '3', '3 is not one of 0, 1, 2'],
    ['IOTHUB_LIMITS__RECEIVE_MAXIMUM', 'x', '"x" is not a whole number from 1 to 65535'],
    ['IOTHUB_LIMITS__QUEUE_QOS0', 'yes', '"yes" is not true or false'],
    ['IOTHUB_LISTENERS__0__URL', 'tcp://a', '"tcp://a" has an unknown protocol: write mqtt://a'],
    ['IOTHUB_LISTENERS__0__TRUSTED_PROXIES', '[1', '"[1" is not a list of at most 1000'],
    ['IOTHUB_STORAGE__OPTIONS', '5', 'must be a table: [storage.options]'],
    [
      'IOTHUB_LIMITS__QOS',
      '1',
      'no key of the configuration has this name; did you mean IOTHUB_LIMITS__QOS_MAX?',
    ],
    ['IOTHUB_LIMIT__QOS_MAX', '1', 'did you mean IOTHUB_LIMITS__QOS_MAX?'],
    ['IOTHUB_LIMITS_QOS_MAX', '1', 'did you mean IOTHUB_LIMITS__QOS_MAX?'],
    [
      'IOTHUB_LISTENERS__12__TLS__SNI__3__CRT',
      'x',
      'did you mean IOTHUB_LISTENERS__12__TLS__SNI__3__CERT?',
    ],
    ['IOTHUB_CONFG', 'x', 'did you mean IOTHUB_CONFIG?'],
    ['IOTHUB_PORT', '1883', 'no key of the configuration has this name'],
    [
      'IOTHUB_COLOUR_OF_THE_LOG',
      'red',
      'it is IOTHUB_TABLE__KEY, as IOTHUB_LIMITS__PACKET_SIZE_MAX',
    ],
    ['IOTHUB_CONSTRUCTOR__X', '1', 'no key of the configuration has this name'],
    [
      'IOTHUB_LIMITS',
      '1',
      'is a table, not a value: write a variable for each key of it, as IOTHUB_LIMITS__PACKET_SIZE_MAX',
    ],
    [
      'IOTHUB_LISTENERS',
      '[]',
      'is a table, not a value: write a variable for each key of it, as IOTHUB_LISTENERS__0__URL',
    ],
    [
      'IOTHUB_LISTENERS__URL',
      'x',
      'counted from 0: write IOTHUB_LISTENERS__0__URL instead of IOTHUB_LISTENERS__URL',
    ],
    [
      'IOTHUB_LISTENERS__1__PORT',
      '1',
      'there is no listeners[0] before it: count from 0 without gaps',
    ],
  ])('%s=%s is told by its name', async (variable, text, sentence) => {
    const problems = await loadProblems(null, {}, { [variable]: text });
    expect(problems).toHaveLength(1);
    expect(problems[0].startsWith(`${variable}: `)).toBe(true);
    expect(problems[0]).toContain(sentence);
  });

  test('is told at once with what is wrong in the file, each by its place', async () => {
    const file = fileWith('[limits]\nqos_max = 1\nreceive_maximum = 0\nqueue_bytes_max = 1000\n');
    const environment = {
      IOTHUB_LIMITS__QOS_MAX: '9',
      IOTHUB_LIMITS__PACKET_SIZE_MAX: '1MiB',
      IOTHUB_LISTENERS__0__URL: 'mqtts://127.0.0.1',
      IOTHUB_NOTHING_AT_ALL: '1',
    };
    expect(await loadProblems(file, {}, environment)).toEqual([
      `${file}:3: limits.receive_maximum: 0 is out of range: 1 to 65535`,
      `${file}:4: limits.queue_bytes_max: 1KB is less than limits.packet_size_max (1MiB): the largest message would never fit`,
      expect.stringMatching(/^IOTHUB_NOTHING_AT_ALL: no key/),
      'IOTHUB_LIMITS__QOS_MAX: 9 is not one of 0, 1, 2',
      expect.stringMatching(/^IOTHUB_LISTENERS__0__URL: mqtts:\/\/ needs a certificate/),
    ]);
  });

  test('never shows a secret', async () => {
    const problems = await loadProblems(
      null,
      {},
      {
        IOTHUB_LISTENERS__0__TLS__KEY_PASSPHRASE: 'geheim'.repeat(1_000),
        IOTHUB_LISTENERS__0__URL: 'mqtts://me:geheim@127.0.0.1',
      },
    );
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain('geheim');
  });

  test('that says a thing in both its ways is told so', async () => {
    const problems = await loadProblems(
      null,
      {},
      {
        IOTHUB_LISTENERS__0__URL: 'mqtt://127.0.0.1',
        IOTHUB_LISTENERS__0__PORT: '5',
      },
    );
    expect(problems).toEqual([
      'IOTHUB_LISTENERS__0__PORT: the address is in url already: leave port out, or url',
    ]);
  });
});
