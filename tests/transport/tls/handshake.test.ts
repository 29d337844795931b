import { once } from 'node:events';
import type net from 'node:net';
import type tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { turns, until } from '../../kit/until.ts';
import { Authority, fromNow } from '../../support/certificates.ts';
import { CA, makeSet, SERVER, TlsDoor } from './tls-door.ts';

/** Turns after which what has not happened does not happen. */
const LONG = 100;

async function closed(socket: net.Socket): Promise<void> {
  socket.resume();
  await until(() => socket.closed);
}

function identityOf(issued: { readonly cert: string; readonly key: string }): {
  cert: string;
  key: string;
} {
  return { cert: issued.cert, key: issued.key };
}

describe('a client without certificate', () => {
  test('is handed over with the name it asked for, and bytes flow both ways', async () => {
    const door = await TlsDoor.open();
    const client = await door.connect({ servername: 'localhost' });
    client.write('ping');
    const { socket, certificateDer, serverName } = await door.admittedOne();
    expect([certificateDer, serverName]).toEqual([null, 'localhost']);
    const [bytes] = await once(socket, 'data');
    expect(String(bytes)).toBe('ping');
    socket.write('pong');
    const [answer] = await once(client, 'data');
    expect(String(answer)).toBe('pong');
    expect([door.handshakes.pending, door.handshakes.active]).toEqual([0, 0]);
    expect([door.log.lines, door.refused]).toEqual([[], []]);
  });

  test('may come without a server name', async () => {
    const door = await TlsDoor.open();
    await door.connect();
    expect((await door.admittedOne()).serverName).toBeNull();
  });

  test('gets the certificate of the name it asks for, of any other name the usual one', async () => {
    const other = CA.server({ commonName: 'other', dns: ['other.example'] });
    const door = await TlsDoor.open({ sni: { 'other.example': other } });
    const subjects: unknown[] = [];
    for (const servername of ['other.example', 'localhost']) {
      const client = await door.connect({ servername });
      subjects.push(client.getPeerCertificate().subject.CN);
    }
    expect(subjects).toEqual(['other', 'localhost']);
  });

  test('what it sends stays with TLS until the owner reads', async () => {
    const door = await TlsDoor.open();
    const client = await door.connect();
    client.write(Buffer.alloc(4 * 1_048_576));
    const { socket } = await door.admittedOne();
    await turns(LONG);
    expect(socket.readableFlowing).not.toBe(true);
    expect(socket.readableLength).toBeLessThan(2 * 65_536);
    let bytesRead = 0;
    socket.on('data', (chunk: Buffer) => {
      bytesRead += chunk.length;
    });
    await until(() => bytesRead === 4 * 1_048_576);
  });

  test('may end its side after the handshake and still read', async () => {
    const door = await TlsDoor.open();
    const client = await door.connect({ allowHalfOpen: true } as tls.ConnectionOptions);
    const { socket } = await door.admittedOne();
    client.end();
    socket.resume();
    await once(socket, 'end');
    socket.end('late');
    const [answer] = await once(client, 'data');
    expect(String(answer)).toBe('late');
  });

  test('whose bytes were read in part before is taken as well', async () => {
    const door = await TlsDoor.open();
    door.before = async (socket) => {
      await once(socket, 'readable');
      const whole: Buffer = socket.read();
      socket.unshift(whole.subarray(10));
      socket.unshift(whole.subarray(0, 10));
    };
    await door.connect();
    await door.admittedOne();
  });

  test('cannot renegotiate', async () => {
    const door = await TlsDoor.open();
    const client = await door.connect({ maxVersion: 'TLSv1.2' });
    const { socket } = await door.admittedOne();
    const failed = once(socket, 'error');
    socket.resume();
    client.renegotiate({}, () => {});
    expect((await failed)[0]).toMatchObject({ code: 'ERR_TLS_RENEGOTIATION_DISABLED' });
  });
});

