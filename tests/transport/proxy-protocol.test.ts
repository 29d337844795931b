import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PROXY_HEADER_BYTES_MAX, type ProxyHeader } from '../../src/transport/proxy-header.ts';
import { readProxyHeader } from '../../src/transport/proxy-protocol.ts';
import { hex, toHex } from '../kit/hex.ts';
import { runs } from '../kit/runs.ts';

const SIGNATURE = '0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a';
/** 192.0.2.1:4711 to 192.0.2.2:1883 over TCP, and the rest of the header. */
const IPV4 = 'c0000201 c0000202 1267 075b';
const IPV6 = '20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002 1267 075b';

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A record of version 2. */
function record(type: number, value: Uint8Array): Uint8Array {
  return join(Uint8Array.of(type, value.length >>> 8, value.length & 0xff), value);
}

/** A header of version 2; `kind` is its version, command, family and protocol. */
function v2(kind: string, address: string, ...records: Uint8Array[]): Uint8Array {
  const rest = join(hex(address), ...records);
  return join(
    hex(`${SIGNATURE} ${kind}`),
    Uint8Array.of(rest.length >>> 8, rest.length & 0xff),
    rest,
  );
}

/** What HAProxy's send-proxy-v2-ssl-cn says: flags, result, then records. */
function tls(flags: number, verify: string, ...records: Uint8Array[]): Uint8Array {
  return record(0x20, join(Uint8Array.of(flags), hex(verify), ...records));
}

