// The flags of `iothub pub` and `iothub sub`.

import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';
import { iothubWith } from './command.ts';
import { inProcess } from './in-process.ts';

describe('the flags', () => {
  test('are mosquitto_pub’s', () => {
    expect(
      parseCommandLine([
        ...['pub', '-h', 'hub', '-p', '1884', '-u', 'me', '-P', '-secret-', '-i', 'id', '-k', '5'],
        ...['-q', '2', '-t', 'a/b', '-V', 'mqttv5', '-m', '-D', '-r', '--repeat', '3'],
        ...['--repeat-delay', '0.5', '-c', '-x', '-1', '-M', '7'],
        ...[
          '-D',
          'publish',
          'user-property',
          '-a',
          '-D',
          '--property',
          'will',
          'content-type',
          'x',
        ],
        ...['--will-topic', 'w', '--will-payload', 'bye', '--will-qos', '1', '--will-retain'],
      ]),
    ).toMatchObject({
      command: 'pub',
      connection: {
        address: { protocol: 'mqtt', host: 'hub', port: 1884 },
        ...{ protocolVersion: 5, clientId: 'id', username: 'me', password: '-secret-' },
        ...{ keepAlive: 5, cleanStart: false },
        will: { topicName: 'w', payload: 'bye', qos: 1, retain: true },
        properties: {
          connect: { sessionExpiryInterval: 0xffff_ffff },
          publish: { userProperties: [['-a', '-D']] },
          will: { contentType: 'x' },
        },
      },
      ...{ topicName: 'a/b', source: { kind: 'message', text: '-D' }, qos: 2, retain: true },
      ...{ inflightMax: 7, repeat: 3, repeatDelayMs: 500 },
    });
  });

  test('are mosquitto_sub’s', () => {
    expect(
      parseCommandLine([
        ...['sub', '-L', 'mqtts://u:p@hub/a/#', '-t', 'b', '-T', 'a/x', '-U', 'c', '-V', '5'],
        ...['-v', '-N', '-C', '3', '-W', '5', '-E', '-R', '--remove-retained', '--pretty'],
        ...['--retain-as-published', '--retain-handling', 'new', '--insecure', '--quiet'],
      ]),
    ).toMatchObject({
      connection: {
        address: { protocol: 'mqtts', host: 'hub', port: 8883 },
        ...{ username: 'u', password: 'p', isInsecure: true, isQuiet: true },
      },
      ...{ topicFilters: ['b', 'a/#'], hidden: ['a/x'], unsubscribeFrom: ['c'] },
      ...{ isVerbose: true, hasLineEnds: false, count: 3, timeoutMs: 5_000, isPretty: true },
      ...{ endsWhenSubscribed: true, retained: 'none', removesRetained: true },
      ...{ retainAsPublished: true, retainHandling: 1 },
    });
  });

  test.each([
    [['-p', '8883'], { protocol: 'mqtts', port: 8883 }],
    [['--cafile', 'f'], { protocol: 'mqtts', host: 'localhost', port: 8883 }],
    [['--ws'], { protocol: 'ws', port: 8083, path: '/mqtt' }],
    [['--ws', '--cafile', 'f'], { protocol: 'wss', port: 8084 }],
    [['--unix', '/run/x'], { protocol: 'unix', path: '/run/x' }],
  ])('%j say where the server is', (flags, address) => {
    const line = parseCommandLine(['sub', '-t', 'x', ...flags]);
    expect(line).toMatchObject({ connection: { address } });
  });
});

describe('one sentence, and exit code 2, for', () => {
  test.each([
    [['pub', '-t', 'x'], 'give one of -m, -f, -l, -s and -n'],
    [['pub', '-t', 'x', '-m', 'a', '-n'], 'give one of'],
    [['pub', '-m', 'x'], 'name a topic by -t'],
    [['pub', '-t', 'a/#', '-m', 'x'], '-t is no topic name'],
    [['pub', '-t', 'x', '-l', '--repeat', '2'], '--repeat does not go with -l'],
    [['sub'], 'name a topic filter by -t'],
    [['sub', '-t', 'a#'], '-t "a#": # stands elsewhere'],
    [['sub', '-t', 'x', '-c'], '-c needs -i'],
    [['sub', '-t', 'x', '-k', '4'], '0, or 5 to 65535'],
    [['sub', '-t', 'x', '-V', '4'], 'Allowed choices are'],
    [['sub', '-t', 'x', '-x', '1'], '-x needs -V 5'],
    [['sub', '-t', 'x', '-D', 'connect', 'receive-maximum', '1'], '--property needs -V 5'],
    [['sub', '-t', 'x', '-V', '5', '-D', 'will', 'content-type', 'x'], 'needs --will-topic'],
    [['sub', '-t', 'x', '--retain-handling', 'new'], 'need -V 5'],
    [['sub', '-t', 'x', '-P', 'p'], '-P needs -u'],
    [['sub', '-t', 'x', '--cert', 'f'], '--cert and --key go together'],
    [['sub', '-t', 'x', '--unix', 'f', '-h', 'x'], '--unix goes with none of'],
    [['sub', '-t', 'x', '--will-qos', '1'], 'a will needs --will-topic'],
    [['sub', '-t', 'x', '-F', '%z'], '--format: there is no field %z'],
    [['sub', '-t', 'x', '--proxy', 'socks5h://x'], 'iothub has no --proxy.'],
    [['sub', '-t', 'x', '--nodelay'], 'iothub has no --nodelay: it is always so'],
    [['sub', '-t', 'x', '--no-tls'], 'iothub has no --no-tls: TLS is used with'],
    [['sub', '-t', 'x', '-w'], 'iothub has no -w.'],
    [['sub', '-t', 'x', '--bogus'], "unknown option '--bogus'"],
    [['sub', '-t', 'x', '-L', 'mqtt://u:geheim@'], '-L names no host'],
  ])('%j', async (args, sentence) => {
    const { exitCode, stdout, stderr } = await inProcess(...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^iothub: .*[.?] See iothub (?:pub|sub) --help\.\n$/);
    expect(stderr).not.toContain('geheim');
  });
});

test('MQTT_URL says where the server is, where no flag does, and is not repeated', async () => {
  const url = 'mqtt://u:geheim@127.0.0.1:1';
  const { exitCode, stderr } = await iothubWith({ MQTT_URL: url }, 'sub', '-t', 'x');
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining('mqtt://127.0.0.1:1: nothing')]);
  const topic = await iothubWith({ MQTT_URL: `${url}/t` }, 'sub', '-t', 'x');
  expect([topic.exitCode, topic.stderr]).toEqual([2, expect.stringContaining('named by -t')]);
  expect(stderr + topic.stderr).not.toContain('geheim');
  const flag = await iothubWith({ MQTT_URL: 'nonsense' }, 'sub', '-t', 'x', '-p', '1');
  expect([flag.exitCode, flag.stderr]).toEqual([1, expect.stringContaining('localhost:1')]);
});