describe('ALPN', () => {
  test.each([
    [['mqtt'], 'mqtt'],
    [['h2', 'mqtt'], 'mqtt'],
    [undefined, false],
  ])('a client that offers %j gets %j', async (ALPNProtocols, expected) => {
    const door = await TlsDoor.open();
    const client = await door.connect(ALPNProtocols === undefined ? {} : { ALPNProtocols });
    expect(client.alpnProtocol).toBe(expected);
    await door.admittedOne();
  });

  test('a client that offers only other protocols is refused by an alert', async () => {
    const door = await TlsDoor.open();
    const client = door.begin({ ALPNProtocols: ['http/1.1'] });
    const [error] = await once(client, 'error');
    expect(error.code).toMatch(/NO_APPLICATION_PROTOCOL/);
    await until(() => door.refused.length > 0);
    expect(door.refused).toEqual([{ reason: 'handshake-failed', address: '127.0.0.1' }]);
    expect(door.log.infos).toMatchObject([
      {
        fields: { code: 'ERR_SSL_NO_APPLICATION_PROTOCOL' },
        message:
          'the client offers only ALPN protocols that are not spoken here: let it offer ours, or none',
      },
    ]);
  });

  test('a listener without protocols takes every client', async () => {
    const door = await TlsDoor.open({ alpn: [] });
    await door.connect({ ALPNProtocols: ['anything'] });
    await door.admittedOne();
  });
});

