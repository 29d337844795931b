import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TlsMaterialError } from '../../../src/transport/tls/findings.ts';
import type { TlsOptions } from '../../../src/transport/tls/options.ts';
import { TlsSet } from '../../../src/transport/tls/set.ts';
import { Authority, fromNow, type Issued } from '../../support/certificates.ts';
import { MaterialFolder, tlsOptions } from './material-folder.ts';

const root = Authority.root();
const intermediate = root.intermediate();
const server = root.server();
const ROOT = root.issued.cert;
const INTERMEDIATE = intermediate.issued.cert;

/** The problems of these options, without the folder in them. */
async function problems(folder: MaterialFolder, options: TlsOptions): Promise<string[]> {
  try {
    await TlsSet.load(options);
  } catch (error) {
    expect(error).toBeInstanceOf(TlsMaterialError);
    return (error as Error).message.replaceAll(`${folder.path}/`, '').split('\n');
  }
  return [];
}

function warnings(folder: MaterialFolder, set: TlsSet): string[] {
  return set.warnings.map(({ file, message }) => `${path.relative(folder.path, file)}: ${message}`);
}

interface Verdict {
  /** OpenSSL's code; null for a certificate that it believes. */
  readonly error: string | null;
  /** The common name of the server's certificate, as the client saw it. */
  readonly server: unknown;
  readonly isResumed: boolean;
  /** What a client of TLS 1.2 resumes with. */
  readonly session: Buffer | null;
}

/** What OpenSSL says of a client on a listener with this set. */
async function connect(set: TlsSet, client: tls.ConnectionOptions): Promise<Verdict> {
  const listener = net.createServer();
  onTestFinished(() => void listener.close());
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo;
  const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...client });
  socket.on('error', () => {});
  const shown = once(socket, 'secureConnect').then(() => socket.getPeerCertificate().subject?.CN);
  const [raw] = await accepted;
  const secure = new tls.TLSSocket(raw, {
    isServer: true,
    secureContext: set.secureContext,
    SNICallback: (name, done) => done(null, set.contextFor(name)),
    requestCert: set.options.clientCertificate !== 'none',
    rejectUnauthorized: false,
  });
  secure.on('error', () => {});
  await once(secure, 'secure');
  const verifyError = (
    secure as unknown as { ssl: { verifyError(): NodeJS.ErrnoException | null } }
  ).ssl.verifyError();
  const verdict = {
    error: verifyError?.code ?? null,
    server: await shown,
    isResumed: secure.isSessionReused(),
    session: socket.getSession() ?? null,
  };
  socket.destroy();
  secure.destroy();
  return verdict;
}

function shows(issued: Issued, chain = ''): tls.ConnectionOptions {
  return { cert: issued.cert + chain, key: issued.key };
}

describe('a set of good files', () => {
  test('says what is in them', async () => {
    const folder = new MaterialFolder();
    const notAfter = new Date(Math.floor(fromNow(90).getTime() / 1000) * 1000);
    const leaf = intermediate.server({ commonName: 'mqtt', notAfter, dns: ['localhost'] });
    const pair = folder.pair('server', leaf, INTERMEDIATE + ROOT);
    const set = await TlsSet.load(tlsOptions(pair));
    expect(set.warnings).toEqual([]);
    expect(set.expiries.map(({ file, subject }) => [file, subject])).toEqual([
      [pair.cert, 'CN=mqtt'],
      [pair.cert, 'CN=Test Intermediate'],
    ]);
    expect(set.expiries[0]).toMatchObject({ notAfter, serialNumber: leaf.serialNumber });
    expect(set.ticketKeys).toHaveLength(48);
    expect(set.crls).toEqual([]);
  });

  test('serves its certificate', async () => {
    const folder = new MaterialFolder();
    const set = await TlsSet.load(tlsOptions(folder.pair('server', server)));
    expect(await connect(set, { ca: ROOT })).toMatchObject({ server: 'localhost' });
  });

  test('may have certificate and key in one file, text around them, and a passphrase', async () => {
    const folder = new MaterialFolder();
    const both = `some text\n${server.keyWith('secret')}\n${server.cert}`;
    const file = folder.write('both.pem', both);
    const options = tlsOptions({ cert: file, key: file }, { passphrase: 'secret' });
    await expect(TlsSet.load(options)).resolves.toBeInstanceOf(TlsSet);
  });

  test('may have a key in the form that openssl ecparam writes, parameters first', async () => {
    const folder = new MaterialFolder();
    const { cert } = folder.pair('server', server);
    const parameters =
      '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
    const sec1 = server.keys.privateKey.export({ type: 'sec1', format: 'pem' });
    const key = folder.write('ec.key', `${parameters}${sec1}`);
    await expect(TlsSet.load(tlsOptions({ cert, key }))).resolves.toBeInstanceOf(TlsSet);
  });

  test('names its files, each once', () => {
    const options = tlsOptions(
      { cert: 'a', key: 'a' },
      { ca: 'ca', crl: 'crl', sni: [{ cert: 'b', key: 'k', hosts: ['h'] }] },
    );
    expect(TlsSet.files(options)).toEqual(['a', 'b', 'k', 'ca', 'crl']);
  });
});

