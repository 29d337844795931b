// Certificates made on the fly, so that no test waits for a date or needs a program: ECDSA P-256 keys, certificates and CRLs
// built as X.509 structures and signed with node:crypto. Any subject, any name, any date, also those no sane CA would sign.
//
//   const ca = Authority.root();
//   const server = ca.server({ dns: ['localhost'], ip: ['127.0.0.1'] });
//   const client = ca.client({ commonName: 'sensor-1', uri: ['urn:dev:1'] });
//   const crl = ca.crl({ revoked: [client] });

import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  CertificateList,
  CRLNumber,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_cRLNumber,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  RevokedCertificate,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  TBSCertList,
  Time,
  Validity,
  Version,
} from '@peculiar/asn1-x509';

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const ATTRIBUTES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  SN: '2.5.4.4',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
  emailAddress: '1.2.840.113549.1.9.1',
};

/** A short name of ATTRIBUTES or an OID, and its value; a value that is no text goes in as it is. */
export type Attribute = readonly [type: string, value: string | AttributeValue];

export interface CertificateOptions {
  /** The subject, as the only attribute; `subject` wins over it. */
  readonly commonName?: string;
  /** The subject in the order of the certificate, one RDN an entry; a list of attributes is an RDN of several. */
  readonly subject?: readonly (Attribute | readonly Attribute[])[];
  readonly dns?: readonly string[];
  readonly email?: readonly string[];
  readonly uri?: readonly string[];
  readonly ip?: readonly string[];
  /** More alternative names, behind those above. */
  readonly otherNames?: readonly GeneralName[];
  /** An extension that is no alternative name at all, though it says so. */
  readonly rawSubjectAltName?: Uint8Array;
  /** More extensions, also some that are there already; not critical. */
  readonly extensions?: readonly RawExtension[];
  /** From a day ago unless said. */
  readonly notBefore?: Date;
  /** A year from now unless said. */
  readonly notAfter?: Date;
  /** Hexadecimal digits; counted from 1000 unless said. */
  readonly serialNumber?: string;
  /** For a certificate that renews another's; a new pair unless said. */
  readonly keys?: KeyPair;
}

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface CrlOptions {
  readonly revoked?: readonly (Issued | string)[];
  readonly thisUpdate?: Date;
  /** A month from now unless said; null leaves it out. */
  readonly nextUpdate?: Date | null;
  readonly number?: number;
  /** More extensions; critical. */
  readonly extensions?: readonly RawExtension[];
}

export interface RawExtension {
  readonly oid: string;
  /** DER */
  readonly value: Uint8Array;
}

/** A certificate with its key. */
export class Issued {
  readonly keys: KeyPair;
  /** DER */
  readonly der: Buffer;
  /** PEM, without the chain */
  readonly cert: string;

  constructor(keys: KeyPair, der: Buffer) {
    this.keys = keys;
    this.der = der;
    this.cert = pem('CERTIFICATE', der);
  }

  /** PEM, PKCS #8 */
  get key(): string {
    return this.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** PEM, PKCS #8, encrypted */
  keyWith(passphrase: string): string {
    return this.keys.privateKey
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
      .toString();
  }

  get x509(): X509Certificate {
    return new X509Certificate(this.der);
  }

  /** As node:crypto says it: upper case hexadecimal digits. */
  get serialNumber(): string {
    return this.x509.serialNumber;
  }
}

/** Who signs: a root, or an intermediate of another authority. */
export class Authority {
  readonly issued: Issued;
  /** Null for a root. */
  readonly parent: Authority | null;
  readonly #name: Name;
  #serial = 0x1000;

  private constructor(issued: Issued, name: Name, parent: Authority | null) {
    this.issued = issued;
    this.#name = name;
    this.parent = parent;
  }

  static root(options: CertificateOptions = {}): Authority {
    const keys = options.keys ?? newKeys();
    const name = subjectOf(options, 'Test Root');
    const issuer = { name, keys };
    const extensions = authorityExtensions();
    const der = build(issuer, keys, name, options, options.serialNumber ?? '01', extensions);
    return new Authority(new Issued(keys, der), name, null);
  }