describe('a client certificate', () => {
  const client = CA.client({ commonName: 'sensor-1' });

  test.each(['optional', 'required'] as const)('that verifies is handed on (%s)', async (mode) => {
    const door = await TlsDoor.open({ clientCertificate: mode });
    await door.connect(identityOf(client));
    expect((await door.admittedOne()).certificateDer).toEqual(client.der);
  });

  test('that is optional may be missing', async () => {
    const door = await TlsDoor.open({ clientCertificate: 'optional' });
    await door.connect();
    expect((await door.admittedOne()).certificateDer).toBeNull();
  });

  test('that nobody asked for is nobody', async () => {
    const door = await TlsDoor.open({ clientCertificate: 'none' });
    await door.connect(identityOf(client));
    expect((await door.admittedOne()).certificateDer).toBeNull();
  });

  const stranger = Authority.root({ commonName: 'Other Root' });
  const selfSigned = stranger.client({ commonName: 'Other Root', keys: stranger.issued.keys });
  const cases = [
    ['of a CA that is not trusted', stranger.client(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['that is self-signed', selfSigned, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['that has expired', CA.client({ notAfter: fromNow(-1) }), 'CERT_HAS_EXPIRED'],
    ['that is not valid yet', CA.client({ notBefore: fromNow(1) }), 'CERT_NOT_YET_VALID'],
    ['that is for servers only', CA.server(), 'INVALID_PURPOSE'],
  ] as const;
  for (const mode of ['optional', 'required'] as const) {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      test.each(cases)(`%s is refused (${mode}, ${version})`, async (_, issued, code) => {
        const door = await TlsDoor.open({ clientCertificate: mode });
        const socket = door.begin({ ...identityOf(issued), maxVersion: version });
        socket.write('these bytes are never read');
        await closed(socket);
        await until(() => door.refused.length > 0);
        expect(door.admitted).toEqual([]);
        expect(door.refused).toEqual([{ reason: 'client-certificate', address: '127.0.0.1' }]);
        expect(door.log.lines).toMatchObject([{ level: 'info', fields: { code } }]);
        const [line] = door.log.lines;
        expect(line?.message).toMatch(/^the client certificate is refused, it/);
        expect(line?.fields.remote).toMatch(/^127\.0\.0\.1:\d+$/);
        expect(line?.fields.subject).toBe(issued.x509.subject);
        expect(line?.fields.serialNumber).toBe(issued.serialNumber);
      });
    }
  }

  test('that the CRL names is refused, others of the same CA are not', async () => {
    const revoked = CA.client({ commonName: 'stolen' });
    const door = await TlsDoor.open({
      clientCertificate: 'required',
      crl: CA.crl({ revoked: [revoked] }),
    });
    await door.connect(identityOf(client));
    await door.admittedOne();
    await closed(door.begin(identityOf(revoked)));
    await until(() => door.refused.length > 0);
    expect(door.log.lines).toMatchObject([
      {
        fields: { code: 'CERT_REVOKED', subject: 'CN=stolen' },
        message: expect.stringContaining('it is revoked'),
      },
    ]);
    expect(door.admitted).toHaveLength(1);
  });

  test('is refused when the CRL has expired', async () => {
    const crl = CA.crl({ thisUpdate: fromNow(-3), nextUpdate: fromNow(-1) });
    const door = await TlsDoor.open({ clientCertificate: 'required', crl });
    await closed(door.begin(identityOf(client)));
    await until(() => door.refused.length > 0);
    expect(door.log.infos).toMatchObject([{ fields: { code: 'CRL_HAS_EXPIRED' } }]);
  });

  test('that the current CRLs revoke is refused although its handshake knew older ones', async () => {
    const door = await TlsDoor.open({
      clientCertificate: 'required',
      revoked: [client.serialNumber],
    });
    await closed(door.begin(identityOf(client)));
    await until(() => door.refused.length > 0);
    expect(door.log.infos).toMatchObject([{ fields: { code: 'CERT_REVOKED' } }]);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'that is required must not be missing (%s)',
    async (version) => {
      const door = await TlsDoor.open({ clientCertificate: 'required' });
      await closed(door.begin({ maxVersion: version }));
      await until(() => door.refused.length > 0);
      expect(door.refused).toEqual([{ reason: 'client-certificate', address: '127.0.0.1' }]);
      expect(door.log.infos).toMatchObject([
        {
          fields: { code: 'NO_CERTIFICATE' },
          message: expect.stringContaining('sent no certificate'),
        },
      ]);
      expect(door.admitted).toEqual([]);
    },
  );
});

describe('a resumed session', () => {
  const client = CA.client({ commonName: 'sensor-1', notAfter: fromNow(100) });

  /** A session that the client may resume, once the server has handed it out. */
  async function firstSession(
    door: TlsDoor,
    options: tls.ConnectionOptions,
  ): Promise<Buffer | null> {
    const socket = door.begin(options);
    let session: Buffer | null = null;
    socket.on('session', (bytes: Buffer) => {
      session = bytes;
    });
    socket.resume();
    await until(() => session !== null || socket.destroyed);
    socket.destroy();
    return session;
  }

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { ...identityOf(client), maxVersion: version };

    test(`keeps the certificate of its first day (${version})`, async () => {
      const door = await TlsDoor.open({ clientCertificate: 'required' });
      const session = await firstSession(door, options);
      if (session === null) throw new Error('no session');
      const again = await door.connect({ maxVersion: version, session });
      expect(again.isSessionReused()).toBe(true);
      await until(() => door.admitted.length === 2);
      expect(door.admitted[1]?.socket.isSessionReused()).toBe(true);
      expect(door.admitted[1]?.certificateDer).toEqual(client.der);
    });

    test(`does not outlive the certificate (${version})`, async () => {
      const door = await TlsDoor.open({ clientCertificate: 'required' });
      const session = await firstSession(door, options);
      door.clock.jumpWall(Date.now() + 101 * 86_400_000 - door.clock.wallNow());
      await closed(door.begin({ maxVersion: version, session: session ?? Buffer.alloc(0) }));
      await until(() => door.refused.length > 0);
      expect(door.log.infos).toMatchObject([{ fields: { code: 'CERT_HAS_EXPIRED' } }]);
      expect(door.admitted).toHaveLength(1);
    });

    test(`is verified anew after the trust has changed (${version})`, async () => {
      const door = await TlsDoor.open({ clientCertificate: 'required' });
      const session = await firstSession(door, options);
      door.material.current = makeSet({
        clientCertificate: 'required',
        crl: CA.crl({ revoked: [client] }),
      });
      await closed(door.begin({ ...options, session: session ?? Buffer.alloc(0) }));
      await until(() => door.refused.length > 0);
      expect(door.log.infos).toMatchObject([{ fields: { code: 'CERT_REVOKED' } }]);
      expect(door.admitted).toHaveLength(1);
    });

    test(`outlives a reload that leaves the trust alone (${version})`, async () => {
      const door = await TlsDoor.open({ clientCertificate: 'required' });
      const session = await firstSession(door, options);
      const { ticketKeys } = door.material.current;
      door.material.current = makeSet({ clientCertificate: 'required', ticketKeys });
      const again = await door.connect({ maxVersion: version, session: session ?? undefined });
      expect(again.isSessionReused()).toBe(true);
      await until(() => door.admitted.length === 2);
      expect(door.admitted[1]?.certificateDer).toEqual(client.der);
    });

    test(`without certificate does not open what requires one (${version})`, async () => {
      const door = await TlsDoor.open({ clientCertificate: 'optional' });
      const session = await firstSession(door, { maxVersion: version });
      const { ticketKeys } = door.material.current;
      door.material.current = makeSet({ clientCertificate: 'required', ticketKeys });
      await closed(door.begin({ maxVersion: version, session: session ?? Buffer.alloc(0) }));
      await until(() => door.refused.length > 0);
      expect(door.log.infos).toMatchObject([{ fields: { code: 'NO_CERTIFICATE' } }]);
      expect(door.admitted).toHaveLength(1);
    });
  }

  test('of a refused certificate is refused again', async () => {
    const door = await TlsDoor.open({ clientCertificate: 'required' });
    const stranger = Authority.root().client();
    const session = await firstSession(door, identityOf(stranger));
    await until(() => door.refused.length === 1);
    await closed(door.begin({ session: session ?? undefined }));
    await until(() => door.refused.length === 2);
    expect(door.admitted).toEqual([]);
  });
});

describe('a reload', () => {
  test('gives new clients the new certificate and leaves the others alone', async () => {
    const door = await TlsDoor.open();
    const before = await door.connect();
    const { socket } = await door.admittedOne();
    door.material.current = makeSet({ server: CA.server({ commonName: 'renewed' }) });
    const after = await door.connect();
    expect(before.getPeerCertificate().subject.CN).toBe('localhost');
    expect(after.getPeerCertificate().subject.CN).toBe('renewed');
    socket.write('still here');
    const [bytes] = await once(before, 'data');
    expect(String(bytes)).toBe('still here');
  });

  test('changes whether a certificate is required', async () => {
    const door = await TlsDoor.open();
    door.material.current = makeSet({ clientCertificate: 'required' });
    await closed(door.begin());
    await until(() => door.refused.length > 0);
    expect(door.refused[0]?.reason).toBe('client-certificate');
  });

  test('of the trust during a handshake ends that handshake', async () => {
    const door = await TlsDoor.open({ clientCertificate: 'required' });
    const client = door.begin(identityOf(CA.client()));
    await until(() => door.handshakes.active === 1);
    door.material.current = makeSet({ clientCertificate: 'required' });
    await closed(client);
    await until(() => door.refused.length > 0);
    expect(door.log.infos).toMatchObject([{ fields: { code: 'TRUST_CHANGED' } }]);
  });
});

/** A ClientHello of TLS 1.2 as small as it may be. RFC 5246 §7.4.1.2. */
const CLIENT_HELLO = Buffer.from(
  [
    '16 0301 0053', // record: handshake, version, length
    '01 00004f', // ClientHello, length
    '0303', // TLS 1.2
    '11'.repeat(32), // random
    '00', // no session
    '0002 c02b', // ECDHE-ECDSA-AES128-GCM-SHA256
    '01 00', // no compression
    '0024', // extensions
    '000a 0004 0002 0017', // supported_groups: secp256r1
    '000d 0004 0002 0403', // signature_algorithms: ecdsa_secp256r1_sha256
    '000b 0002 0100', // ec_point_formats: uncompressed
    '0010 000a 0008 04 6d717474 02 6832', // ALPN: mqtt, h2
  ]
    .join('')
    .replaceAll(' ', ''),
  'hex',
);

describe('a handshake that fails', () => {
  test.each([
    ['unknown_ca', 48, 'the client does not trust our certificate: give it the CA that issued it'],
    [
      'bad_certificate',
      42,
      'the client refuses our certificate: mostly, the name it connects to is not in it',
    ],
    ['certificate_expired', 45, 'the client says that our certificate has expired: renew it'],
  ])('by the client’s alert %s is told as such', async (_, alert, message) => {
    const door = await TlsDoor.open();
    const client = await door.dial();
    client.write(CLIENT_HELLO);
    await once(client, 'data'); // ServerHello, Certificate
    client.write(Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert]));
    await closed(client);
    await until(() => door.refused.length > 0);
    expect(door.log.lines).toMatchObject([{ level: 'info', message }]);
    expect(door.log.lines[0]?.fields.code).toMatch(/^ERR_SSL_.*ALERT/);
    expect(door.refused).toEqual([{ reason: 'handshake-failed', address: '127.0.0.1' }]);
    expect(door.handshakes.active).toBe(0);
  });

  test('since the client is too old', async () => {
    const door = await TlsDoor.open();
    const ciphers = 'DEFAULT@SECLEVEL=0';
    await closed(door.begin({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers }));
    await until(() => door.refused.length > 0);
    expect(door.log.lines).toMatchObject([
      {
        fields: { code: 'ERR_SSL_UNSUPPORTED_PROTOCOL' },
        message:
          'the client offers only TLS versions that are too old: update it, or lower min_version',
      },
    ]);
  });

  test('since no cipher is shared', async () => {
    const door = await TlsDoor.open({ ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' });
    const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256';
    await closed(door.begin({ maxVersion: 'TLSv1.2', ciphers }));
    await until(() => door.refused.length > 0);
    expect(door.log.lines).toMatchObject([
      {
        fields: { code: 'ERR_SSL_NO_SHARED_CIPHER' },
        message: 'the client has no cipher that is allowed here: update it, or widen ciphers',
      },
    ]);
  });

  test('since what follows the first byte is not TLS', async () => {
    const door = await TlsDoor.open();
    const client = await door.dial();
    client.write(Buffer.from('16ffffffffffffffffff', 'hex'));
    await closed(client);
    await until(() => door.refused.length > 0);
    expect(door.log.infos).toHaveLength(1);
    expect(door.refused[0]?.reason).toBe('handshake-failed');
  });

  for (const how of ['end', 'resetAndDestroy'] as const) {
    test(`since the client left (${how}) gives its slot back at once`, async () => {
      const door = await TlsDoor.open();
      const client = await door.dial();
      client.write(CLIENT_HELLO);
      await once(client, 'data');
      expect(door.handshakes.active).toBe(1);
      client[how]();
      await until(() => door.refused.length > 0);
      expect(door.handshakes.active).toBe(0);
      expect(door.log.lines).toMatchObject([
        {
          level: 'info',
          fields: { code: 'ECONNRESET' },
          message:
            'the client closed the connection during the handshake: it gave up, or does not trust our certificate, or its name, and does not say so',
        },
      ]);
    });
  }

  test('since the name’s certificate cannot be had ends that client only', async () => {
    const door = await TlsDoor.open();
    const set = makeSet();
    door.material.current = {
      ...set,
      contextFor: (serverName) => {
        if (serverName === 'broken') throw new Error('no such context');
        return set.contextFor(serverName);
      },
    };
    await closed(door.begin({ servername: 'broken' }));
    await until(() => door.refused.length > 0);
    await door.connect({ servername: 'localhost' });
    await door.admittedOne();
  });
});

describe('who does not speak TLS', () => {
  test.each([
    [
      'an MQTT client',
      Buffer.from('100c00044d5154540402003c0000', 'hex'), // CONNECT, MQTT 3.1.1
      /^a client without TLS came to the TLS port/,
    ],
    ['a browser', Buffer.from('GET /mqtt HTTP/1.1\r\n\r\n'), /^an HTTP request without TLS/],
    ['PROXY v1', Buffer.from('PROXY TCP4 192.0.2.1 '), /^a PROXY header came .* expects none/],
    ['PROXY v2', Buffer.from('0d0a0d0a000d0a515549540a2111', 'hex'), /^a PROXY header came/],
    ['a scanner', Buffer.from('80', 'hex'), /^what came to the TLS port is not TLS/],
  ])('%s is told in the log and closed', async (_, bytes, message) => {
    const door = await TlsDoor.open();
    const client = await door.dial();
    let answer = 0;
    client.on('data', (chunk) => {
      answer += chunk.length;
    });
    client.write(bytes);
    await closed(client);
    await until(() => door.refused.length > 0);
    expect(answer).toBe(0);
    expect(door.refused).toEqual([{ reason: 'not-tls', address: '127.0.0.1' }]);
    expect(door.log.lines).toMatchObject([
      { level: 'info', fields: { firstBytes: bytes.subarray(0, 16).toString('hex') } },
    ]);
    expect(door.log.lines[0]?.message).toMatch(message);
    expect([door.handshakes.pending, door.handshakes.active]).toEqual([0, 0]);
  });

  for (const how of ['end', 'resetAndDestroy'] as const) {
    test(`a health probe (${how}) is a debug line and no failure`, async () => {
      const door = await TlsDoor.open();
      const client = await door.dial();
      client[how]();
      await until(() => door.handshakes.pending === 0);
      expect(door.refused).toEqual([]);
      expect(door.log.lines).toMatchObject([
        { level: 'debug', message: 'connection closed before its first byte' },
      ]);
      await until(() => door.accepted[0]?.destroyed === true);
    });
  }
});

describe('slots', () => {
  /** A client whose ClientHello has begun and does not go on. */
  async function stall(door: TlsDoor, address: string): Promise<net.Socket> {
    door.address = address;
    const before = door.handshakes.active + door.handshakes.waiting;
    const client = await door.dial();
    client.write(Buffer.from([0x16]));
    await until(() => door.handshakes.active + door.handshakes.waiting > before);
    return client;
  }

  test('a silent connection holds none, and is closed in time', async () => {
    const door = await TlsDoor.open({}, { helloTimeoutMs: 5_000 });
    const client = await door.dial();
    await until(() => door.handshakes.pending === 1);
    expect([door.handshakes.active, door.handshakes.waiting]).toEqual([0, 0]);
    door.clock.advance(4_900);
    expect(door.refused).toEqual([]);
    door.clock.advance(200);
    await closed(client);
    expect(door.refused).toEqual([{ reason: 'hello-timeout', address: '127.0.0.1' }]);
    expect(door.log.infos).toEqual([]);
  });

  test('a handshake that stalls is reset in time and its slot is free', async () => {
    const door = await TlsDoor.open({}, { timeoutMs: 10_000 });
    const client = await stall(door, '192.0.2.1');
    const reset = once(client, 'error');
    expect(door.handshakes.active).toBe(1);
    door.clock.advance(9_900);
    expect(door.refused).toEqual([]);
    door.clock.advance(200);
    expect(door.refused).toEqual([{ reason: 'handshake-timeout', address: '192.0.2.1' }]);
    expect(door.handshakes.active).toBe(0);
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
    expect(door.log.infos).toMatchObject([
      { message: 'the client did not finish its TLS handshake in time' },
    ]);
  });

  test('a client that reads nothing of its handshake is reset likewise', async () => {
    const door = await TlsDoor.open();
    const client = await door.dial();
    client.write(CLIENT_HELLO);
    await once(client, 'data');
    client.pause();
    door.clock.advance(10_100);
    expect(door.refused).toEqual([{ reason: 'handshake-timeout', address: '127.0.0.1' }]);
    await until(() => door.accepted[0]?.destroyed === true);
  });

  test('one address holds a quarter of them, the next of it wait, others do not', async () => {
    const door = await TlsDoor.open({}, { handshakesMax: 8 });
    for (let i = 0; i < 3; i++) await stall(door, '192.0.2.1');
    expect([door.handshakes.active, door.handshakes.waiting]).toEqual([2, 1]);
    door.address = '192.0.2.2';
    await door.connect();
    await door.admittedOne();
    expect([door.handshakes.active, door.handshakes.waiting]).toEqual([2, 1]);
  });

  test('who waited handshakes when a slot comes free', async () => {
    const door = await TlsDoor.open({}, { handshakesMax: 4 });
    const first = await stall(door, '192.0.2.1');
    const second = door.begin();
    await until(() => door.handshakes.waiting === 1);
    await turns(LONG);
    expect(door.admitted).toEqual([]);
    first.destroy();
    await once(second, 'secureConnect');
    await door.admittedOne();
  });

  test('who waits is not read', async () => {
    const door = await TlsDoor.open({}, { handshakesMax: 4 });
    await stall(door, '192.0.2.1');
    const second = await stall(door, '192.0.2.1');
    const socket = door.accepted[1];
    if (socket === undefined) throw new Error('no socket');
    await turns(LONG);
    const before = socket.bytesRead;
    for (let i = 0; i < 20; i++) {
      second.write(Buffer.alloc(65_536));
      await turns(10);
    }
    expect(socket.bytesRead - before).toBeLessThanOrEqual(65_536);
  });

  test('the times for the first byte, the wait and the handshake are each its own', async () => {
    const limits = { handshakesMax: 4, helloTimeoutMs: 5_000, timeoutMs: 10_000 };
    const door = await TlsDoor.open({}, limits);
    const first = await stall(door, '192.0.2.1');
    const second = await door.dial();
    await until(() => door.handshakes.pending === 2);
    door.clock.advance(4_000); // silent
    second.write(Buffer.from([0x16]));
    await until(() => door.handshakes.waiting === 1);
    door.clock.advance(5_000); // waiting
    first.destroy();
    await until(() => door.handshakes.waiting === 0);
    expect(door.handshakes.active).toBe(1);
    const before = door.refused.length;
    door.clock.advance(9_900); // in its handshake
    expect(door.refused).toHaveLength(before);
    door.clock.advance(200);
    expect(door.refused.at(-1)).toEqual({ reason: 'handshake-timeout', address: '192.0.2.1' });
  });

  test('who waits too long is reset', async () => {
    const limits = { handshakesMax: 4, helloTimeoutMs: 500, timeoutMs: 10_000 };
    const door = await TlsDoor.open({}, limits);
    await stall(door, '192.0.2.1');
    door.clock.advance(1_000);
    await stall(door, '192.0.2.1');
    const third = await stall(door, '192.0.2.1');
    const reset = once(third, 'error');
    door.clock.advance(9_100); // the first gives up its slot to the second
    expect([door.handshakes.active, door.handshakes.waiting]).toEqual([1, 1]);
    door.clock.advance(1_000);
    expect(door.refused.map(({ reason }) => reason)).toEqual([
      'handshake-timeout',
      'handshake-wait',
    ]);
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  test('when the queue is full one is reset and counted, and the log says it once', async () => {
    const door = await TlsDoor.open({}, { handshakesMax: 4, waitingMax: 2 });
    for (let i = 0; i < 3; i++) await stall(door, '192.0.2.1');
    for (let i = 0; i < 2; i++) {
      const client = await door.dial();
      const reset = once(client, 'error');
      client.write(CLIENT_HELLO);
      expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
    }
    expect(door.refused).toEqual([
      { reason: 'handshake-queue', address: '192.0.2.1' },
      { reason: 'handshake-queue', address: '192.0.2.1' },
    ]);
    expect([door.handshakes.active, door.handshakes.waiting]).toEqual([1, 2]);
    expect(door.log.infos).toMatchObject([
      { fields: { active: 1 }, message: expect.stringContaining('more clients want to handshake') },
    ]);
  });

  test('an end of the stage ends all that are under way, and who comes later', async () => {
    const door = await TlsDoor.open({}, { handshakesMax: 4 });
    const clients = [await stall(door, '192.0.2.1'), await stall(door, '192.0.2.1')];
    clients.push(await door.dial());
    door.handshakes.close();
    clients.push(await door.dial());
    for (const client of clients) await closed(client);
    expect([door.handshakes.pending, door.handshakes.active]).toEqual([0, 0]);
    expect([door.refused, door.log.infos]).toEqual([[], []]);
  });

  test('a storm of broken handshakes from one address is one line, and then a number', async () => {
    const door = await TlsDoor.open();
    for (let i = 0; i < 20; i++) {
      const client = await door.dial();
      client.write('GET / HTTP/1.1\r\n');
      await closed(client);
    }
    await until(() => door.refused.length === 20);
    expect(door.log.infos).toHaveLength(1);
    door.clock.advance(10_100);
    expect(door.log.infos).toHaveLength(2);
    expect(door.log.infos[1]?.fields.again).toBe(19);
  });
});

test('the door’s own certificate is what its clients see', async () => {
  const door = await TlsDoor.open();
  const client = await door.connect();
  expect(client.getPeerX509Certificate()?.raw).toEqual(SERVER.der);
});