describe('what is odd but usable is a warning', () => {
  test('an expired certificate, and one that is not valid yet', async () => {
    const folder = new MaterialFolder();
    const old = folder.pair('old', root.server({ notAfter: new Date('2020-01-02T03:04:05Z') }));
    expect(warnings(folder, await TlsSet.load(tlsOptions(old)))).toEqual([
      'old.crt: CN=localhost expired on 2020-01-02T03:04:05.000Z: renew it',
    ]);
    const young = folder.pair('young', root.server({ notBefore: fromNow(2) }));
    expect(warnings(folder, await TlsSet.load(tlsOptions(young)))[0]).toMatch(
      /^young.crt: CN=localhost is not valid before .*: is the clock of this machine right\?$/,
    );
  });

  test('a certificate for clients, without the name of a host', async () => {
    const folder = new MaterialFolder();
    const pair = folder.pair('client', root.client());
    const [purpose, name] = warnings(folder, await TlsSet.load(tlsOptions(pair)));
    expect(purpose).toMatch('CN=client is not for servers');
    expect(name).toMatch('CN=client names no host');
  });

  test('a certificate for another host than the one it is served for', async () => {
    const folder = new MaterialFolder();
    const pair = folder.pair('server', server);
    const sni = [
      {
        ...folder.pair('other', root.server({ dns: ['*.a.example'] })),
        hosts: ['*.a.example', 'b.example'],
      },
    ];
    expect(warnings(folder, await TlsSet.load(tlsOptions(pair, { sni })))).toEqual([
      'other.crt: CN=localhost is not for b.example: clients that ask for it will refuse it',
    ]);
  });

  test('authorities that nobody is asked about', async () => {
    const folder = new MaterialFolder();
    const options = tlsOptions(folder.pair('server', server), { ca: folder.write('ca.crt', ROOT) });
    expect(warnings(folder, await TlsSet.load(options))[0]).toMatch('ca.crt: is not used');
  });
});

