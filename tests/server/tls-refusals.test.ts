// Who may not come in by TLS, through the whole server: each has one line in the log that says why, is counted by reason, and
// nothing else happens. Nothing of it stays, and those who are in notice nothing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type net from 'node:net';
import type tls from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ListenerOptions } from '../../src/transport/listener-options.ts';
import {
  CA,
  clientOf,
  complaints,
  dial,
  dialSecure,
  expectServed,
  gone,
  mqtts,
  mutual,
  SecureClient,
  type SecureServer,
  shown,
  startSecure,
} from '../kit/secure-server.ts';
import { until } from '../kit/until.ts';
import { connectPacket } from '../kit/wire.ts';
import { Authority, fromNow } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

const OTHER = Authority.root({ commonName: 'Other Root' });
const KNOWN = clientOf({ commonName: 'known' });
const REVOKED = CA.client({ commonName: 'stolen' });

const folder = new MaterialFolder();
const ASKS_NOBODY = mqtts(folder);
const REQUIRES = mqtts(folder, {
  ...mutual(folder),
  crl: folder.write('ca.crl', CA.crl({ revoked: [REVOKED] })),
});
const ALLOWS = mqtts(folder, mutual(folder, 'optional'));
const PLAIN: ListenerOptions = { host: '127.0.0.1', port: 0 };
const WEB_SOCKET: ListenerOptions = { protocol: 'ws', host: '127.0.0.1', port: 0 };

/** Sends CONNECT at once, as clients of TLS 1.3 do before they know whether they are let in. */
function eager(socket: net.Socket): net.Socket {
  socket.write(connectPacket(5, 'eager', true));
  return socket;
}

interface Stranger {
  readonly who: string;
  readonly listener: ListenerOptions;
  readonly come: (port: number) => net.Socket;
  readonly says: RegExp;
  readonly code?: string | RegExp;
  readonly reason: string;
}

function byTls(options: tls.ConnectionOptions): (port: number) => net.Socket {
  return (port) => eager(dialSecure(port, options));
}

const EXPIRED = shown(CA.client({ notBefore: fromNow(-9), notAfter: fromNow(-1) }));
const EARLY = shown(CA.client({ notBefore: fromNow(1) }));

