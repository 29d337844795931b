import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { checkListeners, isLoopbackAddress } from '../../src/config/loopback.ts';
import { loadProblems } from './problems.ts';

function config(...listeners: string[]): Config {
  return parseConfig(listeners.map((toml) => `[[listeners]]\n${toml}\n`).join(''), 'f.toml');
}

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'here.test': ['127.0.0.1', '::1'],
  'both.test': ['127.0.0.1', '192.0.2.1'],
  'there.test': ['192.0.2.1'],
  'none.test': [],
};

function resolve(host: string): Promise<readonly string[]> {
  const found = NAMES[host];
  if (found !== undefined) return Promise.resolve(found);
  return Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
}

/** What is said of a single listener, or null. */
async function saidOf(toml: string): Promise<string | null> {
  const [problem] = await checkListeners(config(toml), undefined, resolve);
  return problem?.message ?? null;
}

describe('an address', () => {
  test.each(['127.0.0.1', '127.8.9.10', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '::1%lo'])(
    '%s is loopback',
    (address) => expect(isLoopbackAddress(address)).toBe(true),
  );

  test.each(['', '0.0.0.0', '::', '126.255.255.255', '128.0.0.0', '::2', '::ffff:128.0.0.1', 'x'])(
    '"%s" is not loopback',
    (address) => expect(isLoopbackAddress(address)).toBe(false),
  );
});

describe('a listener', () => {
  test.each([
    'url = "mqtt://127.0.0.1"',
    'host = "127.1.2.3"',
    'url = "ws://[::1]"',
    'url = "mqtt://here.test"',
    'url = "mqtt+unix:///run/x"',
    'url = "mqtt://0.0.0.0"\nanonymous = true',
    'url = "mqtt://nowhere.test"\nanonymous = true',
  ])('with %j may be reached', async (toml) => {
    expect(await saidOf(toml)).toBeNull();
  });

  test.each([
    ['url = "mqtt://:1883"', 'mqtt://:1883 can be reached from other machines: it is on all'],
    ['host = "0.0.0.0"', 'mqtt://0.0.0.0:1883 can be reached from other machines, and'],
    ['host = "::"', 'mqtt://[::]:1883 can be reached from other machines, and'],
    ['url = "ws://192.0.2.1"', 'ws://192.0.2.1:8083 can be reached from other machines, and'],
    ['url = "mqtt://there.test"', 'there.test is also 192.0.2.1'],
    ['url = "mqtt://both.test"', 'both.test is also 192.0.2.1'],
    ['url = "mqtt://none.test"', 'may be reached from other machines: the name none.test has no'],
    ['url = "mqtt://nowhere.test"', 'the name nowhere.test has no address here (ENOTFOUND)'],
  ])('with %j needs a word that anybody may come', async (toml, sentence) => {
    const said = await saidOf(toml);
    expect(said).toContain(sentence);
    expect(said).toContain('add the line `anonymous = true` to its table of [[listeners]]');
  });

  test('with TLS needs it too, whether or not clients have certificates', async () => {
    const tls = 'url = "mqtts://:8883"\n[listeners.tls]\ncert = "c"\nkey = "k"\n';
    expect(await saidOf(tls)).toContain('`anonymous = true`');
    const required = `anonymous = false\n${tls}ca = "a"\nclient_certificate = "required"`;
    expect(await saidOf(required)).toBeNull();
  });

  test('is told by its position', async () => {
    const problems = await checkListeners(
      config('port = 1', 'url = "mqtt://:2"', 'port = 3', 'url = "mqtt://:4"'),
      undefined,
      resolve,
    );
    expect(problems.map((problem) => problem.path)).toEqual(['listeners[1]', 'listeners[3]']);
  });
});

describe('the way to a listener beyond loopback', () => {
  test('stands in the words of who said it', async () => {
    expect(await loadProblems(null, { host: '0.0.0.0' })).toEqual([
      expect.stringMatching(
        /^--host 0\.0\.0\.0: .* write --listener 'mqtt:\/\/0\.0\.0\.0:1883\?anonymous=true' instead of --host$/,
      ),
    ]);
    expect(await loadProblems(null, { listeners: ['mqtt://:1?qos-max=1'] })).toEqual([
      expect.stringMatching(
        /^--listener 'mqtt:\/\/:1\?qos-max=1': .* write --listener 'mqtt:\/\/:1\?qos-max=1&anonymous=true'$/,
      ),
    ]);
    expect(await loadProblems(null, {}, { IOTHUB_LISTENERS__0__HOST: '::' })).toEqual([
      expect.stringMatching(
        /^IOTHUB_LISTENERS__0__HOST: .* set IOTHUB_LISTENERS__0__ANONYMOUS=true$/,
      ),
    ]);
  });

  test('opens it', async () => {
    const flag = await loadConfig(null, { listeners: ['mqtt://0.0.0.0:1883?anonymous=true'] });
    expect(flag.config.listeners[0]).toMatchObject({ host: '0.0.0.0', anonymous: true });
    const variable = await loadConfig(
      null,
      { host: '::' },
      { IOTHUB_LISTENERS__0__ANONYMOUS: 'true' },
    );
    expect(variable.config.listeners[0]).toMatchObject({ url: 'mqtt://[::]:1883' });
  });
});