describe('certificate and key that cannot be used', () => {
  test('are all named at once, with their files', async () => {
    const folder = new MaterialFolder();
    const { cert } = folder.pair('server', server);
    const key = folder.write('empty.key', '');
    const options = tlsOptions(
      { cert, key },
      { clientCertificate: 'required', ca: path.join(folder.path, 'missing.crt') },
    );
    expect(await problems(folder, options)).toEqual([
      'missing.crt: does not exist: correct the path, or create the file',
      'empty.key: is empty: expected PEM, -----BEGIN PRIVATE KEY-----',
    ]);
  });

  test('a key of another certificate', async () => {
    const folder = new MaterialFolder();
    const { cert } = folder.pair('server', server);
    const { key } = folder.pair('other', root.server());
    expect(await problems(folder, tlsOptions({ cert, key }))).toEqual([
      'other.key: the key does not fit the certificate server.crt (CN=localhost): use the key that its request was made with',
    ]);
  });

  test('swapped files', async () => {
    const folder = new MaterialFolder();
    const { cert, key } = folder.pair('server', server);
    expect(await problems(folder, tlsOptions({ cert: key, key: cert }))).toEqual([
      'server.key: holds a private key, but no certificate: are certificate and key swapped?',
      'server.crt: holds no private key, but "CERTIFICATE": expected PEM, -----BEGIN PRIVATE KEY-----',
    ]);
  });

  test('a chain that begins with the authority', async () => {
    const folder = new MaterialFolder();
    const { key } = folder.pair('server', server);
    const cert = folder.write('chain.crt', ROOT + server.cert);
    expect(await problems(folder, tlsOptions({ cert, key }))).toEqual([
      "chain.crt: the key fits certificate 2 in it (CN=localhost): put the server's own certificate first",
    ]);
  });

  test('a chain with a gap, and one of another authority of the same name', async () => {
    const folder = new MaterialFolder();
    const leaf = intermediate.server();
    const gap = folder.pair('gap', leaf, ROOT);
    expect(await problems(folder, tlsOptions(gap))).toEqual([
      'gap.crt: certificate 1 (CN=localhost) was issued by CN=Test Intermediate, but certificate 2 (CN=Test Root) follows: put each before the one of its issuer, and take out what does not belong',
    ]);
    const foreign = folder.pair('foreign', leaf, root.intermediate().issued.cert);
    expect((await problems(folder, tlsOptions(foreign)))[0]).toMatch(
      'certificate 1 (CN=localhost)',
    );
  });

  test.each<[string, string | undefined, string]>([
    [
      'no passphrase',
      undefined,
      'the private key is encrypted: give its passphrase, or store it decrypted',
    ],
    ['a wrong one', 'wrong', 'the passphrase does not open the private key: correct it'],
  ])('an encrypted key and %s', async (_what, passphrase, message) => {
    const folder = new MaterialFolder();
    const { cert } = folder.pair('server', server);
    const key = folder.write('locked.key', server.keyWith('secret'));
    const changes = passphrase === undefined ? {} : { passphrase };
    expect(await problems(folder, tlsOptions({ cert, key }, changes))).toEqual([
      `locked.key: ${message}`,
    ]);
  });

  test.each<[string, (issued: Issued) => string | Uint8Array, string]>([
    ['DER', ({ der }) => der, 'is DER, not PEM: convert it with openssl x509 -inform der -in'],
    ['a .p12', () => Buffer.from('308200', 'hex'), 'is not PEM: unpack a .p12 or .pfx'],
    ['text', () => 'hello', 'holds no certificate: expected PEM'],
    ['nothing', () => '', 'is empty: expected PEM'],
    ['half a certificate', ({ cert }) => cert.slice(0, 200), 'has no end: is the file cut off?'],
    [
      'broken base64',
      ({ cert }) => cert.replace('MII', 'AAA').replace('MI', 'AA'),
      'certificate 1 in it cannot be read',
    ],
  ])('a certificate file with %s', async (_what, content, message) => {
    const folder = new MaterialFolder();
    const { key } = folder.pair('server', server);
    const cert = folder.write('odd.crt', content(server));
    const [problem] = await problems(folder, tlsOptions({ cert, key }));
    expect(problem).toMatch(/^odd\.crt: /);
    expect(problem).toContain(message);
  });

  test('a folder, and a file that is far too large', async () => {
    const folder = new MaterialFolder();
    const cert = path.join(folder.path, 'folder');
    mkdirSync(cert);
    const key = folder.write('large.key', Buffer.alloc(1_048_577, 0x20));
    expect(await problems(folder, tlsOptions({ cert, key }))).toEqual([
      'folder: is a folder: name the file in it',
      'large.key: has 1048577 bytes, more than the 1048576 that are read: is it the right file?',
    ]);
  });

  test('a pipe, which nobody waits for', async () => {
    const folder = new MaterialFolder();
    const { key } = folder.pair('server', server);
    const cert = path.join(folder.path, 'pipe');
    execFileSync('mkfifo', [cert]);
    expect(await problems(folder, tlsOptions({ cert, key }))).toEqual([
      'pipe: is no regular file: name one',
    ]);
  });

  test('a link to itself, and a path through a file', async () => {
    const folder = new MaterialFolder();
    const cert = path.join(folder.path, 'loop');
    symlinkSync(cert, cert);
    const key = path.join(folder.write('file', ''), 'server.key');
    expect(await problems(folder, tlsOptions({ cert, key }))).toEqual([
      'loop: leads in circles by symbolic links: correct the link',
      'file/server.key: is below something that is no folder: correct the path',
    ]);
  });

  test('a key that is too short for OpenSSL, and ciphers that it does not know', async () => {
    const folder = new MaterialFolder();
    const keys = generateKeyPairSync('rsa', { modulusLength: 512 });
    const short = folder.pair('short', root.server({ keys }));
    expect((await problems(folder, tlsOptions(short)))[0]).toMatch(
      'short.crt: the key is too short for OpenSSL',
    );
    const pair = folder.pair('server', server);
    expect((await problems(folder, tlsOptions(pair, { ciphers: 'NOPE' })))[0]).toMatch(
      'server.crt: none of the ciphers "NOPE" is known',
    );
  });
});

