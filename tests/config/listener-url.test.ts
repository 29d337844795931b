import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatListenerUrl,
  type ListenerAddress,
  parseListenerUrl,
  withoutSecrets,
} from '../../src/config/listener-url.ts';

/** The address that a right URL means. */
function read(url: string): ListenerAddress {
  const found = parseListenerUrl(url);
  if (typeof found === 'string') throw new Error(found);
  const { protocol, host, port, path } = found;
  return { protocol, host, port, path };
}

describe('the URL of a listener', () => {
  test.each([
    ['mqtt://127.0.0.1:1884', 'mqtt', '127.0.0.1', 1884, ''],
    ['mqtt://127.0.0.1', 'mqtt', '127.0.0.1', 1883, ''],
    ['mqtts://0.0.0.0', 'mqtts', '0.0.0.0', 8883, ''],
    ['mqtts://:8883', 'mqtts', '', 8883, ''],
    ['mqtt://', 'mqtt', '', 1883, ''],
    ['mqtt://:0', 'mqtt', '', 0, ''],
    ['mqtt://:65535', 'mqtt', '', 65_535, ''],
    ['mqtt://[::1]:1883', 'mqtt', '::1', 1883, ''],
    ['mqtt://[FE80::1%25eth0]', 'mqtt', 'fe80::1%eth0', 1883, ''],
    ['MQTT://Broker.Local', 'mqtt', 'broker.local', 1883, ''],
    ['ws://:8083/mqtt', 'ws', '', 8083, '/mqtt'],
    ['ws:///mqtt', 'ws', '', 8083, '/mqtt'],
    ['ws://localhost', 'ws', 'localhost', 8083, ''],
    ['ws://localhost/', 'ws', 'localhost', 8083, ''],
    ['wss://[::]/a/b', 'wss', '::', 8084, '/a/b'],
    ['mqtt+unix:///run/iothub.sock', 'mqtt+unix', '', 0, '/run/iothub.sock'],
    ['mqtt+unix:///run/my%20hub', 'mqtt+unix', '', 0, '/run/my hub'],
  ])('%s is %s, host "%s", port %d, path "%s"', (url, protocol, host, port, path) => {
    expect(read(url)).toEqual({ protocol, host, port, path });
  });

  test('has its options after a question mark, percent-decoded', () => {
    const url = 'mqtts://:8883?cert=a%26b.pem&key=k%3D.pem&anonymous=true';
    expect(parseListenerUrl(url)).toMatchObject({
      parameters: [
        ['cert', 'a&b.pem'],
        ['key', 'k=.pem'],
        ['anonymous', 'true'],
      ],
    });
  });

  test('is written in one way, which reads as the same address', () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    const host = fc.constantFrom('', '127.0.0.1', '::1', 'fe80::1%eth0', 'a-b.example');
    const web = fc.record({
      protocol: fc.constantFrom('ws' as const, 'wss' as const),
      host,
      port,
      path: fc.constantFrom('', '/mqtt', '/a/b%20c'),
    });
    const plain = fc.record({
      protocol: fc.constantFrom('mqtt' as const, 'mqtts' as const),
      host,
      port,
      path: fc.constant(''),
    });
    const unix = fc.record({
      protocol: fc.constant('mqtt+unix' as const),
      host: fc.constant(''),
      port: fc.constant(0),
      path: fc
        .array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }), {
          minLength: 1,
          maxLength: 4,
        })
        .map((parts) => `/${parts.join('/')}`)
        .filter((path) => !/\0|\/\/|\/$/.test(path) && Buffer.byteLength(path) <= 107),
    });
    fc.assert(
      fc.property(fc.oneof(web, plain, unix), (address) => {
        expect(read(formatListenerUrl(address))).toEqual(address);
      }),
    );
  });

  test('of a unix socket has room for 107 bytes of path', () => {
    const path = `/${'x'.repeat(106)}`;
    expect(read(`mqtt+unix://${path}`)).toMatchObject({ path });
    expect(parseListenerUrl(`mqtt+unix://${path}x`)).toContain('more than 107 bytes');
  });
});

