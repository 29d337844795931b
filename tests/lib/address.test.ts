import net from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AddressRanges,
  addressOfBytes,
  formatPeer,
  limitKey,
  normalizeAddress,
  rangeProblem,
} from '../../src/lib/address.ts';
import { hex } from '../kit/hex.ts';
import { runs } from '../kit/runs.ts';
import { isBun } from '../kit/runtime.ts';

/** What looks like addresses, and often is none. */
const nearly = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc
    .array(fc.constantFrom(':', '::', '.', '0', '1', '255', '256', 'ffff', 'ABCD', '12345', 'g'), {
      maxLength: 17,
    })
    .map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('0', '0', '1', 'db8', 'ffff'), { minLength: 7, maxLength: 9 })
    .map((groups) => groups.join(':')),
  fc
    .tuple(
      fc.constantFrom('::', '::ffff:', '64:ff9b::', '1:2:3:4:5:6:', '1:2:3:4:5:6:7:'),
      fc.ipV4(),
    )
    .map((parts) => parts.join('')),
);

/** As the URL parser writes it, which follows RFC 5952 but for mapped addresses. */
function serialized(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

describe('normalizeAddress', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['::192.0.2.1', '::c000:201'], // not mapped, and no IPv4 address
    ['::ffff:0:192.0.2.1', '::ffff:0:c000:201'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // the first of equal runs
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // the longest run
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // one group is no run
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['fe80::1%eth0', 'fe80::1'],
    ['FE80::1%3', 'fe80::1'],
  ])('%s is %s', (text, address) => {
    expect(normalizeAddress(text)).toBe(address);
    expect(normalizeAddress(address)).toBe(address);
  });

  test.each([
    ...['', ' ', 'localhost', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '256.1.1.1'],
    ...['01.2.3.4', '1.2.3.04', '1.2.3.4 ', '-1.2.3.4', '1.2.3.4%eth0', '0x7f.0.0.1', '１.2.3.4'],
    ...[':', ':::', '1:', ':1', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', 'g::'],
    ...[
      '1:2:3:4::5:6:7:8',
      '::1.2.3',
      '::1.2.3.4.5',
      '::1.2.3.256',
      '1:2:3:4:5:6:7:1.2.3.4',
      '1::2:3:4:5:6:7:1.2.3.4',
    ],
    ...['::1.2.3.4:5', '[::1]', '::1%', '%eth0', '1:2%:3', '::a.1.1.1', '1.2.3.4:80', '::ffff:'],
  ])('%j is none', (text) => {
    expect(normalizeAddress(text)).toBeNull();
  });

  // Bun's node:net takes other addresses than Node's, and writes them as they came.
  test.skipIf(isBun)('takes what node:net takes, and writes it as RFC 5952 says', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        const address = normalizeAddress(text);
        expect(address === null).toBe(net.isIP(text) === 0);
        if (address === null) return;
        if (net.isIPv4(address)) {
          const isMapped = !net.isIPv4(text) && serialized(text).startsWith('::ffff:');
          expect(isMapped ? serialized(`::ffff:${address}`) : address).toBe(
            isMapped ? serialized(text) : text,
          );
        } else {
          expect(address).toBe(serialized(text));
        }
      }),
      { numRuns: runs(2_000) },
    );
  });
});

test('addresses as bytes are written like the others', () => {
  expect(addressOfBytes(hex('ff c0000201'), 1, 4)).toBe('192.0.2.1');
  expect(addressOfBytes(hex('20010db8 00000000 00000000 00000001'), 0, 16)).toBe('2001:db8::1');
  expect(addressOfBytes(hex('00000000 00000000 0000ffff c0000201 99'), 0, 16)).toBe('192.0.2.1');
});

