import { X509Certificate } from 'node:crypto';
import { AttributeValue, GeneralName } from '@peculiar/asn1-x509';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  identityOf,
  readClientCertificate,
} from '../../../src/transport/tls/client-certificate.ts';
import { runs } from '../../kit/runs.ts';
import { Authority, type CertificateOptions, newKeys } from '../../support/certificates.ts';

const ca = Authority.root();

function read(options: CertificateOptions) {
  return readClientCertificate(ca.client(options).der);
}

test('a certificate says what node:crypto says of it', () => {
  const { der } = ca.client({ commonName: 'sensor-1', serialNumber: 'ff01' });
  const x509 = new X509Certificate(der);
  const certificate = readClientCertificate(der);
  expect(certificate.serialNumber).toBe('FF01');
  expect(certificate.serialNumber).toBe(x509.serialNumber);
  expect(certificate.fingerprint256).toBe(x509.fingerprint256);
  expect(certificate.notAfter.getTime()).toBe(Date.parse(x509.validTo));
  expect(certificate.notBefore.getTime()).toBe(Date.parse(x509.validFrom));
  expect(certificate.issuer).toBe('CN=Test Root');
  expect(certificate.raw.equals(der)).toBe(true);
});

test.each(['0', '7f', '80', '0100', 'ffffffffffffffffffffffffffffffffffffffff'])(
  'the serial number %s is written as node:crypto writes it',
  (serialNumber) => {
    const { der } = ca.client({ serialNumber });
    expect(readClientCertificate(der).serialNumber).toBe(new X509Certificate(der).serialNumber);
  },
);

test('dates beyond 2049 have another form, and are read', () => {
  const notAfter = new Date('9999-12-31T23:59:59Z');
  expect(read({ notAfter }).notAfter).toEqual(notAfter);
});

describe('the subject', () => {
  // What `openssl x509 -nameopt RFC2253` prints for the same certificates.
  test.each<[string, CertificateOptions['subject'], string]>([
    [
      'most specific first',
      [
        ['C', 'DE'],
        ['O', 'Works'],
        ['CN', 'sensor-1'],
      ],
      'CN=sensor-1,O=Works,C=DE',
    ],
    [
      'parts of one level joined by +',
      [
        ['O', 'W'],
        [
          ['CN', 'a'],
          ['OU', 'b'],
        ],
      ],
      'OU=b+CN=a,O=W',
    ],
    ['separators escaped', [['CN', 'a,b+c"d\\e<f>g;h=i']], 'CN=a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i'],
    ['blanks at the edges escaped', [['CN', ' a b ']], 'CN=\\ a b\\ '],
    ['a leading # escaped', [['CN', '#a#']], 'CN=\\#a#'],
    ['NUL and line ends escaped', [['CN', 'a\0b\nc']], 'CN=a\\00b\\0Ac'],
    ['what is not ASCII as bytes', [['CN', 'Müller']], 'CN=M\\C3\\BCller'],
    ['an unknown type as number and bytes', [['1.2.3.4', 'ab']], '1.2.3.4=#0C026162'],
    ['an empty value', [['CN', '']], 'CN='],
    ['no part at all', [], ''],
  ])('is printed as OpenSSL does: %s', (_what, subject, text) => {
    expect(read({ subject }).subject).toBe(text);
  });

  test.each<[string, AttributeValue]>([
    ['PrintableString', new AttributeValue({ printableString: 'Zoe' })],
    ['UTF8String', new AttributeValue({ utf8String: 'Zoe' })],
    ['BMPString', new AttributeValue({ bmpString: 'Zoe' })],
    ['TeletexString', new AttributeValue({ teletexString: 'Zoe' })],
    ['UniversalString', new AttributeValue({ universalString: 'Zoe' })],
    ['IA5String', new AttributeValue({ ia5String: 'Zoe' })],
  ])('may be a %s', (_type, value) => {
    const certificate = read({ subject: [['CN', value]] });
    expect(certificate.commonName).toBe('Zoe');
    expect(certificate.subject).toBe('CN=Zoe');
  });

  test('of a byte sequence that is no UTF-8 is printed as bytes and is nobody', () => {
    const anyValue = new Uint8Array([0x0c, 0x02, 0xc3, 0x28]).buffer;
    const certificate = read({ subject: [['CN', new AttributeValue({ anyValue })]] });
    expect(certificate.subject).toBe('CN=#0C02C328');
    expect(identityOf(certificate, 'cn')).toBeNull();
    expect(identityOf(certificate, 'subject')).toBeNull();
  });
});