describe('a URL that is wrong', () => {
  test.each([
    ['', 'is empty: write mqtt://127.0.0.1:1883'],
    ['tcp://0.0.0.0:1883', 'has an unknown protocol: write mqtt://0.0.0.0:1883'],
    ['ssl://:8883', 'has an unknown protocol: write mqtts://:8883'],
    ['tls://[::1]', 'has an unknown protocol: write mqtts://[::1]'],
    ['http://a/mqtt', 'has an unknown protocol: write ws://a/mqtt'],
    ['https://a', 'has an unknown protocol: write wss://a'],
    ['unix:///run/x', 'has an unknown protocol: write mqtt+unix:///run/x'],
    ['mqqt://a', 'has an unknown protocol: write mqtt://a'],
    ['constructor://a', 'has an unknown protocol; known are mqtt://, mqtts://, ws://, wss://, '],
    ['0.0.0.0:1883', 'does not say the protocol: write mqtt://0.0.0.0:1883'],
    ['localhost:1883', 'does not say the protocol: write mqtt://localhost:1883'],
    ['localhost', 'does not say the protocol: write mqtt://localhost'],
    [':1883', 'does not say the protocol: write mqtt://:1883'],
    ['//a:1', 'does not say the protocol: write mqtt://a:1'],
    ['mqtt:/a:1', 'does not have two slashes: write mqtt://a:1'],
    ['mqtt:a', 'does not have two slashes: write mqtt://a'],
    ['mqtt:///a', 'does not have two slashes: write mqtt://a'],
    ['mqtt+unix://run/x', 'does not have three slashes: write mqtt+unix:///run/x'],
    ['mqtt+unix:/run/x', 'does not have three slashes: write mqtt+unix:///run/x'],
    ['mqtt+unix://', 'names no file: write mqtt+unix:///run/iothub.sock'],
    ['mqtt+unix:///run/', 'names no file'],
    ['mqtt+unix:///a%00b', 'names no file'],
    ['mqtt://a:65536', 'does not have a port from 0 to 65535'],
    ['mqtt://a:', 'does not have a port from 0 to 65535'],
    ['mqtt://a:1x', 'does not have a port from 0 to 65535'],
    ['mqtt://a:1/x', 'has a path, which only ws:// and wss:// have: write mqtt://a:1'],
    ['mqtt://a:1/', 'has a path, which only ws:// and wss:// have: write mqtt://a:1'],
    ['mqtt://::1:1883', 'has IPv6 without brackets: write mqtt://[::1]:1883'],
    ['mqtt://fe80::1', 'has IPv6 without brackets: write mqtt://[fe80::1]'],
    ['mqtt://[::1', 'has no address before its port'],
    ['mqtt://[a]', 'has no IPv6 address in its brackets'],
    ['mqtt://*:1884', 'means all interfaces: write mqtt://:1884'],
    ['mqtt://a_ä', 'write spaces and other special characters as %20'],
    ['mqtt://a b', 'write spaces and other special characters as %20'],
    ['mqtt://a$b', 'has no usable address'],
    ['ws://a/x#y', 'has a #'],
    ['mqtt://a?b', 'has a parameter without a value: write name=value'],
    ['mqtt://a?b=%zz', 'has a % that is no escape'],
    [`ws://a/${'x'.repeat(4_096)}`, 'is longer than 4096'],
  ])('%j is told with the nearest right form', (url, sentence) => {
    expect(parseListenerUrl(url)).toContain(sentence);
  });

  test.each([
    'mqtt://me:geheim@127.0.0.1:1883',
    'tcp://me:geheim@127.0.0.1:1883',
    'mqtt:me:geheim@127.0.0.1',
    'me:geheim@127.0.0.1:1883',
    'mqtt://me:geheim/geheim@127.0.0.1:1883',
    'mqtt://me:geheim?geheim@127.0.0.1:1883',
    'mqtt+unix://me:geheim@run/x',
    'mqtts://127.0.0.1:x?key-passphrase=geheim&a=b',
  ])('never shows the secret of %s', (url) => {
    const problem = parseListenerUrl(url);
    expect(problem).toBeTypeOf('string');
    expect(problem).not.toContain('geheim');
    expect(withoutSecrets(url)).not.toContain('geheim');
  });
});