  intermediate(options: CertificateOptions = {}): Authority {
    const name = subjectOf(options, 'Test Intermediate');
    return new Authority(this.#issue(name, options, authorityExtensions()), name, this);
  }

  /** Common name and DNS name `localhost`, address 127.0.0.1, unless said. */
  server(options: CertificateOptions = {}): Issued {
    const names = hasNames(options)
      ? options
      : { ...options, dns: ['localhost'], ip: ['127.0.0.1'] };
    const extensions = leafExtensions(names, id_kp_serverAuth);
    return this.#issue(subjectOf(options, 'localhost'), options, extensions);
  }

  client(options: CertificateOptions = {}): Issued {
    const extensions = leafExtensions(options, id_kp_clientAuth);
    return this.#issue(subjectOf(options, 'client'), options, extensions);
  }

  /** PEM of what this authority revoked. */
  crl(options: CrlOptions = {}): string {
    return pem('X509 CRL', this.crlDer(options));
  }

  crlDer(options: CrlOptions = {}): Buffer {
    const thisUpdate = options.thisUpdate ?? new Date(Date.now() - DAY_MS);
    const nextUpdate = options.nextUpdate === undefined ? fromNow(30) : options.nextUpdate;
    const revoked = (options.revoked ?? []).map(
      (entry) =>
        new RevokedCertificate({
          userCertificate: integer(typeof entry === 'string' ? entry : entry.serialNumber),
          revocationDate: new Time(thisUpdate),
        }),
    );
    const tbsCertList = new TBSCertList({
      version: Version.v2,
      signature: ecdsa(),
      issuer: this.#name,
      thisUpdate: new Time(thisUpdate),
      crlExtensions: [
        extension(id_ce_authorityKeyIdentifier, false, authorityKey(this.issued.keys)),
        extension(id_ce_cRLNumber, false, new CRLNumber(options.number ?? 1)),
        ...rawExtensions(options, true),
      ],
    });
    if (nextUpdate !== null) tbsCertList.nextUpdate = new Time(nextUpdate);
    if (revoked.length > 0) tbsCertList.revokedCertificates = revoked;
    const signature = signed(tbsCertList, this.issued.keys);
    return der(new CertificateList({ tbsCertList, signatureAlgorithm: ecdsa(), signature }));
  }

  #issue(subject: Name, options: CertificateOptions, extensions: readonly Extension[]): Issued {
    const keys = options.keys ?? newKeys();
    const serialNumber = options.serialNumber ?? (this.#serial++).toString(16);
    const issuer = { name: this.#name, keys: this.issued.keys };
    return new Issued(keys, build(issuer, keys, subject, options, serialNumber, extensions));
  }
}

/** A date so many days from now; negative = before. */
export function fromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

export function newKeys(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

export function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function build(
  issuer: { readonly name: Name; readonly keys: KeyPair },
  keys: KeyPair,
  subject: Name,
  options: CertificateOptions,
  serialNumber: string,
  extensions: readonly Extension[],
): Buffer {
  const notBefore = options.notBefore ?? fromNow(-1);
  const notAfter = options.notAfter ?? fromNow(365);
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: integer(serialNumber),
    signature: ecdsa(),
    issuer: issuer.name,
    validity: new Validity({ notBefore, notAfter }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...extensions,
      extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyId(keys))),
      extension(id_ce_authorityKeyIdentifier, false, authorityKey(issuer.keys)),
      ...rawExtensions(options, false),
    ]),
  });
  const signatureValue = signed(tbsCertificate, issuer.keys);
  return der(new Certificate({ tbsCertificate, signatureAlgorithm: ecdsa(), signatureValue }));
}

function authorityExtensions(): Extension[] {
  const usage = new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign);
  return [
    extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: true })),
    extension(id_ce_keyUsage, true, usage),
  ];
}

function leafExtensions(options: CertificateOptions, purpose: string): Extension[] {
  const extensions = [
    extension(id_ce_basicConstraints, true, new BasicConstraints()),
    extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature)),
    extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([purpose])),
  ];
  if (options.rawSubjectAltName !== undefined) {
    const extnValue = new OctetString(options.rawSubjectAltName);
    extensions.push(new Extension({ extnID: id_ce_subjectAltName, critical: false, extnValue }));
  } else if (hasNames(options)) {
    const names = new SubjectAlternativeName(generalNames(options));
    extensions.push(extension(id_ce_subjectAltName, false, names));
  }
  return extensions;
}

function hasNames(options: CertificateOptions): boolean {
  return options.rawSubjectAltName !== undefined || generalNames(options).length > 0;
}

function generalNames(options: CertificateOptions): GeneralName[] {
  return [
    ...(options.dns ?? []).map((dNSName) => new GeneralName({ dNSName })),
    ...(options.email ?? []).map((rfc822Name) => new GeneralName({ rfc822Name })),
    ...(options.uri ?? []).map((uri) => new GeneralName({ uniformResourceIdentifier: uri })),
    ...(options.ip ?? []).map((iPAddress) => new GeneralName({ iPAddress })),
    ...(options.otherNames ?? []),
  ];
}

function subjectOf(options: CertificateOptions, commonName: string): Name {
  const subject = options.subject ?? [['CN', options.commonName ?? commonName] as const];
  return new Name(
    subject.map((entry) => {
      const attributes = isAttribute(entry) ? [entry] : entry;
      return new RelativeDistinguishedName(attributes.map(attribute));
    }),
  );
}

function isAttribute(entry: Attribute | readonly Attribute[]): entry is Attribute {
  return typeof entry[0] === 'string';
}

function attribute([type, value]: Attribute): AttributeTypeAndValue {
  return new AttributeTypeAndValue({
    type: ATTRIBUTES[type] ?? type,
    value: typeof value === 'string' ? new AttributeValue({ utf8String: value }) : value,
  });
}

function extension(extnID: string, critical: boolean, value: unknown): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(der(value)) });
}

function rawExtensions(
  { extensions = [] }: { readonly extensions?: readonly RawExtension[] },
  critical: boolean,
): Extension[] {
  return extensions.map(
    ({ oid, value }) => new Extension({ extnID: oid, critical, extnValue: new OctetString(value) }),
  );
}

function authorityKey(keys: KeyPair): AuthorityKeyIdentifier {
  return new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyId(keys)) });
}

function keyId(keys: KeyPair): Uint8Array {
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
  return new Uint8Array(createHash('sha1').update(spki).digest());
}

function ecdsa(): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
}

function signed(tbs: unknown, keys: KeyPair): ArrayBuffer {
  const signature = sign('sha256', der(tbs), { key: keys.privateKey, dsaEncoding: 'der' });
  return new Uint8Array(signature).buffer;
}

function der(value: unknown): Buffer {
  return Buffer.from(AsnConvert.serialize(value));
}

/** The bytes of a positive INTEGER: a zero in front where the first bit would make it negative. */
function integer(digits: string): ArrayBuffer {
  const bytes = Buffer.from(digits.length % 2 === 1 ? `0${digits}` : digits, 'hex');
  const isNegative = (bytes[0] ?? 0) >= 0x80;
  return new Uint8Array(isNegative ? [0, ...bytes] : bytes).buffer;
}
