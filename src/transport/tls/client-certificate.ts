// A certificate as its bytes say it: who it is for, who issued it, the names in it. Read from the DER, never from a printed
// form: a name may hold commas, quotes, NULs and line ends, and whoever splits such a text believes in names that nobody
// certified. It says nothing about trust: OpenSSL has verified a client's certificate before its names count.

import { createHash } from 'node:crypto';
import net from 'node:net';
import { contextTag, DerReader, integerText, readTime, Tag } from './der.ts';
import { cleanText, type DistinguishedName, readName } from './distinguished-name.ts';
import type { IdentityKind } from './options.ts';

export interface ClientCertificate {
  /** As `openssl x509 -nameopt RFC2253` prints it: the most specific part first, printable ASCII only. */
  readonly subject: string;
  /** The most specific one of the subject; null if there is none or it has control characters. */
  readonly commonName: string | null;
  /**
   * The alternative names, in the order of the certificate. If a name of a kind has control characters or what its type
   * does not allow, nothing of that kind is believed: the list is empty.
   */
  readonly sanDns: readonly string[];
  readonly sanEmail: readonly string[];
  readonly sanUri: readonly string[];
  readonly sanIp: readonly string[];
  /** Upper case hexadecimal digits, as node:crypto and OpenSSL print it. */
  readonly serialNumber: string;
  readonly issuer: string;
  /** SHA-256 of the certificate, upper case hexadecimal digits with colons, as node:crypto and OpenSSL print it. */
  readonly fingerprint256: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Whether the whole subject may stand for somebody. */
  readonly isSubjectClean: boolean;
  /** DER */
  readonly raw: Buffer;
}

const SUBJECT_ALT_NAME = Buffer.from([0x55, 0x1d, 0x11]); // 2.5.29.17

/** Reads a certificate, RFC 5280 §4.1. Throws DerError for what is none. */
export function readClientCertificate(raw: Uint8Array): ClientCertificate {
  const outer = new DerReader(raw);
  const certificate = outer.open(Tag.Sequence);
  outer.finish();
  const fields = certificate.open(Tag.Sequence);
  fields.skip(contextTag(0, true)); // version
  const serialNumber = integerText(fields.read(Tag.Integer));
  fields.read(Tag.Sequence); // signature algorithm
  const issuer = readName(fields);
  const validity = fields.open(Tag.Sequence);
  const notBefore = readTime(validity);
  const notAfter = readTime(validity);
  const subject = readName(fields);
  fields.read(Tag.Sequence); // public key
  fields.skip(contextTag(1, false));
  fields.skip(contextTag(2, false));
  const names = new AlternativeNames(alternativeNames(fields));
  return build(raw, { serialNumber, issuer, notBefore, notAfter, subject, names });
}

interface Fields {
  readonly serialNumber: string;
  readonly issuer: DistinguishedName;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subject: DistinguishedName;
  readonly names: AlternativeNames;
}

function build(raw: Uint8Array, fields: Fields): ClientCertificate {
  const digest = createHash('sha256').update(raw).digest('hex').toUpperCase();
  return {
    subject: fields.subject.text,
    commonName: fields.subject.commonName,
    sanDns: fields.names.list('dns'),
    sanEmail: fields.names.list('email'),
    sanUri: fields.names.list('uri'),
    sanIp: fields.names.list('ip'),
    serialNumber: fields.serialNumber,
    issuer: fields.issuer.text,
    fingerprint256: (digest.match(/../g) ?? []).join(':'),
    notBefore: fields.notBefore,
    notAfter: fields.notAfter,
    isSubjectClean: fields.subject.isClean,
    raw: Buffer.from(raw),
  };
}

/**
 * Who the certificate is by the kind that the configuration names: the first alternative name of that kind, the most specific
 * common name, or the whole subject. Null where there is none, or it may not stand for somebody (control characters, line
 * ends, broken text): such a client has no identity, it gets no other one.
 */
export function identityOf(certificate: ClientCertificate, kind: IdentityKind): string | null {
  switch (kind) {
    case 'none':
      return null;
    case 'cn':
      return certificate.commonName;
    case 'subject':
      return certificate.isSubjectClean && certificate.subject !== '' ? certificate.subject : null;
    case 'san-dns':
      return certificate.sanDns[0] ?? null;
    case 'san-email':
      return certificate.sanEmail[0] ?? null;
    case 'san-uri':
      return certificate.sanUri[0] ?? null;
    case 'san-ip':
      return certificate.sanIp[0] ?? null;
  }
}

/** The value of the extension: null if there is none, or more than one, which RFC 5280 §4.2 forbids. */
function alternativeNames(fields: DerReader): Uint8Array | null {
  if (fields.nextTag !== contextTag(3, true)) return null;
  const extensions = fields.open(contextTag(3, true)).open(Tag.Sequence);
  let found: Uint8Array | null = null;
  let count = 0;
  while (!extensions.isAtEnd) {
    const extension = extensions.open(Tag.Sequence);
    const isNames = SUBJECT_ALT_NAME.equals(extension.read(Tag.ObjectIdentifier));
    extension.skip(Tag.Boolean); // critical
    const value = extension.read(Tag.OctetString);
    if (!isNames) continue;
    found = value;
    count++;
  }
  return count === 1 ? found : null;
}

type NameType = 'dns' | 'email' | 'uri' | 'ip';

/** GeneralNames, RFC 5280 §4.2.1.6, of the four kinds that can be somebody. */
class AlternativeNames {
  readonly #names = new Map<NameType, string[]>();
  readonly #refused = new Set<NameType>();

  /** What does not read as such an extension has no names. */
  constructor(extension: Uint8Array | null) {
    if (extension === null) return;
    try {
      const outer = new DerReader(extension);
      const names = outer.open(Tag.Sequence);
      outer.finish();
      while (!names.isAtEnd) this.#read(names);
    } catch {
      this.#names.clear();
    }
  }

  list(type: NameType): readonly string[] {
    return this.#refused.has(type) ? [] : (this.#names.get(type) ?? []);
  }

  #read(names: DerReader): void {
    switch (names.nextTag) {
      case contextTag(1, false):
        this.#add('email', ascii(names.read(contextTag(1, false))));
        break;
      case contextTag(2, false):
        this.#add('dns', ascii(names.read(contextTag(2, false))));
        break;
      case contextTag(6, false):
        this.#add('uri', ascii(names.read(contextTag(6, false))));
        break;
      case contextTag(7, false):
        this.#add('ip', address(names.read(contextTag(7, false))));
        break;
      default:
        names.element(); // other kinds are nobody
    }
  }

  #add(type: NameType, name: string | null): void {
    const names = this.#names.get(type);
    if (name === null) this.#refused.add(type);
    else if (names === undefined) this.#names.set(type, [name]);
    else names.push(name);
  }
}

/** An IA5String that may stand for somebody. */
function ascii(content: Uint8Array): string | null {
  return content.every((byte) => byte < 0x80)
    ? cleanText(Buffer.from(content).toString('latin1'))
    : null;
}

/** `192.0.2.1` or `2001:db8::1`, the shortest form; null for anything but 4 or 16 bytes. */
function address(content: Uint8Array): string | null {
  if (content.length === 4) return content.join('.');
  if (content.length !== 16) return null;
  const groups = Buffer.from(content).toString('hex').match(/.{4}/g) ?? [];
  const { address } = new net.SocketAddress({ family: 'ipv6', address: groups.join(':') });
  return address;
}
