// Certificates for a server that has none: an authority of its own, which signs one for the server and one for a client. EC keys
// on P-256, which small devices know, too.

import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type { Extension, JsonName, X509Certificate } from '@peculiar/x509';

/** Both PEM; the key is PKCS #8 and open. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

export interface IssuedCertificates {
  readonly ca: CertifiedKey;
  readonly server: CertifiedKey;
  readonly client: CertifiedKey;
}

export interface CertificateWishes {
  /** Names and addresses of the server, at least one. */
  readonly hosts: readonly string[];
  /** Who the client is. */
  readonly username: string;
  readonly nowMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const CA_DAYS = 3_650;
/** Some systems believe no certificate of a server that is good for longer. */
const LEAF_DAYS = 825;
/** RFC 5280, ub-common-name; the names that count are in an extension. */
const COMMON_NAME_MAX = 64;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

type X509 = typeof import('@peculiar/x509');

/** Loads what makes them: only for this. */
async function loadX509(): Promise<X509> {
  // It finds its parts by a package that insists on metadata of classes. Its classes have none, so that "none" is an answer.
  const none = { getMetadata() {}, getOwnMetadata() {}, defineMetadata() {} };
  for (const [name, value] of Object.entries(none)) {
    if (!Object.hasOwn(Reflect, name)) Object.defineProperty(Reflect, name, { value });
  }
  return import('@peculiar/x509');
}

export async function issueCertificates(wishes: CertificateWishes): Promise<IssuedCertificates> {
  const { hosts, username, nowMs } = wishes;
  const x509 = await loadX509();
  const authority = await Authority.create(x509, nowMs);
  const names = hosts.map((value) => ({
    type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const),
    value,
  }));
  return {
    ca: authority.certifiedKey,
    server: await authority.issue(hosts[0].length > COMMON_NAME_MAX ? 'IoTHub' : hosts[0], [
      new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
      new x509.SubjectAlternativeNameExtension(names),
    ]),
    client: await authority.issue(username, [new x509.ExtendedKeyUsageExtension([CLIENT_AUTH])]),
  };
}

class Authority {
  readonly certifiedKey: CertifiedKey;
  readonly #x509: X509;
  readonly #name: JsonName;
  readonly #keys: webcrypto.CryptoKeyPair;
  readonly #nowMs: number;

  constructor(
    x509: X509,
    name: JsonName,
    keys: webcrypto.CryptoKeyPair,
    certifiedKey: CertifiedKey,
    nowMs: number,
  ) {
    this.#x509 = x509;
    this.#name = name;
    this.#keys = keys;
    this.certifiedKey = certifiedKey;
    this.#nowMs = nowMs;
  }

  static async create(x509: X509, nowMs: number): Promise<Authority> {
    const keys = await newKeys();
    const name = nameOf(`IoTHub CA ${randomBytes(4).toString('hex')}`);
    const { KeyUsageFlags: usage } = x509;
    const cert = await x509.X509CertificateGenerator.create({
      ...life(nowMs, CA_DAYS),
      subject: name,
      issuer: name,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(usage.keyCertSign | usage.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const key = await privatePem(x509, keys);
    return new Authority(x509, name, keys, { cert: textOf(cert), key }, nowMs);
  }

  /** A certificate that signs no others. `extensions`: what it is for. */
  async issue(commonName: string, extensions: readonly Extension[]): Promise<CertifiedKey> {
    const x509 = this.#x509;
    const keys = await newKeys();
    const cert = await x509.X509CertificateGenerator.create({
      ...life(this.#nowMs, LEAF_DAYS),
      subject: nameOf(commonName),
      issuer: this.#name,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ...extensions,
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.#keys.publicKey),
      ],
    });
    return { cert: textOf(cert), key: await privatePem(x509, keys) };
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function nameOf(commonName: string): JsonName {
  return [{ CN: [commonName] }];
}

/** From an hour ago, for clocks that are late. */
function life(nowMs: number, days: number) {
  const startMs = nowMs - HOUR_MS;
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x3f) | 0x40; // positive, and never shorter
  return {
    serialNumber: serial.toString('hex'),
    notBefore: new Date(startMs),
    notAfter: new Date(startMs + days * DAY_MS),
  };
}

function textOf(cert: X509Certificate): string {
  return `${cert.toString('pem')}\n`;
}

async function privatePem({ PemConverter }: X509, keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return `${PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}