/** CRC-32C once more, bit by bit. */
function checksum(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** The header with its checksum, whose record must be `03 0004 00000000`. */
function withChecksum(header: Uint8Array): Uint8Array {
  const at = Buffer.from(header).indexOf(Buffer.from('03000400000000', 'hex')) + 3;
  const signed = Uint8Array.from(header);
  new DataView(signed.buffer).setUint32(at, checksum(header));
  return signed;
}

const SUM = record(0x03, new Uint8Array(4));

function read(bytes: Uint8Array, bytesMax?: number) {
  return readProxyHeader(bytes, bytes.length, bytesMax);
}

function header(bytes: Uint8Array): ProxyHeader {
  const result = read(bytes);
  if (result.kind !== 'header') throw new Error(JSON.stringify(result));
  return result;
}

function why(bytes: Uint8Array, bytesMax?: number): string {
  const result = read(bytes, bytesMax);
  if (result.kind !== 'invalid') throw new Error(JSON.stringify(result));
  return result.why;
}

const nothingElse = {
  unixPath: null,
  tls: null,
  alpn: null,
  authority: null,
  uniqueId: null,
  networkNamespace: null,
};

describe('what is no header', () => {
  test.each([
    ['10 0c 0004', 'begins with 0x10 (an MQTT CONNECT). The balancer must send the header'],
    ['16 0301', 'begins with 0x16 (a TLS handshake)'],
    ['47 4554', 'begins with 0x47 (an HTTP request)'],
    ['00', 'begins with 0x00. The balancer'],
    ["'PRO' 00", 'byte 4 is 0x00, where version 1 of the protocol has 0x58'],
    ['0d 0a 0d 0a 0d', 'byte 5 is 0x0d, where version 2 of the protocol has 0x00'],
    ['0d 0a 0d 0a 00 0d 0a 51 55 49 54 00', 'byte 12 is 0x00'],
  ])('%s is refused at once', (bytes, message) => {
    expect(why(hex(bytes))).toContain(`no PROXY header: `);
    expect(why(hex(bytes))).toContain(message);
  });

  test('nothing is not refused yet', () => {
    expect(readProxyHeader(hex('10'), 0)).toEqual({ kind: 'more' });
  });
});

describe('version 1', () => {
  test.each([
    ['PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n', '192.0.2.1', 4711],
    ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', '255.255.255.255', 65_535],
    ['PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n', '0.0.0.0', 0],
    ['PROXY TCP6 2001:DB8:0::1 2001:db8::2 4711 1883\r\n', '2001:db8::1', 4711],
    ['PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n', '192.0.2.1', 1],
    [
      `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
      `${'ffff:'.repeat(7)}ffff`,
      65_535,
    ],
  ])('%j', (line, address, port) => {
    expect(read(ascii(line))).toEqual({
      kind: 'header',
      version: 1,
      bytes: line.length,
      source: { address, port },
      ...nothingElse,
    });
  });

  test.each([
    'PROXY UNKNOWN\r\n',
    'PROXY UNKNOWN \r\n',
    'PROXY UNKNOWN 192.0.2.1 192.0.2.2 4711 1883\r\n',
    'PROXY UNKNOWN \r \n \xff anything\r\n',
    `PROXY UNKNOWN ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`, // 107 bytes
  ])('%j says nothing', (line) => {
    expect(read(ascii(line))).toEqual({
      kind: 'header',
      version: 1,
      bytes: line.length,
      source: null,
      ...nothingElse,
    });
  });

  test.each([
    'PROXY\r\n',
    'PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n',
    'PROXY TCP4 1.2.3.4\t1.2.3.4 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n',
    'PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY UNKNOWN\rx\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\xb9\r\n',
  ])('%j is refused', (line) => {
    expect(why(ascii(line))).toMatch(/^PROXY header of version 1: "PROXY.*" is not "PROXY TCP4/);
  });

  test.each([
    ['PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n', '"1.2.3.04" is no IPv4 address, as TCP4 says'],
    ['PROXY TCP4 1.2.3.4 1.2.3.256 1 2\r\n', '"1.2.3.256" is no IPv4 address'],
    ['PROXY TCP4 ::1 1.2.3.4 1 2\r\n', '"::1" is no IPv4 address'],
    ['PROXY TCP6 1.2.3.4 ::1 1 2\r\n', '"1.2.3.4" is no IPv6 address, as TCP6 says'],
    ['PROXY TCP6 ::1 ::1::1 1 2\r\n', '"::1::1" is no IPv6 address'],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n', '65536 is no port'],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n', '65536 is no port'],
  ])('%j is refused: … %s', (line, message) => {
    expect(why(ascii(line))).toContain(message);
  });

  test('a lone LF is refused when it comes, a lone CR when the line is complete', () => {
    expect(why(ascii('PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n'))).toContain('must end with CR LF');
    expect(why(ascii('PROXY UNKNOWN\n'))).toContain('must end with CR LF');
    expect(read(ascii('PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r')).kind).toBe('more');
    expect(read(ascii('PROXY UNKNOWN x\n')).kind).toBe('more');
  });

  test('a line may have 107 bytes, and not one more', () => {
    const long = `PROXY UNKNOWN ${'x'.repeat(200)}`;
    const line = (bytes: number) => ascii(`${long.slice(0, bytes - 2)}\r\n`);
    expect(header(line(107)).bytes).toBe(107);
    expect(read(line(108).subarray(0, 106)).kind).toBe('more');
    expect(why(line(108).subarray(0, 107))).toContain('not ended with CR LF after 107 bytes');
    expect(why(line(108))).toContain('not ended with CR LF after 107 bytes');
  });
});

describe('version 2', () => {
  test.each([
    ['TCP over IPv4', v2('21 11', IPV4), '192.0.2.1'],
    ['TCP over IPv6', v2('21 21', IPV6), '2001:db8::1'],
    [
      'an IPv4 client of an IPv6 listener',
      v2('21 21', `00000000 00000000 0000ffff c0000201 ${IPV6.slice(36)}`),
      '192.0.2.1',
    ],
  ])('%s', (_, bytes, address) => {
    expect(read(bytes)).toEqual({
      kind: 'header',
      version: 2,
      bytes: bytes.length,
      source: { address, port: 4711 },
      ...nothingElse,
    });
  });

  test.each([
    ['LOCAL', v2('20 00', '')],
    ['LOCAL with addresses, which are not looked at', v2('20 11', IPV4)],
    ['LOCAL with a family that there is not', v2('20 f7', '01 02')],
    ['no family', v2('21 00', '')],
    ['no family, and what only its sender understands', v2('21 00', 'ff ff')],
    ['a family, but no protocol', v2('21 10', IPV4)],
    ['UDP', v2('21 12', IPV4)],
    ['no family, but a protocol', v2('21 01', '')],
  ])('%s: the address of the socket counts', (_, bytes) => {
    const expected = { kind: 'header', version: 2, bytes: bytes.length, source: null };
    expect(read(bytes)).toEqual({ ...expected, ...nothingElse });
  });

  test('a client on a unix socket has a path, or none', () => {
    const path = (text: string) => toHex(join(ascii(text), new Uint8Array(108 - text.length)));
    const none = path('');
    expect(header(v2('21 31', `${path('/run/x.sock')} ${none}`)).unixPath).toBe('/run/x.sock');
    expect(header(v2('21 31', `${path('a'.repeat(108))} ${none}`)).unixPath).toBe('a'.repeat(108));
    const unnamed = header(v2('21 31', `${none} ${none}`, record(0x01, ascii('mqtt'))));
    expect(unnamed).toMatchObject({ unixPath: null, source: null, alpn: 'mqtt' });
  });

  test.each([
    [`${SIGNATURE} 11`, 'its version is 1, and must be 2'],
    [`${SIGNATURE} 22`, 'its command is 2, and must be 0 (LOCAL) or 1 (PROXY)'],
    [`${SIGNATURE} 21 41`, '0x41 is no address family'],
    [`${SIGNATURE} 21 13`, '0x13 is no address family'],
    [`${SIGNATURE} 21 11 000b`, 'it has 27 bytes, too few for the addresses of its family 0x11'],
    [`${SIGNATURE} 21 21 0023`, 'it has 51 bytes, too few'],
    [`${SIGNATURE} 21 31 00d7`, 'it has 231 bytes, too few'],
    [`${SIGNATURE} 21 11 0ff1`, 'it has 4097 bytes, and may have 4096'],
    [`${SIGNATURE} 20 00 ffff`, 'it has 65551 bytes, and may have 4096'],
  ])('%s is refused with its last byte', (bytes, message) => {
    expect(why(hex(bytes))).toContain(`PROXY header of version 2: ${message}`);
    expect(read(hex(bytes).subarray(0, hex(bytes).length - 1)).kind).toBe('more');
  });

  test('the largest header may be as large as the bound, and the bound be another', () => {
    const large = v2('21 11', IPV4, record(0x04, new Uint8Array(PROXY_HEADER_BYTES_MAX - 28 - 3)));
    expect(header(large).bytes).toBe(4_096);
    expect(why(large, 4_095)).toContain('it has 4096 bytes, and may have 4095');
    expect(read(v2('21 11', IPV4), 28).kind).toBe('header');
    expect(read(v2('21 11', IPV4), 27).kind).toBe('invalid');
  });
});

describe('the records of version 2', () => {
  test('what HAProxy can send is read, what is not known is skipped', () => {
    const bytes = withChecksum(
      v2(
        '21 11',
        IPV4,
        record(0xea, hex('01 02 03')), // of one vendor
        SUM,
        record(0x01, ascii('mqtt')),
        record(0x02, ascii('hub.example')),
        record(0x05, ascii('0A:12')),
        tls(
          0x07,
          '00000000',
          record(0x21, ascii('TLSv1.3')),
          record(0x22, ascii('sensor-7')),
          record(0x23, ascii('TLS_AES_128_GCM_SHA256')),
          record(0x24, ascii('RSA-SHA256')),
          record(0x28, hex('30 00')),
        ),
        record(0x30, ascii('blue')),
        record(0x04, new Uint8Array(0)),
        record(0x04, hex('00')),
      ),
    );
    expect(header(bytes)).toEqual({
      kind: 'header',
      version: 2,
      bytes: bytes.length,
      source: { address: '192.0.2.1', port: 4711 },
      unixPath: null,
      alpn: 'mqtt',
      authority: 'hub.example',
      uniqueId: '0A:12',
      networkNamespace: 'blue',
      tls: {
        isTls: true,
        isCertificateVerified: true,
        version: 'TLSv1.3',
        cipher: 'TLS_AES_128_GCM_SHA256',
        commonName: 'sensor-7',
        certificate: hex('30 00'),
      },
    });
  });

  test.each([
    ['a certificate on this connection', 0x03, '00000000', true],
    ['on an earlier one of the session', 0x05, '00000000', true],
    ['on both', 0x07, '00000000', true],
    ['none, and 0 as the result', 0x01, '00000000', false],
    ['one that is not verified', 0x07, '00000013', false],
    ['one whose result has only high bits', 0x07, '01000000', false],
    ['one without TLS', 0x06, '00000000', false],
  ])('%s: the name counts or not', (_, flags, verify, isVerified) => {
    const name = [record(0x22, ascii('sensor-7')), record(0x28, hex('30 00'))];
    const found = header(v2('21 11', IPV4, tls(flags, verify, ...name))).tls;
    expect(found?.isCertificateVerified).toBe(isVerified);
    expect(found?.commonName).toBe(isVerified ? 'sensor-7' : null);
    expect(found?.certificate ?? null).toEqual(isVerified ? hex('30 00') : null);
  });

  test('a client without TLS has nothing of TLS, whatever the balancer adds', () => {
    const version = [record(0x21, ascii('TLSv1.3')), record(0x23, ascii('x'))];
    expect(header(v2('21 11', IPV4, tls(0x00, '00000000', ...version))).tls).toEqual({
      isTls: false,
      isCertificateVerified: false,
      version: null,
      cipher: null,
      commonName: null,
      certificate: null,
    });
  });

  test('the certificate is a copy, also from a Buffer', () => {
    const bytes = Buffer.from(v2('21 11', IPV4, tls(0x07, '00000000', record(0x28, hex('30 00')))));
    const found = header(bytes).tls;
    bytes.fill(0xff);
    expect(found?.certificate).toEqual(hex('30 00'));
  });

  test('empty values are as good as none; a unique id that is no text is shown as hex', () => {
    const empty = [0x01, 0x02, 0x05, 0x30].map((type) => record(type, new Uint8Array(0)));
    expect(header(v2('21 11', IPV4, ...empty))).toMatchObject(nothingElse);
    expect(header(v2('21 11', IPV4, record(0x05, hex('00 ff')))).uniqueId).toBe('0x00ff');
    expect(header(v2('21 11', IPV4, record(0x05, ascii('x'.repeat(128))))).uniqueId).toHaveLength(
      128,
    );
  });

  test('names may have any letters', () => {
    const name = new TextEncoder().encode('Büro 東京');
    expect(header(v2('21 11', IPV4, record(0x02, name))).authority).toBe('Büro 東京');
  });

  const shortTls = record(0x20, hex('01 00000000 21 0002 41')); // a record of two bytes that has one
  test.each([
    ['a head that is cut', hex('04 00'), '2 bytes are left after its last record'],
    ['a value that is cut', hex('04 0002 00'), '0x04 has a length of 2 bytes, and 1 are left'],
    ['an unknown one that is cut', hex('ee ffff 00'), '0xee has a length of 65535 bytes'],
    ['one that is cut inside of another', shortTls, '0x21 has a length of 2 bytes, and 1 are left'],
    ['a head that is cut inside', record(0x20, hex('01 00000000 21')), '1 bytes are left'],
    ['TLS without its head', record(0x20, hex('01 000000')), '0x20 has 4 bytes, and must have 5'],
    ['a name that is not UTF-8', record(0x02, hex('c3 28')), '0x02 is not UTF-8'],
    ['a name with a line feed', record(0x02, hex('61 0a')), 'has control characters'],
    ['a name with a C1 control', record(0x02, hex('c2 9b')), 'has control characters'],
    ['a protocol with NUL', record(0x01, hex('61 00')), '0x01 is not UTF-8 or has control'],
    [
      'a common name with NUL',
      tls(0x07, '00000000', record(0x22, hex('61 00 62'))),
      '0x22 is not UTF-8 or has control characters',
    ],
    ['a long unique id', record(0x05, new Uint8Array(129)), '129 bytes, and may have 128'],
    ['a short checksum', record(0x03, new Uint8Array(3)), 'has 3 bytes, and must have 4'],
    ['a wrong checksum', record(0x03, hex('00000001')), 'its checksum (CRC-32C) is 0x1, but'],
    ['two names', join(record(0x02, hex('61')), record(0x02, hex('62'))), '0x02 comes twice'],
    ['two empty names', join(record(0x02, hex('')), record(0x02, hex(''))), '0x02 comes twice'],
    ['two of TLS', join(tls(1, '00000000'), tls(1, '00000000')), '0x20 comes twice'],
    [
      'two common names',
      tls(0x07, '00000000', record(0x22, ascii('a')), record(0x22, ascii('b'))),
      '0x22 comes twice',
    ],
    ['two unique ids', join(record(0x05, hex('61')), record(0x05, hex('61'))), 'comes twice'],
  ])('%s: refused', (_, records, message) => {
    expect(why(v2('21 11', IPV4, records))).toContain(message);
  });

  test('a second checksum is refused, even if it were right', () => {
    expect(why(withChecksum(v2('21 11', IPV4, SUM, SUM)))).toContain('comes twice');
  });
});

describe('in any pieces', () => {
  const headers: Uint8Array[] = [
    ascii('PROXY TCP4 192.0.2.1 192.0.2.2 4711 1883\r\n'),
    ascii('PROXY UNKNOWN\r\n'),
    v2('21 11', IPV4),
    v2('20 00', ''),
    withChecksum(v2('21 21', IPV6, SUM, record(0x02, ascii('hub')), tls(0x01, '00000000'))),
  ];

  test('a header is complete with its last byte, and what follows changes nothing', () => {
    for (const bytes of headers) {
      for (let length = 0; length < bytes.length; length++) {
        expect(readProxyHeader(bytes, length)).toEqual({ kind: 'more' });
      }
      const whole = header(bytes);
      expect(whole.bytes).toBe(bytes.length);
      expect(header(join(bytes, hex('10 0c 0004')))).toEqual(whole);
      // A buffer longer than what is in it.
      expect(readProxyHeader(join(bytes, new Uint8Array(500)), bytes.length)).toEqual(whole);
    }
  });

  test('what is refused stays refused, and nothing throws', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.constantFrom(...headers), fc.nat(), fc.nat(255))
        .map(([bytes, at, byte]) =>
          Uint8Array.from(bytes).fill(byte, at % bytes.length, (at % bytes.length) + 1),
        ),
      fc
        .tuple(
          fc.uint8Array({ maxLength: 60 }),
          fc.constantFrom('21 11', '21 21', '21 31', '20 00'),
        )
        .map(([rest, kind]) => v2(kind, kind === '21 11' ? IPV4 : '', rest)),
    );
    fc.assert(
      fc.property(noise, fc.uint8Array({ maxLength: 20 }), (bytes, tail) => {
        const all = join(bytes, tail);
        let last = readProxyHeader(all, 0);
        for (let length = 1; length <= all.length; length++) {
          const result = readProxyHeader(all, length);
          if (last.kind === 'header') expect(result).toEqual(last);
          else if (last.kind === 'invalid') expect(result.kind).toBe('invalid');
          else if (result.kind === 'header') expect(result.bytes).toBe(length);
          last = result;
        }
      }),
      { numRuns: runs(500) },
    );
  });

  test('a checksum finds any byte of the addresses that changed', () => {
    const bytes = withChecksum(v2('21 21', IPV6, SUM));
    for (let at = 16; at < 52; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Uint8Array.from(bytes);
        changed[at] ^= 1 << bit;
        expect(why(changed)).toContain('its checksum (CRC-32C) is');
      }
    }
  });
});