const STRANGERS: readonly Stranger[] = [
  {
    who: 'a certificate of another CA',
    listener: REQUIRES,
    come: byTls(shown(OTHER.client({ commonName: 'impostor' }))),
    says: /^the client certificate is refused, its issuer is not in the ca file/,
    code: /^UNABLE_TO_(GET_ISSUER_CERT_LOCALLY|VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)$/,
    reason: 'client-certificate',
  },
  {
    who: 'a certificate that has expired',
    listener: REQUIRES,
    come: byTls(EXPIRED),
    says: /^the client certificate is refused, it has expired/,
    code: 'CERT_HAS_EXPIRED',
    reason: 'client-certificate',
  },
  {
    who: 'a certificate that is not valid yet',
    listener: REQUIRES,
    come: byTls(EARLY),
    says: /^the client certificate is refused, it is not valid yet/,
    code: 'CERT_NOT_YET_VALID',
    reason: 'client-certificate',
  },
  {
    who: 'a certificate that is revoked',
    listener: REQUIRES,
    come: byTls(shown(REVOKED)),
    says: /^the client certificate is refused, it is revoked/,
    code: 'CERT_REVOKED',
    reason: 'client-certificate',
  },
  {
    who: 'no certificate where one is required',
    listener: REQUIRES,
    come: byTls({}),
    says: /^the client sent no certificate/,
    code: 'NO_CERTIFICATE',
    reason: 'client-certificate',
  },
  {
    who: 'a certificate that does not verify where none is required',
    listener: ALLOWS,
    come: byTls(shown(OTHER.client({ commonName: 'impostor' }))),
    says: /^the client certificate is refused, its issuer is not in the ca file/,
    code: /^UNABLE_TO_/,
    reason: 'client-certificate',
  },
  {
    who: 'a certificate that has expired where none is required',
    listener: ALLOWS,
    come: byTls(EXPIRED),
    says: /^the client certificate is refused, it has expired/,
    code: 'CERT_HAS_EXPIRED',
    reason: 'client-certificate',
  },
  {
    who: 'an old version of TLS',
    listener: ASKS_NOBODY,
    // Without the security level OpenSSL's clients do not even offer it.
    come: byTls({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    says: /^the client offers only TLS versions that are too old/,
    code: /UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/,
    reason: 'handshake-failed',
  },
  {
    who: 'a protocol that is not MQTT, by ALPN',
    listener: ASKS_NOBODY,
    come: byTls({ ALPNProtocols: ['h2', 'http/1.1'] }),
    says: /^the client offers only ALPN protocols that are not spoken here/,
    code: 'ERR_SSL_NO_APPLICATION_PROTOCOL',
    reason: 'handshake-failed',
  },
  {
    who: 'MQTT without TLS, to the port for TLS',
    listener: ASKS_NOBODY,
    come: (port) => eager(dial(port)),
    says: /^a client without TLS came to the TLS port: let it use mqtts:\/\//,
    reason: 'not-tls',
  },
  {
    who: 'HTTP without TLS, to the port for TLS',
    listener: ASKS_NOBODY,
    come: (port) => {
      const socket = dial(port);
      socket.write('GET / HTTP/1.1\r\nHost: iothub\r\n\r\n');
      return socket;
    },
    says: /^an HTTP request without TLS came to the TLS port/,
    reason: 'not-tls',
  },
  {
    who: 'a client that goes during its handshake',
    listener: ASKS_NOBODY,
    come: (port) => {
      const socket = dial(port);
      socket.end(Buffer.from('1603010200010001fc0303', 'hex')); // half of a ClientHello
      return socket;
    },
    says: /^the client closed the connection during the handshake/,
    code: 'ECONNRESET',
    reason: 'handshake-failed',
  },
];

/** Two who are in, and a look at what there is. */
async function inside(hub: SecureServer, listener: ListenerOptions) {
  const { port } = hub.server.addresses[0];
  const enter = (clientId: string): Promise<SecureClient> =>
    listener.protocol === 'mqtts'
      ? SecureClient.over(port, clientId, KNOWN)
      : SecureClient.plain(port, clientId);
  const publisher = await enter('publisher');
  const subscriber = await (await enter('subscriber')).subscribed('served');
  await expectServed(publisher, subscriber);
  return { port, publisher, subscriber };
}

describe('a TLS client that is refused', () => {
  test.each(STRANGERS)('$who: one line, one count, nothing else', async (stranger) => {
    const hub = await startSecure([stranger.listener]);
    const { server, log } = hub;
    const { port, publisher, subscriber } = await inside(hub, stranger.listener);
    const before = server.stats();
    const { opened, accepted } = countsOf(hub);
    const first = log.lines.length;

    await gone(stranger.come(port));
    await until(() => server.stats().connections === before.connections);

    expect(complaints(log, first)).toMatchObject([
      {
        level: 'info',
        message: expect.stringMatching(stranger.says),
        fields: {
          remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
          ...(stranger.code !== undefined && { code: expect.stringMatching(stranger.code) }),
        },
      },
    ]);
    expect(server.refusals).toEqual({ [stranger.reason]: 1 });
    expect(server.stats()).toEqual(before);
    expect(countsOf(hub)).toEqual({ opened: opened + 1, accepted });
    await expectServed(publisher, subscriber);
  });

  test('that refuses the server for its name is told from one that fails', async () => {
    const hub = await startSecure([ASKS_NOBODY]);
    const { server, log } = hub;
    const { port, publisher, subscriber } = await inside(hub, ASKS_NOBODY);
    const before = server.stats();
    const first = log.lines.length;
    const ca = folder.write('clients-ca.crt', CA.issued.cert);

    await openssl('-connect', `127.0.0.1:${port}`, '-CAfile', ca, '-verify_hostname', 'elsewhere');
    await until(() => server.stats().connections === before.connections);

    expect(complaints(log, first)).toMatchObject([
      { message: expect.stringMatching(/^the client refuses our certificate: .*name/) },
    ]);
    expect(server.refusals).toEqual({ 'handshake-failed': 1 });
    expect(server.stats()).toEqual(before);
    await expectServed(publisher, subscriber);
  });

  test('that does not believe the CA of the server says so', async () => {
    const hub = await startSecure([ASKS_NOBODY]);
    const { server, log } = hub;
    const { port } = hub.server.addresses[0];
    const ca = folder.write('other-ca.crt', OTHER.issued.cert);
    const first = log.lines.length;
    await openssl('-connect', `127.0.0.1:${port}`, '-CAfile', ca);
    await until(() => server.stats().connections === 0);
    expect(complaints(log, first)).toMatchObject([
      { message: 'the client does not trust our certificate: give it the CA that issued it' },
    ]);
    expect(server.refusals).toEqual({ 'handshake-failed': 1 });
  });

  test('goes without a word, as Node does it: the log says what it may be', async () => {
    const { server, log } = await startSecure([ASKS_NOBODY]);
    const { port } = server.addresses[0];
    const first = log.lines.length;
    // By TLS 1.2 the client verifies when the server has finished: that is a connection closed before its first byte.
    const socket = dialSecure(port, { servername: 'elsewhere', minVersion: 'TLSv1.3' });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    await until(() => server.metrics.connectionsClosed === 1);
    expect(complaints(log, first)).toMatchObject([
      { message: expect.stringMatching(/does not trust our certificate, or its name/) },
    ]);
    expect(server.refusals).toEqual({ 'handshake-failed': 1 });
  });
});

describe('TLS that comes to a port without TLS', () => {
  test.each([
    ['MQTT', PLAIN, /TLS came to a port without TLS/, 'not-mqtt'],
    ['WebSocket', WEB_SOCKET, /TLS came to a port without TLS/, 'not-http'],
  ] as const)('for %s: one line, one count, nothing else', async (_, listener, says, reason) => {
    const { server, log } = await startSecure([listener, PLAIN]);
    const publisher = await SecureClient.plain(server.addresses[1].port, 'publisher');
    const subscriber = await SecureClient.plain(server.addresses[1].port, 'subscriber');
    await subscriber.subscribed('served');
    const before = server.stats();
    const first = log.lines.length;

    await gone(eager(dialSecure(server.addresses[0].port)));
    await until(() => server.stats().connections === before.connections);

    const lines = complaints(log, first);
    expect(lines).toMatchObject([
      { level: 'info', fields: { remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/) } },
    ]);
    expect(`${lines[0].message}: ${lines[0].fields.reason ?? ''}`).toMatch(says);
    expect(server.refusals).toEqual({ [reason]: 1 });
    expect(server.stats()).toEqual(before);
    await expectServed(publisher, subscriber);
  });
});

describe('a connection that is closed before its first byte', () => {
  const proxy = { trusted: ['loopback'] };
  test.each([
    ['mqtt', PLAIN],
    ['mqtts', ASKS_NOBODY],
    ['mqtts that requires certificates', REQUIRES],
    ['ws', WEB_SOCKET],
    ['wss', { ...ASKS_NOBODY, protocol: 'wss' }],
    ['mqtt behind a balancer', { ...PLAIN, proxy }],
    ['mqtts behind a balancer', { ...ASKS_NOBODY, proxy }],
    ['ws behind a balancer', { ...WEB_SOCKET, proxy }],
  ] as const)('of %s is a debug line, and no failure', async (_, listener) => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const { server, log } = await startSecure([listener]);
      const { port } = server.addresses[0];
      const first = log.lines.length;
      const probe = dial(port);
      await once(probe, 'connect');
      probe[leave]();
      await until(() => server.metrics.connectionsClosed === 1);
      expect(complaints(log, first)).toEqual([]);
      expect(log.lines.slice(first)).toMatchObject([{ level: 'debug' }]);
      expect(server.refusals).toEqual({});
      expect(server.stats().connections).toBe(0);
    }
  });

  test.each(['mqtts', 'wss'] as const)('of %s, after its handshake, too', async (protocol) => {
    const { server, log } = await startSecure([{ ...ASKS_NOBODY, protocol }]);
    const first = log.lines.length;
    const probe = dialSecure(server.addresses[0].port);
    await once(probe, 'secureConnect');
    probe.end();
    await until(() => server.metrics.connectionsClosed === 1);
    expect(log.lines.slice(first)).toMatchObject([{ level: 'debug' }]);
    expect(server.refusals).toEqual({});
    expect(server.stats().connections).toBe(0);
  });
});

function countsOf({ server }: SecureServer) {
  const { connectionsOpened: opened } = server.metrics;
  return { opened, accepted: server.stats().sessionsConnected };
}

/** A client that verifies during its handshake, as all but Node's do. */
async function openssl(...args: string[]): Promise<void> {
  const child = spawn('openssl', ['s_client', '-verify_return_error', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  onTestFinished(() => void child.kill());
  await once(child, 'exit');
}
