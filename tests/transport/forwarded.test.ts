import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressRanges } from '../../src/lib/address.ts';
import { type ForwardedHeader, realAddress } from '../../src/transport/forwarded.ts';
import { runs } from '../kit/runs.ts';

/** Our proxies. */
const trusted = new AddressRanges(['10.0.0.0/8', 'fd00::/8']);
const PEER = '10.0.0.1';

describe.each<ForwardedHeader>(['x-forwarded-for', 'forwarded'])('%s', (header) => {
  const element = (address: string) => (header === 'forwarded' ? `for=${address}` : address);

  test('of a peer that is not trusted is ignored', () => {
    expect(realAddress(header, element('9.9.9.9'), '192.0.2.1', trusted)).toBe('192.0.2.1');
    expect(realAddress(header, element('9.9.9.9'), '::ffff:192.0.2.1', trusted)).toBe('192.0.2.1');
    expect(realAddress(header, element('9.9.9.9'), PEER, new AddressRanges([]))).toBe(PEER);
  });

  test('that is missing or empty leaves the peer', () => {
    for (const values of [undefined, '', ' ', ',', ' , ']) {
      expect(realAddress(header, values, '::ffff:10.0.0.1', trusted)).toBe(PEER);
    }
  });

  test('of a proxy on a unix socket counts if unix sockets are trusted', () => {
    const local = new AddressRanges(['unix']);
    expect(realAddress(header, element('9.9.9.9'), '', local)).toBe('9.9.9.9');
    expect(realAddress(header, element('9.9.9.9'), '', trusted)).toBe('');
  });

  test('names the first address from the right that is not trusted', () => {
    const values = ['1.1.1.1', '2.2.2.2', '10.0.0.3', '10.0.0.2'].map(element).join(', ');
    expect(realAddress(header, values, PEER, trusted)).toBe('2.2.2.2');
  });

  test('names the leftmost address if all are trusted', () => {
    const values = ['10.0.0.4', '10.0.0.3', '10.0.0.2'].map(element).join(',');
    expect(realAddress(header, values, PEER, trusted)).toBe('10.0.0.4');
  });

  test.each(['unknown', '_hidden', 'localhost', '10.0.0', '"', 'a b', '', ';', '10.0.0.9 x'])(
    'stops at %j, and the last address before it counts',
    (garbage) => {
      const values = ['2.2.2.2', garbage, '10.0.0.3'].map(element).join(', ');
      expect(realAddress(header, values, PEER, trusted)).toBe('10.0.0.3');
      expect(realAddress(header, element(garbage), PEER, trusted)).toBe(PEER);
    },
  );

  test('nothing that the client sent changes what the proxy appended', () => {
    const piece = fc.constantFrom(
      ...['"', '\\', ',', ';', '=', 'for=', 'For="', '10.0.0.7', '1.1.1.1', '[', ']', '::', ' '],
    );
    const sent = fc.oneof(
      fc.array(piece, { maxLength: 20 }).map((parts) => parts.join('')),
      fc.string(),
    );
    fc.assert(
      fc.property(sent, (text) => {
        const values = `${text}, ${element('2.2.2.2')}, ${element('10.0.0.3')}`;
        expect(realAddress(header, values, PEER, trusted)).toBe('2.2.2.2');
      }),
      { numRuns: runs(2_000) },
    );
  });

  test('agrees with the rule, read from the left', () => {
    const address = fc.constantFrom('10.0.0.2', '10.9.9.9', 'fd00::1', '1.1.1.1', '2001:db8::1');
    const plain = (one: string) => (one.includes(':') ? `"[${one}]"` : one);
    fc.assert(
      fc.property(fc.array(address, { maxLength: 8 }), (hops) => {
        const chain = [...hops, PEER];
        const client = chain.findLastIndex((hop) => !trusted.has(hop));
        const written = hops.map(header === 'forwarded' ? (hop) => `for=${plain(hop)}` : String);
        expect(realAddress(header, written.join(', '), PEER, trusted)).toBe(
          chain[Math.max(0, client)],
        );
      }),
    );
  });
});