describe('limitKey', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::', '2001:db8:1:3::/64'],
    ['2001:db8::1', '2001:db8::/64'],
    ['::1', '::/64'],
    ['', ''], // a unix socket
    ['memory', ''],
    ['x:y', ''],
  ])('of %j is %j', (address, key) => {
    expect(limitKey(address)).toBe(key);
  });

  test('is the same for two IPv6 addresses if their first 64 bits are', () => {
    const group = fc.constantFrom(0, 0, 1, 0xffff);
    const address = fc.array(group, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(address, address, (a, b) => {
        const keys = [a, b].map((groups) =>
          limitKey(groups.map((part) => part.toString(16)).join(':')),
        );
        fc.pre(keys.every((key) => key.endsWith('/64'))); // not IPv4
        expect(keys[0] === keys[1]).toBe(a.slice(0, 4).join() === b.slice(0, 4).join());
      }),
    );
  });
});

describe('AddressRanges', () => {
  const cases: [texts: string[], inside: string[], outside: string[]][] = [
    [
      ['10.0.0.0/8'],
      ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3'],
      ['9.255.255.255', '11.0.0.0'],
    ],
    [['192.0.2.128/25'], ['192.0.2.128', '192.0.2.255'], ['192.0.2.127', '192.0.3.0']],
    [['192.0.2.7'], ['192.0.2.7'], ['192.0.2.6', '192.0.2.8', '::c000:207']],
    [['192.0.2.7/32'], ['192.0.2.7'], ['192.0.2.6', '192.0.2.8']],
    [['0.0.0.0/0'], ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], ['::', '::1', '2001:db8::1']],
    [['::/0'], ['::', '2001:db8::1'], ['1.2.3.4', '::ffff:1.2.3.4']],
    [['::ffff:10.0.0.0/104'], ['10.1.2.3'], ['11.0.0.0', '::1']],
    [['fd00::/8'], ['fd00::', 'fdff:ffff::1', 'fd12::%eth0'], ['fc00::', 'fe00::', '253.0.0.1']],
    [['2001:db8::/33'], ['2001:db8:7fff::1'], ['2001:db8:8000::', '2001:db7:ffff::']],
    [['2001:DB8:0::7'], ['2001:db8::7'], ['2001:db8::8', '2001:db8::6']],
    [['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3'], ['10.0.0.1', '10.1.2.4', '10.2.0.0'], ['11.0.0.0']],
    [['loopback'], ['127.0.0.1', '127.255.255.255', '::1'], ['128.0.0.0', '::2', '::', '']],
    [['private'], ['10.0.0.1', '172.31.255.255', '192.168.9.9', 'fd00::1'], ['172.32.0.0', '::1']],
    [['link-local'], ['169.254.1.1', 'fe80::1%eth0'], ['169.255.0.0', 'fec0::']],
    [['unix'], [''], ['127.0.0.1', '::1']],
    [[], [], ['', '127.0.0.1', '::']],
  ];

  test.each(cases)('%j has %j and not %j', (texts, inside, outside) => {
    const ranges = new AddressRanges(texts);
    for (const address of inside) expect(ranges.has(address), address).toBe(true);
    for (const address of outside) expect(ranges.has(address), address).toBe(false);
    expect(ranges.has('localhost')).toBe(false);
    expect(ranges.isEmpty).toBe(texts.length === 0);
    for (const text of texts) expect(rangeProblem(text)).toBeNull();
  });

  test.each([
    ['10.0.0.0/33', 'after the / of an IPv4 range a number from 0 to 32 is expected'],
    ['fd00::/129', 'after the / of an IPv6 range a number from 0 to 128 is expected'],
    ['10.0.0.0/', 'a number from 0 to 32 is expected'],
    ['10.0.0.0/08', 'a number from 0 to 32 is expected'],
    ['10.0.0.0/8/8', 'a number from 0 to 32 is expected'],
    ['10.0.0.0/255.0.0.0', 'a number from 0 to 32 is expected'],
    ['10.1.2.3/8', 'write 10.0.0.0/8 for the range, or 10.1.2.3 for the one address'],
    ['::ffff:10.1.2.3/104', 'write 10.0.0.0/8 for the range, or 10.1.2.3 for the one address'],
    ['2001:db8::1/64', 'write 2001:db8::/64 for the range, or 2001:db8::1 for the one address'],
    ['fe80::1%eth0', 'is no address range'],
    ['example.org', 'or one of loopback, private, link-local, unix is expected'],
    ['Loopback', 'is no address range'],
    ['toString', 'is no address range'],
    ['', 'an address (192.0.2.7, 2001:db8::7), a range (10.0.0.0/8, fd00::/8)'],
  ])('%j is refused: … %s', (text, expected) => {
    expect(rangeProblem(text)).toContain(`"${text}" `);
    expect(rangeProblem(text)).toContain(expected);
    expect(() => new AddressRanges(['10.0.0.0/8', text])).toThrow(expected);
  });

  test('names every text that is wrong', () => {
    expect(() => new AddressRanges(['a', 'loopback', 'b/8'])).toThrow(/"a" [^\n]+\n"b\/8" /);
  });

  test('agrees with a list that is searched from the front', () => {
    const range = fc.oneof(
      fc.tuple(fc.constant('ipv4' as const), fc.ipV4(), fc.integer({ min: 0, max: 32 })),
      fc.tuple(fc.constant('ipv6' as const), fc.ipV6(), fc.integer({ min: 0, max: 128 })),
      // few bits, so that ranges lie in each other and meet the addresses
      fc.tuple(
        fc.constant('ipv4' as const),
        fc.constantFrom('10.0.0.0', '10.0.0.1', '10.128.0.0', '11.0.0.0'),
        fc.integer({ min: 6, max: 32 }),
      ),
      fc.tuple(
        fc.constant('ipv6' as const),
        fc.constantFrom('2001::', '2001::1', '2001:8000::', '2002::'),
        fc.integer({ min: 12, max: 128 }),
      ),
    );
    const address = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('10.0.0.0', '10.0.0.1', '10.127.255.255', '11.0.0.0', '9.255.255.255'),
      fc.constantFrom('2001::', '2001::1', '2001:7fff:ffff::', '2002::', '2000:ffff::'),
    );
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 8 }),
        fc.array(address, { maxLength: 8 }),
        (ranges, addresses) => {
          const blocks = { ipv4: new net.BlockList(), ipv6: new net.BlockList() };
          const texts: string[] = [];
          for (const [family, network, bits] of ranges) {
            const text = withoutHostBits(network, bits);
            if (net.isIPv4(text.split('/')[0]) !== (family === 'ipv4')) continue; // a mapped one
            texts.push(text);
            blocks[family].addSubnet(text.split('/')[0], bits, family);
          }
          const made = new AddressRanges(texts);
          for (const one of addresses) {
            const plain = normalizeAddress(one) ?? '';
            const family = net.isIPv4(plain) ? 'ipv4' : 'ipv6';
            expect(made.has(one), `${one} in ${texts}`).toBe(blocks[family].check(plain, family));
          }
        },
      ),
      { numRuns: runs(1_000) },
    );
  });
});

/** The range, as the message about bits beyond the prefix proposes it. */
function withoutHostBits(network: string, bits: number): string {
  const problem = rangeProblem(`${network}/${bits}`);
  const proposed = problem === null ? null : /write (\S+) for the range/.exec(problem);
  return proposed === null ? `${normalizeAddress(network)}/${bits}` : proposed[1];
}

test.each([
  ['192.0.2.1', 4711, '192.0.2.1:4711'],
  ['2001:db8::1', 4711, '[2001:db8::1]:4711'],
  ['192.0.2.1', 0, '192.0.2.1'], // behind a proxy that does not tell
  ['', 0, 'unix'],
])('a peer at %j, port %i, is %s in the log', (address, port, text) => {
  expect(formatPeer(address, port)).toBe(text);
});
