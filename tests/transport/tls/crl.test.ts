import { expect, test } from 'vitest';
import { isSignedBy, readCrl } from '../../../src/transport/tls/crl.ts';
import { Authority, fromNow } from '../../support/certificates.ts';

const ca = Authority.root();

test('a list says who issued it, until when it holds, and what it revokes', () => {
  const nextUpdate = new Date('2031-02-03T04:05:06Z');
  const client = ca.client({ serialNumber: 'ff01' });
  const crl = readCrl(ca.crlDer({ revoked: [client, '7f'], nextUpdate }));
  expect(crl.issuer).toBe('CN=Test Root');
  expect(crl.nextUpdate).toEqual(nextUpdate);
  expect(crl.thisUpdate.getTime()).toBeLessThan(Date.now());
  expect([...crl.revokedSerials]).toEqual(['FF01', '7F']);
  expect(crl.revokedSerials.has(client.x509.serialNumber)).toBe(true);
  expect(crl.isPartial).toBe(false);
});

test.each([0, 1, 2, 20_000])('a list of %i entries is read whole', (count) => {
  const revoked = Array.from({ length: count }, (_, i) => (0x100000 + i).toString(16));
  expect(readCrl(ca.crlDer({ revoked })).revokedSerials.size).toBe(count);
});

test('a list that does not say when the next one comes has none', () => {
  expect(readCrl(ca.crlDer({ nextUpdate: null })).nextUpdate).toBeNull();
});

test('a list is signed by the key of its authority only', () => {
  const crl = readCrl(ca.crlDer({ revoked: ['01'] }));
  expect(isSignedBy(crl, ca.issued.x509)).toBe(true);
  expect(isSignedBy(crl, Authority.root().issued.x509)).toBe(false);
});

test('a list that was changed is not signed any more', () => {
  const der = ca.crlDer({ revoked: ['4711'] });
  der[der.indexOf(Buffer.from('4711', 'hex'))] = 0x48;
  const crl = readCrl(der);
  expect([...crl.revokedSerials]).toEqual(['4811']);
  expect(isSignedBy(crl, ca.issued.x509)).toBe(false);
});

test('what is no list is refused', () => {
  const der = ca.crlDer({ revoked: ['01'], nextUpdate: fromNow(1) });
  expect(() => readCrl(ca.issued.der)).toThrow('expected tag');
  expect(() => readCrl(Buffer.concat([der, Buffer.alloc(1)]))).toThrow('bytes follow');
  for (let length = 0; length < der.length; length++) {
    expect(() => readCrl(der.subarray(0, length))).toThrow();
  }
});

test.each([
  ['2.5.29.27', '020101', 'delta CRL'],
  ['2.5.29.28', '30038401ff', 'indirect CRL'],
])('a list with the extension %s is refused, since OpenSSL would not use it', (oid, hex, why) => {
  const extensions = [{ oid, value: Buffer.from(hex, 'hex') }];
  expect(() => readCrl(ca.crlDer({ extensions }))).toThrow(why);
});

test('a list of a part of the certificates says so', () => {
  const extensions = [{ oid: '2.5.29.28', value: Buffer.from('30038101ff', 'hex') }];
  expect(readCrl(ca.crlDer({ extensions })).isPartial).toBe(true);
});