describe('who a certificate is', () => {
  test('the kind that is asked for, the first alternative name of it', () => {
    const certificate = read({
      subject: [
        ['O', 'Works'],
        ['CN', 'sensor-1'],
      ],
      dns: ['a.example.com', 'b.example.com'],
      email: ['a@example.com'],
      uri: ['urn:dev:1'],
      ip: ['192.0.2.1', '2001:db8::1'],
    });
    expect(identityOf(certificate, 'none')).toBeNull();
    expect(identityOf(certificate, 'cn')).toBe('sensor-1');
    expect(identityOf(certificate, 'subject')).toBe('CN=sensor-1,O=Works');
    expect(identityOf(certificate, 'san-dns')).toBe('a.example.com');
    expect(identityOf(certificate, 'san-email')).toBe('a@example.com');
    expect(identityOf(certificate, 'san-uri')).toBe('urn:dev:1');
    expect(identityOf(certificate, 'san-ip')).toBe('192.0.2.1');
    expect(certificate.sanIp).toEqual(['192.0.2.1', '2001:db8::1']);
  });

  test('nobody, if it has none of that kind', () => {
    const certificate = read({ subject: [] });
    for (const kind of ['cn', 'subject', 'san-dns', 'san-email', 'san-uri', 'san-ip'] as const) {
      expect(identityOf(certificate, kind)).toBeNull();
    }
  });

  test('of several common names the most specific one', () => {
    expect(
      read({
        subject: [
          ['CN', 'fleet'],
          ['CN', 'truck-7'],
        ],
      }).commonName,
    ).toBe('truck-7');
  });

  test('a name with commas, quotes and what looks like another name is one name', () => {
    const name = 'a", DNS:admin.example.com, CN=admin';
    const certificate = read({ subject: [['CN', name]], dns: [name], uri: [name], email: [name] });
    expect(certificate.commonName).toBe(name);
    expect(certificate.sanDns).toEqual([name]);
    expect(certificate.sanUri).toEqual([name]);
    expect(certificate.sanEmail).toEqual([name]);
  });

  test.each([
    ['NUL', 'admin\0.evil.example'],
    ['a line feed', 'admin\nevil'],
    ['a C1 control character', 'admin\u0085'],
    ['DEL', 'admin\x7f'],
    ['nothing', ''],
  ])('a name with %s in it is nobody', (_what, name) => {
    const certificate = read({ subject: [['CN', name]], dns: [name], uri: [name], email: [name] });
    for (const kind of ['cn', 'san-dns', 'san-uri', 'san-email'] as const) {
      expect(identityOf(certificate, kind)).toBeNull();
    }
  });

  test('a subject with a control character in any part is nobody, while its text stays printable', () => {
    const certificate = read({
      subject: [
        ['O', 'a\nb'],
        ['CN', 'ok'],
      ],
    });
    expect(identityOf(certificate, 'subject')).toBeNull();
    expect(identityOf(certificate, 'cn')).toBe('ok');
    expect(certificate.subject).toBe('CN=ok,O=a\\0Ab');
  });

  test('one bad name of a kind takes all of that kind, and no other', () => {
    const certificate = read({ dns: ['bad\0', 'good'], uri: ['urn:dev:1'] });
    expect(certificate.sanDns).toEqual([]);
    expect(certificate.sanUri).toEqual(['urn:dev:1']);
  });

  test('bytes beyond ASCII are no DNS name, and a network is no address', () => {
    const certificate = read({ dns: ['m\u00fcller'], ip: ['192.0.2.0/24'] });
    expect(certificate.sanDns).toEqual([]);
    expect(certificate.sanIp).toEqual([]);
  });

  test('names of other kinds are passed over', () => {
    const otherNames = [new GeneralName({ registeredID: '1.2.3' })];
    expect(read({ otherNames, dns: ['a'] }).sanDns).toEqual(['a']);
  });

  test('alternative names that are there twice are none', () => {
    const value = Buffer.from('3003820161', 'hex');
    const extensions = [{ oid: '2.5.29.17', value }];
    expect(read({ extensions }).sanDns).toEqual(['a']);
    expect(read({ dns: ['b'], extensions }).sanDns).toEqual([]);
  });

  test.each([
    ['cut off', [0x30, 0x05, 0x82, 0x01]],
    ['followed by more', [0x30, 0x03, 0x82, 0x01, 0x61, 0x00]],
    ['of indefinite length', [0x30, 0x80, 0x82, 0x01, 0x61, 0x00, 0x00]],
    ['no sequence', [0x82, 0x01, 0x61]],
  ])('alternative names that are %s are none', (_what, bytes) => {
    const rawSubjectAltName = new Uint8Array(bytes);
    expect(read({ rawSubjectAltName, commonName: 'a' })).toMatchObject({
      sanDns: [],
      commonName: 'a',
    });
  });

  test('any text without control characters comes back as it went in', () => {
    const keys = newKeys();
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(text, (name) => {
        const isClean = !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name);
        const certificate = read({ subject: [['CN', name]], keys });
        expect(certificate.commonName).toBe(isClean ? name : null);
        expect(certificate.subject).toMatch(/^[\x20-\x7e]*$/);
      }),
      { numRuns: runs(25) },
    );
  });
});

describe('what is no certificate is refused', () => {
  const { der } = ca.client();

  test('nothing, text, and a certificate with a byte more', () => {
    expect(() => readClientCertificate(Buffer.alloc(0))).toThrow('end in the middle');
    expect(() => readClientCertificate(Buffer.from('text'))).toThrow('expected tag 0x30');
    expect(() => readClientCertificate(Buffer.concat([der, Buffer.alloc(1)]))).toThrow(
      'bytes follow',
    );
  });

  test('a certificate cut off anywhere', () => {
    for (let length = 0; length < der.length; length++) {
      expect(() => readClientCertificate(der.subarray(0, length))).toThrow();
    }
  });

  test('any byte changed is read or refused with a DerError, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = Buffer.from(der);
        changed[at] = byte;
        try {
          readClientCertificate(changed);
        } catch (error) {
          expect((error as Error).name).toBe('DerError');
        }
      }),
      { numRuns: runs(1_000) },
    );
  });
});
