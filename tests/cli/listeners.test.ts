import { describe, expect, test } from 'vitest';
import { listenersOf } from '../../src/cli/listeners.ts';
import { idOf } from '../../src/cli/owner.ts';
import { parseConfig } from '../../src/config/load.ts';

function listenerOf(toml: string) {
  return listenersOf(parseConfig(`[[listeners]]\n${toml}`, '/etc/iothub/f.toml'))[0];
}

describe('a listener of the configuration is one of the server', () => {
  test('with TLS: every key gets there', () => {
    const listener = listenerOf(`
url = "mqtts://127.0.0.1:8884"
connections_max = 1
connections_per_address_max = 2
connect_rate = 3
connect_burst = 4
connect_rate_per_address = 5
connect_burst_per_address = 6
proxy_protocol = true
trusted_proxies = ["10.0.0.0/8"]
proxy_timeout = "7s"
proxy_certificate_name = true
[listeners.limits]
packet_size_max = 100
[listeners.tls]
cert = "c.pem"
key = "k.pem"
key_passphrase = "secret"
ca = "ca.pem"
crl = "crl.pem"
min_version = "TLSv1.3"
ciphers = "TLS_AES_256_GCM_SHA384"
client_certificate = "optional"
identity = "san-dns"
identity_as = "client-id"
end_revoked = false
handshake_timeout = "8s"
handshakes_max = 9
handshakes_waiting_max = 10
expiry_warning = "11d"
[[listeners.tls.sni]]
hosts = ["a.example.com"]
cert = "a.pem"
key = "a.key"
`);
    expect(listener).toEqual({
      name: 'mqtts://127.0.0.1:8884',
      protocol: 'mqtts',
      host: '127.0.0.1',
      port: 8884,
      path: '',
      limits: { packetSizeMax: 100 },
      accept: {
        connectionsMax: 1,
        connectionsPerAddressMax: 2,
        connectRate: 3,
        connectBurst: 4,
        connectRatePerAddress: 5,
        connectBurstPerAddress: 6,
      },
      proxy: { trusted: ['10.0.0.0/8'], timeoutMs: 7_000, usesCertificateName: true },
      tls: {
        cert: '/etc/iothub/c.pem',
        key: '/etc/iothub/k.pem',
        passphrase: 'secret',
        ca: '/etc/iothub/ca.pem',
        crl: '/etc/iothub/crl.pem',
        minVersion: 'TLSv1.3',
        ciphers: 'TLS_AES_256_GCM_SHA384',
        clientCertificate: 'optional',
        identity: 'san-dns',
        identityAs: 'client-id',
        endsRevoked: false,
        sni: [{ cert: '/etc/iothub/a.pem', key: '/etc/iothub/a.key', hosts: ['a.example.com'] }],
        handshakes: { handshakesMax: 9, waitingMax: 10, timeoutMs: 8_000 },
        expiryWarningDays: 11,
      },
    });
  });

  test('whom its clients are asked by has a name, another one where anonymous clients may come', () => {
    const authenticators = '[[authenticators]]\ntype = "users"\n';
    const keyOf = (more: string) =>
      listenersOf(parseConfig(`${authenticators}[[listeners]]\n${more}`, '/etc/f.toml'))[0];
    expect(keyOf('').authenticator).toBe('users');
    expect(keyOf('anonymous = true').authenticator).toBe('users+anonymous');
    expect(keyOf('authenticators = []\nanonymous = true').authenticator).toBe('+anonymous');
    expect(listenerOf('')).not.toHaveProperty('authenticator');
  });

  test('with WebSocket: every key gets there', () => {
    const listener = listenerOf(`
url = "ws://127.0.0.1:8083/mqtt"
forwarded_header = "forwarded"
trusted_proxies = ["loopback"]
[listeners.websocket]
origins = ["https://app.example.com"]
ping_interval = "1s"
compression = true
header_size_max = "1KiB"
upgrade_timeout = "2s"
`);
    expect(listener).toMatchObject({
      protocol: 'ws',
      path: '/mqtt',
      forwarded: { header: 'forwarded', trusted: ['loopback'] },
      webSocket: {
        origins: ['https://app.example.com'],
        pingIntervalMs: 1_000,
        compression: true,
        headerBytesMax: 1_024,
        upgradeTimeoutMs: 2_000,
      },
    });
  });

  test('on a socket file: mode, owner and group as numbers', () => {
    const listener = listenerOf(`
url = "mqtt+unix:///run/iothub.sock"
[listeners.socket]
mode = "0600"
owner = "root"
group = "7"
`);
    expect(listener).toMatchObject({
      path: '/run/iothub.sock',
      socket: { mode: 0o600, uid: 0, gid: 7 },
    });
  });

  test('an owner that the system does not know is a problem that names the key', () => {
    const toml = 'url = "mqtt+unix:///run/i.sock"\n[listeners.socket]\nowner = "nobody-here"';
    expect(() => listenerOf(toml)).toThrow(
      'listeners[0].socket.owner: this system has no user nobody-here',
    );
  });
});

test('a name that is a part of another is not that one', () => {
  expect([idOf('roo', '/etc/passwd'), idOf('root', '/etc/passwd')]).toEqual([null, 0]);
});