describe('X-Forwarded-For', () => {
  test.each([
    ['192.0.2.43:4711', '192.0.2.43'],
    ['[2001:DB8::17]', '2001:db8::17'],
    ['[2001:db8::17]:4711', '2001:db8::17'],
    ['2001:db8:0::17', '2001:db8::17'],
    ['::ffff:192.0.2.43', '192.0.2.43'],
    ['[::ffff:192.0.2.43]:1', '192.0.2.43'],
    ['\t192.0.2.43  ', '192.0.2.43'],
    ['fe80::1%eth0', 'fe80::1'],
    // what names nobody
    ['"192.0.2.43"', PEER],
    ['[192.0.2.43]', PEER],
    ['192.0.2.43:', PEER],
    ['192.0.2.43:http', PEER],
    ['192.0.2.43:123456', PEER],
    ['[2001:db8::17', PEER],
    ['[2001:db8::17]4711', PEER],
    ['unix:', PEER],
    [`${' '.repeat(200)}x`, PEER],
    [`[${':'.repeat(200)}`, PEER],
  ])('%j is %s', (values, address) => {
    expect(realAddress('x-forwarded-for', values, PEER, trusted)).toBe(address);
  });
});

describe('Forwarded', () => {
  test.each([
    ['for=192.0.2.43', '192.0.2.43'],
    ['For="192.0.2.43:47011"', '192.0.2.43'],
    ['for="[2001:db8:cafe::17]"', '2001:db8:cafe::17'],
    ['FOR="[2001:DB8:CAFE::17]:4711"', '2001:db8:cafe::17'],
    ['for="[2001:db8::17]:_port"', '2001:db8::17'],
    ['for=192.0.2.43;proto=http;by=203.0.113.43', '192.0.2.43'],
    ['proto=https;by=_x;host="a,b;c=\\"d";for=192.0.2.43', '192.0.2.43'],
    ['for="192.0.2.\\43"', '192.0.2.43'],
    ['for=1.1.1.1,for=192.0.2.43', '192.0.2.43'],
    ['for=1.1.1.1, for=192.0.2.43 ; proto=https', '192.0.2.43'],
    [';for=192.0.2.43;;', '192.0.2.43'], // pairs may be empty. §4
    ['host=",";for=192.0.2.43', '192.0.2.43'],
    ['host="\\\\";for=192.0.2.43', '192.0.2.43'],
    // not valid, but not to be misunderstood
    ['for=2001:db8::17', '2001:db8::17'],
    ['for=[2001:db8::17]:4711', '2001:db8::17'],
    ['for=192.0.2.43:4711', '192.0.2.43'],
    // what names nobody
    ['for=unknown', PEER],
    ['for="_SEVKISEK"', PEER],
    ['for="_SEVKISEK:_port"', PEER],
    ['for=', PEER],
    ['for', PEER],
    ['for =192.0.2.43', PEER],
    ['proto=https', PEER],
    ['192.0.2.43', PEER],
    ['for=192.0.2.43;for=192.0.2.44', PEER],
    ['for=192.0.2.43;x', PEER],
    ['for="192.0.2.43', PEER],
    ['for=192.0.2.43"', PEER],
    ['for="192.0.2.43"x', PEER],
    ['for="192.0.2.43\\"', PEER],
    ['for=192.0.2.43;proto="a"b"', PEER],
  ])('%j is %s', (values, address) => {
    expect(realAddress('forwarded', values, PEER, trusted)).toBe(address);
  });

  test('an open quote of the client swallows nothing of the proxy', () => {
    for (const sent of ['for="', 'for="\\', 'host="a, for=10.0.0.9', '"', '\\"']) {
      const values = `${sent}, for="[2001:db8::17]:4711"`;
      expect(realAddress('forwarded', values, PEER, trusted)).toBe('2001:db8::17');
    }
  });
});
