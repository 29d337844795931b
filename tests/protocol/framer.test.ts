import { describe, expect, it } from 'vitest';
import { Framer } from '../../src/protocol/framer.ts';
import { hex, refusal, toHex } from './support.ts';

const PINGREQ = hex('c0 00');
const PUBLISH = hex(
  '30', // PUBLISH, QoS 0
  '05', // Remaining Length
  '00 01 61', // Topic Name `a`
  '68 69', // payload `hi`
);
/** 128 bytes of body: the shortest packet whose Remaining Length takes two bytes. */
const LONG = hex('30', '80 01', '00 01 61', '2e'.repeat(125));

function framed(framer: Framer): string[] {
  const packets: string[] = [];
  while (framer.next()) {
    const body = framer.bytes.subarray(framer.start, framer.end);
    packets.push(`${framer.header.toString(16)}(${framer.packetLength}): ${toHex(body)}`);
  }
  return packets;
}

function feed(framer: Framer, bytes: Uint8Array): void {
  framer.feed(bytes, 0, bytes.length);
}

describe('Framer', () => {
  it('cuts a chunk into its packets, without a copy', () => {
    const chunk = hex(toHex(PINGREQ), toHex(PUBLISH), toHex(PINGREQ));
    const framer = new Framer(1_000);
    feed(framer, chunk);
    expect(framer.hasMore).toBe(true);
    expect(framer.next()).toBe(true);
    expect([framer.header, framer.packetLength, framer.start, framer.end]).toEqual([0xc0, 2, 2, 2]);
    expect(framer.next()).toBe(true);
    expect([framer.header, framer.packetLength, framer.start, framer.end]).toEqual([0x30, 7, 4, 9]);
    expect(framer.bytes).toBe(chunk);
    expect(framer.next()).toBe(true);
    expect(framer.next()).toBe(false);
    expect(framer.hasMore).toBe(false);
  });

  it('gives the same packets wherever the stream is cut in two [MQTT-4.2-1] [MQTT-6.0.0-2]', () => {
    const stream = hex(toHex(PUBLISH), toHex(LONG), toHex(PINGREQ), toHex(PUBLISH));
    const whole = new Framer(1_000);
    feed(whole, stream);
    const expected = framed(whole);
    expect(expected).toHaveLength(4);
    for (let cut = 0; cut <= stream.length; cut++) {
      const framer = new Framer(1_000);
      feed(framer, stream.slice(0, cut));
      const packets = framed(framer);
      feed(framer, stream.slice(cut));
      packets.push(...framed(framer));
      expect(packets, `cut at ${cut}`).toEqual(expected);
    }
  });

  it('gives the same packets byte by byte, from a read buffer that is reused', () => {
    const stream = hex(toHex(LONG), toHex(PINGREQ), toHex(PUBLISH));
    const framer = new Framer(1_000);
    const buffer = new Uint8Array(3);
    const packets: string[] = [];
    for (const byte of stream) {
      buffer.fill(0xff);
      buffer[1] = byte;
      framer.feed(buffer, 1, 2);
      packets.push(...framed(framer));
    }
    expect(packets.map((packet) => packet.slice(0, 8))).toEqual([
      '30(131):',
      'c0(2): ',
      '30(7): 0',
    ]);
  });

  it.each([
    [127, '7f'],
    [128, '80 01'],
    [16_383, 'ff 7f'],
    [16_384, '80 80 01'],
    [65_535, 'ff ff 03'],
    [65_536, '80 80 04'],
    [2_097_151, 'ff ff 7f'],
    [2_097_152, '80 80 80 01'],
  ])('reads a Remaining Length of %i', (length, digits) => {
    const head = hex('30', digits);
    const packet = new Uint8Array(head.length + length);
    packet.set(head);
    const whole = new Framer(packet.length);
    feed(whole, packet);
    expect(whole.next()).toBe(true);
    expect([whole.end - whole.start, whole.packetLength]).toEqual([length, packet.length]);
    const split = new Framer(packet.length);
    feed(split, packet.slice(0, head.length - 1));
    expect(split.next()).toBe(false);
    feed(split, packet.slice(head.length - 1));
    expect(split.next()).toBe(true);
    expect([split.end - split.start, split.packetLength]).toEqual([length, packet.length]);
  });

  it('accepts a Remaining Length that is longer than it must be [MQTT-1.5.5-1]', () => {
    const framer = new Framer(1_000);
    feed(framer, hex('c0', '80 80 80 00'));
    expect(framer.next()).toBe(true);
    expect([framer.start, framer.end, framer.packetLength]).toEqual([5, 5, 5]);
  });

  it('refuses a Remaining Length of five bytes, split or not [MQTT-1.5.5-1]', () => {
    const bytes = hex('30', '80 80 80 80 01');
    for (let cut = 0; cut < 5; cut++) {
      const framer = new Framer(Number.POSITIVE_INFINITY);
      feed(framer, bytes.slice(0, cut));
      expect(framer.next()).toBe(false);
      feed(framer, bytes.slice(cut));
      expect(refusal(() => framer.next())).toBe('0x81 MQTT-1.5.5-1');
    }
  });

  it('refuses a packet of one byte more than the maximum as soon as its length is known [MQTT-3.2.2-15]', () => {
    const allowed = new Framer(7);
    feed(allowed, PUBLISH);
    expect(allowed.next()).toBe(true);
    const whole = new Framer(6);
    feed(whole, PUBLISH);
    expect(refusal(() => whole.next())).toBe('0x95 MQTT-3.2.2-15');
    const announced = new Framer(6);
    feed(announced, PUBLISH.slice(0, 1));
    expect(announced.next()).toBe(false);
    feed(announced, PUBLISH.slice(1, 2));
    expect(refusal(() => announced.next())).toBe('0x95 MQTT-3.2.2-15');
  });

  it('allocates at most 256 KiB for a packet of 2 MB of which no byte has come', () => {
    const framer = new Framer(3_000_000);
    const before = process.memoryUsage().arrayBuffers;
    feed(framer, hex('30', '80 89 7a')); // Remaining Length 2,000,000
    expect(framer.next()).toBe(false);
    const announced = process.memoryUsage().arrayBuffers - before;
    expect(announced).toBeLessThanOrEqual(262_144 + 65_536);
    const chunk = new Uint8Array(100_000).fill(0x2e);
    for (let sent = 0; sent < 1_900_000; sent += chunk.length) {
      feed(framer, chunk);
      expect(framer.next()).toBe(false);
    }
    feed(framer, chunk);
    expect(framer.next()).toBe(true);
    expect(framer.end - framer.start).toBe(2_000_000);
    expect(framer.bytes.subarray(framer.start, framer.end).every((byte) => byte === 0x2e)).toBe(
      true,
    );
  });

  it('lets go of the chunk when it keeps what is left', () => {
    const chunk = hex(toHex(PINGREQ), toHex(PUBLISH), toHex(LONG).slice(0, 12));
    const framer = new Framer(1_000);
    feed(framer, chunk);
    expect(framer.next()).toBe(true);
    framer.keep();
    chunk.fill(0xff);
    expect(framer.hasMore).toBe(true);
    expect(framed(framer)).toEqual(['30(7): 00 01 61 68 69']);
    framer.keep();
    feed(framer, LONG.slice(4));
    expect(framer.next()).toBe(true);
    expect(toHex(framer.bytes.subarray(framer.start, framer.end))).toBe(toHex(LONG.subarray(3)));
  });

  it('puts a new chunk behind what is left of the last one', () => {
    const framer = new Framer(1_000);
    feed(framer, hex(toHex(PINGREQ), toHex(PUBLISH)));
    feed(framer, PINGREQ);
    expect(framed(framer)).toEqual(['c0(2): ', '30(7): 00 01 61 68 69', 'c0(2): ']);
  });

  it('reads only the range of the chunk that it is given', () => {
    const framer = new Framer(1_000);
    framer.feed(hex('ff ff', toHex(PINGREQ), 'ff'), 2, 4);
    expect(framed(framer)).toEqual(['c0(2): ']);
  });

  it('forgets everything when it is cleared, a packet that had begun too', () => {
    const framer = new Framer(1_000);
    feed(framer, LONG.slice(0, 50));
    expect(framer.next()).toBe(false);
    framer.clear();
    expect(framer.next()).toBe(false);
    feed(framer, PINGREQ);
    expect(framed(framer)).toEqual(['c0(2): ']);
  });
});