describe('certificates by server name', () => {
  async function bySni(hosts: readonly string[][]) {
    const folder = new MaterialFolder();
    const sni = hosts.map((names, i) => ({
      ...folder.pair(`sni-${i}`, root.server({ commonName: `sni-${i}`, dns: names })),
      hosts: names,
    }));
    return { folder, options: tlsOptions(folder.pair('server', server), { sni }) };
  }

  test('exactly, by a wildcard of one label, else the default', async () => {
    const { options } = await bySni([['a.example.com', 'c.example.com'], ['*.example.com']]);
    const set = await TlsSet.load(options);
    const seen = async (servername: string) => (await connect(set, { servername })).server;
    expect(await seen('a.example.com')).toBe('sni-0');
    expect(await seen('C.Example.COM')).toBe('sni-0');
    expect(await seen('b.example.com')).toBe('sni-1');
    expect(await seen('x.b.example.com')).toBe('localhost');
    expect(await seen('example.com')).toBe('localhost');
    expect(set.contextFor(undefined)).toBe(set.secureContext);
    expect(set.contextFor('')).toBe(set.secureContext);
    expect(set.contextFor('a.example.com.')).toBe(set.contextFor('a.example.com'));
  });

  test('of a host beyond ASCII as clients send it', async () => {
    const { options } = await bySni([['xn--bcher-kva.example']]);
    const [entry] = options.sni;
    const sni = [
      { ...entry, cert: entry?.cert ?? '', key: entry?.key ?? '', hosts: ['Bücher.example'] },
    ];
    const set = await TlsSet.load({ ...options, sni });
    expect(set.contextFor('xn--bcher-kva.example')).not.toBe(set.secureContext);
  });

  test('of a host with two certificates, and of what is no host, are refused', async () => {
    const { folder, options } = await bySni([['a.example'], ['A.example']]);
    expect(await problems(folder, options)).toEqual([
      'sni-1.crt: the host a.example has two certificates: name it once',
    ]);
    const { folder: other, options: odd } = await bySni([['*'], ['a.*.example'], ['']]);
    expect(await problems(other, odd)).toEqual([
      'sni-0.crt: "*" is not the name of a host: expected mqtt.example.com or *.example.com',
      'sni-1.crt: "a.*.example" is not the name of a host: expected mqtt.example.com or *.example.com',
      'sni-2.crt: "" is not the name of a host: expected mqtt.example.com or *.example.com',
    ]);
  });

  test('ask for client certificates as the default does', async () => {
    const folder = new MaterialFolder();
    const other = folder.pair('other', root.server({ commonName: 'other', dns: ['other'] }));
    const set = await TlsSet.load(
      tlsOptions(folder.pair('server', server), {
        ca: folder.write('ca.crt', ROOT),
        clientCertificate: 'required',
        sni: [{ ...other, hosts: ['other'] }],
      }),
    );
    const servername = 'other';
    const [friend, stranger] = [root.client(), Authority.root().client()];
    expect(await connect(set, { ...shows(friend), servername })).toMatchObject({
      error: null,
      server: 'other',
    });
    expect((await connect(set, { ...shows(stranger), servername })).error).not.toBeNull();
  });
});

