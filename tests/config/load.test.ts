import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_ACCESS, DEFAULT_PENALTIES } from '../../src/config/access-config.ts';
import { DEFAULT_ADMIN } from '../../src/config/admin-config.ts';
import { type Config, DEFAULT_LOG } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { DEFAULT_LISTENER, type ListenerConfig } from '../../src/config/listener-config.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { keyOf, LIMIT_SETTINGS } from '../../src/config/settings.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { problemsOf } from './problems.ts';

/** A listener of `host` and `port`. */
function plainListener(host: string, port: number): ListenerConfig {
  const url = `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { ...DEFAULT_LISTENER, url, host, port };
}

describe('a configuration that is right', () => {
  test('without a file is the default: loopback, port 1883', async () => {
    const { config, file, variables } = await loadConfig(null);
    expect({ file, variables }).toEqual({ file: null, variables: [] });
    expect(config).toEqual({
      listeners: [DEFAULT_LISTENER],
      authenticators: [],
      authorizers: [],
      rules: [],
      groups: [],
      access: DEFAULT_ACCESS,
      penalties: DEFAULT_PENALTIES,
      quotas: [],
      limits: DEFAULT_LIMITS,
      queues: [],
      storage: {
        type: 'lmdb',
        path: './data',
        level: 'always',
        commitDelayMs: 0,
        freeMin: 67_108_864,
        bytesMax: 0,
        strict: false,
        options: {},
      },
      drops: { ledger: true, ledgerMax: 256 },
      log: DEFAULT_LOG,
      metrics: { enabled: true, compat: [] },
      admin: DEFAULT_ADMIN,
      sys: { intervalMs: 10_000 },
      overload: { memoryMax: null },
      tracing: {
        ...{ endpoint: null, insecure: false, headers: {}, serviceName: 'iothub' },
        ...{ clients: [], topics: [], ratio: 1, follow: true },
        ...{ spansPerSecondMax: 100, queueMax: 2_048, timeoutMs: 10_000 },
      },
      secretsIn: null,
    });
  });

  test('says where and how things are stored', () => {
    const toml =
      '[storage]\ntype = "./store.js"\npath = "/d"\nlevel = "relaxed"\ncommit_delay = "20ms"\nfree_min = 0\nbytes_max = "1GiB"\nstrict = true\n[storage.options]\nurl = "x"\nn = [1]';
    expect(parseConfig(toml, 'f.toml').storage).toEqual({
      type: './store.js',
      path: '/d',
      level: 'relaxed',
      commitDelayMs: 20,
      freeMin: 0,
      bytesMax: 1_073_741_824,
      strict: true,
      options: { url: 'x', n: [1] },
    });
  });

  test('gives some clients other queues', () => {
    const toml =
      '[[queues]]\nclient_id = "dash-*"\npolicy = "keep-latest-per-topic"\n[[queues]]\nusername = "u"\nmessages_max = 5\nbytes_max = "1MiB"\nqos0 = true';
    expect(parseConfig(toml, 'f.toml').queues).toEqual([
      { clientId: 'dash-*', policy: 'keep-latest-per-topic' },
      { username: 'u', messagesMax: 5, bytesMax: 1_048_576, qos0: true },
    ]);
  });

  test('may be empty', () => {
    expect(parseConfig('', 'f.toml').limits).toEqual(DEFAULT_LIMITS);
  });

  test('keeps the defaults of what it leaves out', () => {
    const config = parseConfig('[[listeners]]\nport = 1884\n[limits]\nqos_max = 1', 'f.toml');
    expect(config.listeners).toEqual([plainListener('127.0.0.1', 1884)]);
    expect(config.limits).toEqual({ ...DEFAULT_LIMITS, qosMax: 1 });
  });

  test('takes durations and sizes with their units, each in the unit of its limit', () => {
    const { limits } = parseConfig(
      `[limits]
      connect_timeout = "2s"
      write_timeout = 1.5
      keep_alive_max = "1m"
      session_expiry_max = "1d"
      packet_size_max = "1MiB"
      output_bytes_max = 65536`,
      'f.toml',
    );
    expect(limits.connectTimeoutMs).toBe(2_000);
    expect(limits.writeTimeoutMs).toBe(1_500);
    expect(limits.keepAliveMax).toBe(60);
    expect(limits.sessionExpiryMax).toBe(86_400);
    expect(limits.packetSizeMax).toBe(1_048_576);
    expect(limits.outputBytesMax).toBe(65_536);
  });

  test('may let sessions last for ever', () => {
    const { limits } = parseConfig('[limits]\nsession_expiry_max = "never"', 'f.toml');
    expect(limits.sessionExpiryMax).toBe(0xffff_ffff);
  });

  test('accepts every limit with the value that the reference shows as its default', () => {
    const lines = Object.entries(LIMIT_SETTINGS).map(([name, setting]) => {
      const value = DEFAULT_LIMITS[name as keyof typeof DEFAULT_LIMITS];
      return `${keyOf(name as keyof typeof DEFAULT_LIMITS)} = ${setting.show(value as never)}`;
    });
    expect(lines).toHaveLength(Object.keys(DEFAULT_LIMITS).length);
    expect(parseConfig(`[limits]\n${lines.join('\n')}`, 'f.toml').limits).toEqual(DEFAULT_LIMITS);
  });

  test('cannot be changed afterwards', () => {
    const config = parseConfig('', 'f.toml') as { -readonly [K in keyof Config]: unknown };
    expect(() => {
      config.log = {};
    }).toThrow(TypeError);
    expect(Object.isFrozen(config.limits)).toBe(true);
    expect(Object.isFrozen(config.listeners)).toBe(true);
    expect(Object.isFrozen((config.listeners as unknown[])[0])).toBe(true);
  });
});

describe('a configuration that is wrong', () => {
  test('is told with all its problems at once, with file, line, path and what would be right', () => {
    const toml = `limts = 3

[[listeners]]
port = 70000
adress = "::1"

[limits]
recieve_maximum = 10
packet_size_max = "1XB"
qos_max = 3
keep_alive_max = "500ms"
queue_bytes_max = 100
colour = "red"
queue_qos0 = "yes"

[log]
level = "loud"
`;
    expect(problemsOf(toml)).toEqual([
      'f.toml:1: limts: unknown key; did you mean limits?',
      'f.toml:4: listeners[0].port: 70000 is out of range: 0 to 65535',
      expect.stringMatching(
        /^f\.toml:5: listeners\[0\]\.adress: unknown key; known are url, host, port, .*, limits$/,
      ),
      'f.toml:8: limits.recieve_maximum: unknown key; did you mean receive_maximum?',
      'f.toml:9: limits.packet_size_max: "1XB" is not a size: write bytes as a whole number, or "64KiB", "8MiB", "2MB"',
      'f.toml:10: limits.qos_max: 3 is not one of 0, 1, 2',
      'f.toml:11: limits.keep_alive_max: "500ms" is not a whole number of seconds',
      'f.toml:12: limits.queue_bytes_max: 100B is less than limits.packet_size_max (2MB): the largest message would never fit',
      expect.stringMatching(
        /^f\.toml:13: limits\.colour: unknown key; known are packet_size_max, /,
      ),
      'f.toml:14: limits.queue_qos0: "yes" is not true or false',
      'f.toml:17: log.level: "loud" is not one of "debug", "info", "warn", "error", "silent"',
    ]);
  });

  test.each([
    ['packet_size_max', '63', '64'],
    ['packet_size_max', '268435461', '268435460'],
    ['receive_maximum', '0', '1'],
    ['receive_maximum', '65536', '65535'],
    ['topic_alias_max', '-1', '0'],
    ['topic_alias_max', '65536', '65535'],
    ['keep_alive_max', '65536', '65535'],
    ['connect_timeout', '0', '0.001'],
    ['connect_timeout', '"61m"', '"60m"'],
    ['session_expiry_max', '4294967296', '4294967295'],
  ])('%s is refused at %s and accepted at %s', (key, refused, accepted) => {
    // So that the other limits agree with the largest packet
    const room = 'queue_bytes_max = "1GiB"\nretained_bytes_max = "1GiB"\n';
    expect(problemsOf(`[limits]\n${room}${key} = ${refused}`)).toHaveLength(1);
    expect(problemsOf(`[limits]\n${room}${key} = ${accepted}`)).toEqual([]);
  });

  test('says where a key belongs that stands in another table', () => {
    expect(problemsOf('port = 1884\nlevel = "info"')).toEqual([
      'f.toml:1: port: unknown key here; it belongs to [[listeners]]',
      'f.toml:2: level: unknown key here; it belongs to [storage] or [log]',
    ]);
  });

  test('says what is wrong with storage and queues', () => {
    expect(
      problemsOf(
        '[storage]\ntype = ""\nlevel = "never"\npaths = "x"\noptions = 3\n[[queues]]\npolicy = "drop-all"\n[[queues]]\nqos0 = true',
      ),
    ).toEqual([
      'f.toml:2: storage.type: "" is not a text of 1 to 4096 characters',
      'f.toml:3: storage.level: "never" is not one of "always", "relaxed"',
      'f.toml:4: storage.paths: unknown key; did you mean path?',
      'f.toml:5: storage.options: must be a table: [storage.options]',
      'f.toml:7: queues[0].policy: "drop-all" is not one of "drop-new", "drop-oldest", "keep-latest-per-topic", "disconnect"',
      'f.toml:8: queues[1]: says of no client that it is for it: add client_id or username ("*" = all)',
    ]);
  });

  test('understands names in camelCase', () => {
    expect(problemsOf('[limits]\npacketSizeMax = 100')).toEqual([
      'f.toml:2: limits.packetSizeMax: unknown key; did you mean packet_size_max?',
    ]);
  });

  test('says how tables are written', () => {
    expect(problemsOf('listeners = "127.0.0.1:1883"\nlimits = 4\nlog = []')).toEqual([
      'f.toml:1: listeners: must be an array of tables: [[listeners]]',
      'f.toml:2: limits: must be a table: [limits]',
      'f.toml:3: log: must be a table: [log]',
    ]);
    expect(problemsOf('[listeners]\nport = 1')).toEqual([
      'f.toml:1: listeners: must be an array of tables: [[listeners]]',
    ]);
    expect(problemsOf('listeners = []')).toHaveLength(1);
  });

  test('is not fooled by names that every object has', () => {
    expect(problemsOf('__proto__ = 1\nconstructor = 2')).toHaveLength(2);
    expect(problemsOf('[__proto__]\nx = 1\n[limits.toString]\ny = 2')).toHaveLength(2);
  });

  test('may not listen twice on one address, except on ports that the system chooses', () => {
    expect(
      problemsOf('[[listeners]]\n[[listeners]]\nport = 1884\n[[listeners]]\nport = 1883'),
    ).toEqual(['f.toml:4: listeners[2]: port 1883 on 127.0.0.1 is listened on already']);
    expect(problemsOf('[[listeners]]\nport = 0\n[[listeners]]\nport = 0')).toEqual([]);
  });

  test('gives the line of the table when the key stands inside of it', () => {
    expect(problemsOf('\nlog = { level = "loud" }')[0]).toMatch(/^f\.toml:2: log\.level: /);
    expect(problemsOf('listeners = [{ port = 1 }, { prt = 1 }]')[0]).toMatch(
      /^f\.toml:1: listeners\[1\]\.prt: unknown key; did you mean port\?$/,
    );
  });

  test('that is no TOML is told with line and column', () => {
    expect(problemsOf('[log]\nlevel = \n')).toEqual([
      'f.toml:2: column 9: not valid TOML: invalid value',
    ]);
  });
});

describe('a configuration file', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'iothub-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function fileWith(content: string | Uint8Array): string {
    const file = path.join(folder, 'f.toml');
    writeFileSync(file, content);
    return file;
  }

  test('lies over the defaults and under the flags', async () => {
    const file = fileWith('[[listeners]]\nhost = "::1"\nport = 1884\n[log]\nlevel = "warn"');
    const loaded = await loadConfig(file);
    expect(loaded.file).toBe(file);
    expect(loaded.config.listeners).toEqual([plainListener('::1', 1884)]);
    const { config } = await loadConfig(file, { port: 1885, logLevel: 'debug' });
    expect(config.listeners).toEqual([plainListener('::1', 1885)]);
    expect(config.log).toEqual({ ...DEFAULT_LOG, level: 'debug' });
  });

  test('with several listeners does not go with --host or --port', async () => {
    const file = fileWith('[[listeners]]\n[[listeners]]\nport = 1884');
    await expect(loadConfig(file, { port: 1885 })).rejects.toThrow(
      `${file}:1: listeners: --host and --port need a single listener of mqtt://, and there are 2`,
    );
  });

  test.each([
    ['is not there', 'nowhere.toml', 'there is no such file'],
    ['is a directory', '.', 'is a directory, not a file'],
  ])('that %s is refused in one sentence', async (_, name, sentence) => {
    const file = path.join(folder, name);
    await expect(loadConfig(file)).rejects.toThrow(
      new ConfigError(null, [{ path: '', message: `${file}: ${sentence}`, line: null }]).message,
    );
  });

  test('that is not UTF-8 or far too large is refused', async () => {
    await expect(loadConfig(fileWith(Uint8Array.of(0x23, 0xff)))).rejects.toThrow('not UTF-8');
    await expect(loadConfig(fileWith('#'.repeat(1_048_577)))).rejects.toThrow('larger than 1 MiB');
    await expect(loadConfig(fileWith('#'.repeat(1_048_576)))).resolves.toBeDefined();
  });
});
