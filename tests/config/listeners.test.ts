import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_LISTENER,
  DEFAULT_SOCKET,
  DEFAULT_TLS,
  DEFAULT_WEBSOCKET,
  type ListenerConfig,
} from '../../src/config/listener-config.ts';
import { parseConfig } from '../../src/config/load.ts';
import { keysOf, ROOT } from '../../src/config/tables.ts';
import { problemsOf } from './problems.ts';

/** The only listener of this file. */
function listener(toml: string, file = 'f.toml'): ListenerConfig {
  return parseConfig(`[[listeners]]\n${toml}`, file).listeners[0];
}

const TLS = '[listeners.tls]\ncert = "c.pem"\nkey = "k.pem"\n';

describe('a listener', () => {
  test('is a URL, with defaults for the rest', () => {
    expect(listener('url = "mqtt://:1884"')).toEqual({
      ...DEFAULT_LISTENER,
      url: 'mqtt://:1884',
      host: '',
      port: 1884,
    });
  });

  test('may still be host and port, which mean mqtt://', () => {
    const { url, protocol, host, port } = listener('host = "::1"\nport = 1884');
    expect({ url, protocol, host, port }).toEqual({
      url: 'mqtt://[::1]:1884',
      protocol: 'mqtt',
      host: '::1',
      port: 1884,
    });
  });

  test('has the options of its protocol, and of no other', () => {
    expect(listener('url = "ws://127.0.0.1/mqtt"')).toMatchObject({
      url: 'ws://127.0.0.1:8083/mqtt',
      websocket: DEFAULT_WEBSOCKET,
      tls: null,
      socket: null,
    });
    expect(listener('url = "mqtt+unix:///run/x"\n[listeners.socket]\nmode = "600"')).toMatchObject({
      path: '/run/x',
      websocket: null,
      tls: null,
      socket: { ...DEFAULT_SOCKET, mode: 0o600 },
    });
  });

  test('with TLS has its files seen from the folder of the configuration file', () => {
    const { tls } = listener(
      `url = "mqtts://127.0.0.1"
      [listeners.tls]
      cert = "tls/c.pem"
      key = "/keys/k.pem"
      ca = "../ca.pem"
      client_certificate = "required"
      identity = "san-uri"
      identity_as = "client-id"
      end_revoked = false
      handshake_timeout = "3s"
      expiry_warning = "2d"
      key_passphrase = "p w"
      [[listeners.tls.sni]]
      hosts = ["*.example.org", "b"]
      cert = "o.pem"
      key = "o.key"`,
      '/etc/hub/f.toml',
    );
    expect(tls).toEqual({
      ...DEFAULT_TLS,
      cert: path.resolve('/etc/hub/tls/c.pem'),
      key: path.resolve('/keys/k.pem'),
      ca: path.resolve('/etc/ca.pem'),
      keyPassphrase: 'p w',
      clientCertificate: 'required',
      identity: 'san-uri',
      identityAs: 'client-id',
      endsRevoked: false,
      handshakeTimeoutMs: 3_000,
      expiryWarningMs: 172_800_000,
      sni: [
        {
          hosts: ['*.example.org', 'b'],
          cert: path.resolve('/etc/hub/o.pem'),
          key: path.resolve('/etc/hub/o.key'),
          keyPassphrase: null,
          keyPassphraseFile: null,
        },
      ],
    });
  });

  test('may have its own of some limits, and nothing else in that table', () => {
    const toml =
      'url = "mqtt://127.0.0.1"\n[listeners.limits]\nqos_max = 1\nconnect_timeout = "2s"\nsession_expiry_max = "1h"';
    expect(listener(toml).limits).toEqual({
      qosMax: 1,
      connectTimeoutMs: 2_000,
      sessionExpiryMax: 3_600,
    });
  });

  test('may let in at once as many as its rate allows, unless it says otherwise', () => {
    expect(listener('connect_rate = 50\nconnect_rate_per_address = 5')).toMatchObject({
      connectBurst: 50,
      connectBurstPerAddress: 5,
    });
    expect(listener('connect_rate = 50\nconnect_burst = 200')).toMatchObject({ connectBurst: 200 });
    expect(listener('')).toMatchObject({ connectBurst: 0, connectBurstPerAddress: 0 });
  });

  test('cannot be changed in any part', () => {
    const { tls, limits, trustedProxies } = listener(`url = "mqtts://127.0.0.1"\n${TLS}`);
    for (const part of [tls, tls?.sni, limits, trustedProxies]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test('has no two keys of the same name in its tables, so that each can be a parameter', () => {
    const { settings, tables } = ROOT.tables.listeners;
    const keys = [settings, ...Object.values(tables).map((table) => table.settings)].flatMap(
      (one) => Object.keys(one),
    );
    expect(new Set(keys).size).toBe(keys.length);
    expect(keysOf(ROOT.tables.listeners)).toContain('tls');
  });
});

describe('listeners that are wrong', () => {
  const NEEDS_CERTIFICATE =
    'needs a certificate: add to this listener [listeners.tls] with the lines cert = "server.pem" and key = "server.key"';

  test.each([
    [
      'url = "tcp://a"',
      'f.toml:2: listeners[0].url: "tcp://a" has an unknown protocol: write mqtt://a',
    ],
    [
      'url = "mqtt://127.0.0.1?anonymous=true"',
      'f.toml:2: listeners[0].url: parameters after a ? belong to the command line: here each is a key of its own',
    ],
    [
      'url = "mqtt://127.0.0.1"\nport = 1884',
      'f.toml:3: listeners[0].port: the address is in url already: leave port out, or url',
    ],
    ['url = "mqtts://127.0.0.1"', `f.toml:1: listeners[0]: mqtts:// ${NEEDS_CERTIFICATE}`],
    ['url = "wss://127.0.0.1"', `f.toml:1: listeners[0]: wss:// ${NEEDS_CERTIFICATE}`],
    [
      'url = "mqtts://127.0.0.1"\n[listeners.tls]\ncert = "a"',
      'f.toml:3: listeners[0].tls: is not complete: add the line key = "server.key"',
    ],
    [
      `url = "mqtts://127.0.0.1"\n${TLS}[[listeners.tls.sni]]\nhosts = ["a"]\ncert = "a"`,
      'f.toml:6: listeners[0].tls.sni[0]: is not complete: add the line key = "server.key"',
    ],
    [
      `url = "mqtts://127.0.0.1"\n${TLS}[[listeners.tls.sni]]\ncert = "a"\nkey = "b"`,
      'f.toml:6: listeners[0].tls.sni[0]: says for no name: add hosts = ["example.com"]',
    ],
    [TLS, 'f.toml:2: listeners[0].tls: mqtt:// has no TLS: write mqtts:// in url, or leave it out'],
    [
      `url = "ws://127.0.0.1"\n${TLS}`,
      'f.toml:3: listeners[0].tls: ws:// has no TLS: write wss:// in url, or leave it out',
    ],
    [
      '[listeners.websocket]',
      'f.toml:2: listeners[0].websocket: mqtt:// is no WebSocket: leave it out',
    ],
    [
      '[listeners.socket]',
      'f.toml:2: listeners[0].socket: mqtt:// is no unix socket: leave it out',
    ],
    [
      `url = "mqtts://127.0.0.1"\n${TLS}client_certificate = "optional"`,
      'f.toml:6: listeners[0].tls.client_certificate: "optional" needs to know who signs them: add the line ca =',
    ],
    [
      `url = "mqtts://127.0.0.1"\n${TLS}crl = "x"`,
      'f.toml:6: listeners[0].tls.crl: does nothing while no client shows a certificate',
    ],
    [
      `url = "mqtts://127.0.0.1"\n${TLS}identity = "cn"`,
      'f.toml:6: listeners[0].tls.identity: "cn" is read from certificates of clients: add the line client_cert',
    ],
    [
      `url = "mqtts://127.0.0.1"\n${TLS}key_passphrase = "a"\nkey_passphrase_file = "b"`,
      'f.toml:7: listeners[0].tls.key_passphrase_file: key_passphrase says it already',
    ],
    ['proxy_protocol = true', 'f.toml:2: listeners[0].proxy_protocol: believes nobody'],
    [
      'proxy_certificate_name = true',
      'f.toml:2: listeners[0].proxy_certificate_name: needs the header that says it: add proxy_protocol = true',
    ],
    [
      'forwarded_header = "forwarded"',
      'f.toml:2: listeners[0].forwarded_header: mqtt:// has no HTTP',
    ],
    [
      'url = "ws://127.0.0.1"\nforwarded_header = "forwarded"',
      'f.toml:3: listeners[0].forwarded_header: is believed of nobody: add trusted_proxies',
    ],
    ['trusted_proxies = ["::1"]', 'f.toml:2: listeners[0].trusted_proxies: does nothing by itself'],
    [
      'proxy_protocol = true\ntrusted_proxies = ["10.0.0.0/33"]',
      'f.toml:3: listeners[0].trusted_proxies: "10.0.0.0/33"',
    ],
    ['trusted_proxies = ["privat"]', 'private'],
    ['trusted_proxies = "::1"', 'is not a list of at most 1000: write ["…", "…"]'],
    [
      'connect_burst = 4',
      'f.toml:2: listeners[0].connect_burst: does nothing without connect_rate',
    ],
    [
      'connect_burst_per_address = 4',
      'f.toml:2: listeners[0].connect_burst_per_address: does nothing without connect_rate_per_address',
    ],
    [
      'anonymous = false',
      'f.toml:2: listeners[0].anonymous: nobody could connect: false needs an authenticator',
    ],
    [
      'url = "ws://127.0.0.1"\n[listeners.websocket]\norigins = ["example.com"]',
      'listeners[0].websocket.origins: "example.com" is not an origin, which has a protocol, a host, maybe a port, and no path: write "https://example.com"',
    ],
    [
      'url = "mqtt+unix:///run/x"\n[listeners.socket]\nmode = 660',
      'listeners[0].socket.mode: 660 is not a file mode: write it as chmod does, in quotes: "0660"',
    ],
    [
      '[listeners.limits]\npacket_size_max = "9MiB"',
      'f.toml:3: listeners[0].limits.packet_size_max: 9MiB is more than limits.queue_bytes_max (8MiB)',
    ],
    [
      '[listeners.limits]\nsessions_max = 4',
      'f.toml:3: listeners[0].limits.sessions_max: holds for the whole server, so it belongs to [limits]',
    ],
    [
      '[listeners.limits]\nconnections_max = 4',
      'it belongs to [limits]; a listener’s own connections_max stands in its table of [[listeners]]',
    ],
    [
      '[listeners.limits]\nqos_mx = 4',
      'listeners[0].limits.qos_mx: unknown key; did you mean qos_max?',
    ],
    ['[listeners.tsl]', 'f.toml:2: listeners[0].tsl: unknown key; did you mean tls?'],
    [
      'cert = "x"',
      'listeners[0].cert: unknown key here; it belongs to [listeners.tls] or [[listeners.tls.sni]]',
    ],
  ])('%j: one sentence says what and where', (toml, sentence) => {
    const problems = problemsOf(`[[listeners]]\n${toml}`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(sentence);
  });

  test('never shows a passphrase', () => {
    const toml = `[[listeners]]\nurl = "mqtts://127.0.0.1"\n${TLS}key_passphrase = ["geheim"]`;
    expect(problemsOf(toml)).toEqual([
      'f.toml:6: listeners[0].tls.key_passphrase: it is not a text of 1 to 1024 characters',
    ]);
  });

  test.each([
    [
      'mqtt://127.0.0.1:1883',
      'ws://127.0.0.1:1883',
      'port 1883 on 127.0.0.1 is listened on already',
    ],
    ['mqtt://[::1]:1', 'mqtt://[0:0::1]:1', 'port 1 on 0:0::1 is listened on already'],
    ['mqtt://:1', 'mqtt://:1', 'port 1 on all interfaces is listened on already'],
    ['mqtt://:1', 'mqtt://127.0.0.1:1', 'mqtt://127.0.0.1:1 and mqtt://:1 cannot both be'],
    ['mqtt://127.0.0.1:1', 'mqtt://:1', 'mqtt://:1 and mqtt://127.0.0.1:1 cannot both be'],
    ['mqtt://[::]:1', 'mqtt://0.0.0.0:1', 'cannot both be'],
    ['mqtt://0.0.0.0:1', 'mqtt://127.0.0.1:1', 'cannot both be'],
    ['mqtt+unix:///run/x', 'mqtt+unix:///run/x', '/run/x is listened on already'],
  ])('%s and %s are not both listened on', (one, other, sentence) => {
    const problems = problemsOf(`[[listeners]]\nurl = "${one}"\n[[listeners]]\nurl = "${other}"`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^f\.toml:3: listeners\[1\]: /);
    expect(problems[0]).toContain(sentence);
  });

  test.each([
    ['mqtt://127.0.0.1:1883', 'mqtt://127.0.0.2:1883'],
    ['mqtt://0.0.0.0:1', 'mqtt://[::1]:1'],
    ['mqtt://:0', 'mqtt://:0'],
    ['mqtt+unix:///run/x', 'mqtt+unix:///run/y'],
    ['mqtt://:1', 'ws://:2'],
  ])('%s and %s may both be', (one, other) => {
    expect(problemsOf(`[[listeners]]\nurl = "${one}"\n[[listeners]]\nurl = "${other}"`)).toEqual(
      [],
    );
  });

  test('are all told at once, each in its own table', () => {
    const toml = `[[listeners]]
url = "mqtt//a"
[[listeners]]
url = "mqtts://127.0.0.1"
[listeners.tls]
crt = "a"
[[listeners.tls.sni]]
hosts = ["a b"]
[[listeners]]
[listeners.limits]
qos_max = 7
`;
    expect(problemsOf(toml).map((line) => line.replace(/(: listeners\S+: ).*/, '$1'))).toEqual([
      'f.toml:2: listeners[0].url: ',
      'f.toml:6: listeners[1].tls.crt: ',
      'f.toml:8: listeners[1].tls.sni[0].hosts: ',
      'f.toml:11: listeners[2].limits.qos_max: ',
    ]);
  });

  test('do not move because one of them is no table', () => {
    expect(problemsOf('listeners = [4, { url = "mqtts://127.0.0.1" }]')).toEqual([
      'f.toml:1: listeners[0]: must be a table: [[listeners]]',
      expect.stringMatching(/^f\.toml:1: listeners\[1\]: mqtts:\/\/ needs a certificate/),
    ]);
  });
});