describe('authorities and what they revoked', () => {
  /** A listener that requires certificates of these authorities and looks at these lists. */
  function asking(ca: string, crl?: string | Uint8Array) {
    const folder = new MaterialFolder();
    const lists = crl === undefined ? {} : { crl: folder.write('lists.crl', crl) };
    const options = tlsOptions(folder.pair('server', server), {
      ca: folder.write('ca.crt', ca),
      ...lists,
      clientCertificate: 'required',
    });
    return { folder, options };
  }

  const direct = root.client({ commonName: 'direct' });
  const below = intermediate.client({ commonName: 'below' });
  const showsBelow = shows(below, INTERMEDIATE);

  test('let in whom they issued a certificate for, with the chain or an intermediate in the bundle', async () => {
    const set = await TlsSet.load(asking(ROOT).options);
    expect((await connect(set, shows(direct))).error).toBeNull();
    expect((await connect(set, showsBelow)).error).toBeNull();
    expect((await connect(set, shows(below))).error).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    const both = await TlsSet.load(asking(ROOT + INTERMEDIATE).options);
    expect((await connect(both, shows(below))).error).toBeNull();
  });

  test('keep out whom they revoked, by lists in one file', async () => {
    const lists = root.crl() + intermediate.crl({ revoked: [below] });
    const set = await TlsSet.load(asking(ROOT + INTERMEDIATE, lists).options);
    expect(set.warnings).toEqual([]);
    expect(set.crls.map(({ issuer }) => issuer)).toEqual(['CN=Test Root', 'CN=Test Intermediate']);
    expect((await connect(set, shows(direct))).error).toBeNull();
    expect((await connect(set, showsBelow)).error).toBe('CERT_REVOKED');
    expect(set.isRevoked(below.x509)).toBe(true);
    expect(set.isRevoked(direct.x509)).toBe(false);
    expect(set.mayBeRevoked(below.serialNumber)).toBe(true);
    expect(set.mayBeRevoked('FFFF')).toBe(false);
  });

  test('keep out who is below a revoked intermediate', async () => {
    const lists = root.crl({ revoked: [intermediate.issued] }) + intermediate.crl();
    const set = await TlsSet.load(asking(ROOT + INTERMEDIATE, lists).options);
    expect((await connect(set, showsBelow)).error).toBe('CERT_REVOKED');
    expect(set.isRevoked(below.x509)).toBe(true);
    expect(set.isRevoked(direct.x509)).toBe(false);
    const stranger = Authority.root({ commonName: 'Stranger' }).client();
    expect(set.isRevoked(stranger.x509)).toBe(false);
    expect(set.mayBeRevoked('FFFF')).toBe(true);
  });

  test('do not revoke the same serial number of another authority', async () => {
    const other = Authority.root({ commonName: 'Other Root' });
    const lists = root.crl({ revoked: [direct] }) + other.crl();
    const set = await TlsSet.load(asking(ROOT + other.issued.cert, lists).options);
    const same = other.client({ serialNumber: direct.serialNumber });
    expect(set.isRevoked(same.x509)).toBe(false);
    expect((await connect(set, shows(same))).error).toBeNull();
    expect(set.isRevoked(direct.x509)).toBe(true);
  });

  test('may give their list as DER', async () => {
    const set = await TlsSet.load(asking(ROOT, root.crlDer({ revoked: [direct] })).options);
    expect((await connect(set, shows(direct))).error).toBe('CERT_REVOKED');
  });

  test('of several lists of one authority the newest counts, here and for OpenSSL', async () => {
    const older = root.crl({ revoked: [direct], thisUpdate: fromNow(-3) });
    const { folder, options } = asking(ROOT, root.crl({ thisUpdate: fromNow(-2) }) + older);
    const set = await TlsSet.load(options);
    expect(set.crls).toHaveLength(1);
    expect(set.isRevoked(direct.x509)).toBe(false);
    expect((await connect(set, shows(direct))).error).toBeNull();
    expect(warnings(folder, set)[0]).toMatch(/is not used: there is a newer one$/);
  });

  test('whose list is too old are a warning, and OpenSSL refuses their clients', async () => {
    const nextUpdate = new Date('2021-01-02T03:04:05Z');
    const { folder, options } = asking(ROOT, root.crl({ thisUpdate: fromNow(-9_000), nextUpdate }));
    const set = await TlsSet.load(options);
    expect(set.crls[0]?.nextUpdate).toEqual(nextUpdate);
    expect(warnings(folder, set)).toEqual([
      'lists.crl: the list of CN=Test Root is too old since 2021-01-02T03:04:05.000Z: clients below it are refused until there is a newer one',
    ]);
    expect((await connect(set, shows(direct))).error).toBe('CRL_HAS_EXPIRED');
  });

  test('must each have a list once there is one: OpenSSL asks for all of a chain', async () => {
    const { folder, options } = asking(ROOT + INTERMEDIATE, intermediate.crl());
    expect(await problems(folder, options)).toEqual([
      'lists.crl: there is no list of CN=Test Root, and without one OpenSSL refuses all clients below it: add its list, even one without entries, or take the authority out of ca.crt',
    ]);
  });

  test('an intermediate that is not in the bundle has no list, and its clients are refused', async () => {
    const set = await TlsSet.load(asking(ROOT, root.crl()).options);
    expect((await connect(set, showsBelow)).error).toBe('UNABLE_TO_GET_CRL');
  });

  test('renewed with the same key have one list', async () => {
    const renewed = Authority.root({ keys: root.issued.keys, serialNumber: '02' });
    const set = await TlsSet.load(asking(ROOT + renewed.issued.cert, root.crl()).options);
    expect((await connect(set, shows(direct))).error).toBeNull();
  });

  test.each<[string, string | Uint8Array, string]>([
    [
      'signed by a stranger of the same name',
      Authority.root().crl(),
      'the list (issuer CN=Test Root) was signed by none of the authorities',
    ],
    ['that is a certificate', ROOT, 'holds no revocation list, but "CERTIFICATE"'],
    ['that is empty', '', 'is empty: an authority that revoked nothing'],
    ['that is text', 'hello', 'holds no revocation list: expected PEM'],
    ['that is cut off', root.crl().slice(0, 200), 'the block "X509 CRL" has no end'],
    ['that is cut off DER', root.crlDer().subarray(0, 100), 'the list cannot be used'],
    [
      'of which the second is broken',
      `${root.crl()}-----BEGIN X509 CRL-----
MAA=
-----END X509 CRL-----
`,
      'list 2 cannot be used',
    ],
  ])('with a list %s are refused', async (_what, crl, message) => {
    const { folder, options } = asking(ROOT, crl);
    const [problem, ...rest] = await problems(folder, options);
    expect(rest).toEqual([]);
    expect(problem).toContain(`lists.crl: ${message}`);
  });

  test('without a root are refused, and an intermediate without its own is a warning', async () => {
    const { folder, options } = asking(INTERMEDIATE);
    expect(await problems(folder, options)).toEqual([
      'ca.crt: CN=Test Intermediate is no root: add the certificate of its issuer CN=Test Root',
    ]);
    const other = Authority.root({ commonName: 'Other' });
    const { folder: second, options: partly } = asking(INTERMEDIATE + other.issued.cert);
    expect(warnings(second, await TlsSet.load(partly))).toEqual([
      'ca.crt: the issuer CN=Test Root of CN=Test Intermediate is missing: add it, or clients below it will be refused',
    ]);
  });

  test('must be named where clients are asked, and where there is a list', async () => {
    const folder = new MaterialFolder();
    const options = tlsOptions(folder.pair('server', server), {
      clientCertificate: 'optional',
      crl: folder.write('lists.crl', root.crl()),
    });
    expect(await problems(folder, options)).toEqual([
      'server.crt: client certificates are optional, but no authority says which ones to believe: name its file with ca',
      'lists.crl: a revocation list needs the authorities that signed it: name their file with ca',
    ]);
  });
});

describe('the keys of session tickets', () => {
  const folder = new MaterialFolder();
  const options = tlsOptions(folder.pair('server', server), {
    ca: folder.write('ca.crt', ROOT),
    crl: folder.write('lists.crl', root.crl()),
    clientCertificate: 'optional',
  });

  test('are kept by a set with another certificate, and new where the authorities or lists changed', async () => {
    const first = await TlsSet.load(options);
    folder.pair('server', root.server());
    const renewed = await TlsSet.load(options, first);
    expect(renewed.digest).not.toBe(first.digest);
    expect(renewed.ticketKeys).toEqual(first.ticketKeys);

    folder.write('lists.crl', root.crl({ revoked: ['4711'] }));
    const revoking = await TlsSet.load(options, renewed);
    expect(revoking.ticketKeys).not.toEqual(first.ticketKeys);

    folder.write(
      'ca.crt',
      `${ROOT}
`,
    );
    const trusting = await TlsSet.load(options, revoking);
    expect(trusting.ticketKeys).not.toEqual(revoking.ticketKeys);

    const same = await TlsSet.load(options, trusting);
    expect(same.digest).toBe(trusting.digest);
    expect(same.ticketKeys).toEqual(trusting.ticketKeys);
  });

  test('let a client resume with a set of the same trust, and not with one that may revoke it', async () => {
    const client: tls.ConnectionOptions = { ...shows(root.client()), maxVersion: 'TLSv1.2' };
    const first = await TlsSet.load(options);
    const { session } = await connect(first, client);
    expect(session).not.toBeNull();
    const resuming = { ...client, session: session ?? Buffer.alloc(0) };
    folder.pair('server', root.server());
    const renewed = await TlsSet.load(options, first);
    expect(await connect(renewed, resuming)).toMatchObject({ isResumed: true, error: null });
    folder.write('lists.crl', root.crl({ revoked: ['4712'] }));
    const revoking = await TlsSet.load(options, renewed);
    expect(await connect(revoking, resuming)).toMatchObject({ isResumed: false, error: null });
  });

  test('are of each set its own otherwise', async () => {
    const [one, other] = [await TlsSet.load(options), await TlsSet.load(options)];
    expect(one.ticketKeys).not.toEqual(other.ticketKeys);
  });
});
