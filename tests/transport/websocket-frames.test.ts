// Frames as a server reads and writes them, RFC 6455 §5.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FrameError,
  FrameReader,
  frameHeaderBytes,
  isCloseCode,
  Opcode,
  writeFrameHeader,
} from '../../src/transport/websocket/frames.ts';
import { clientFrame, type FrameOptions } from '../kit/frames.ts';
import { hex, toHex } from '../kit/hex.ts';

/** What a reader makes of chunks: data, and control frames between it. */
function readAll(reader: FrameReader, chunks: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  let data: Uint8Array = new Uint8Array(0);
  for (const original of chunks) {
    const chunk = new Uint8Array(original);
    for (let at = 0; at < chunk.length; ) {
      at = reader.read(chunk, at, chunk.length);
      data = Buffer.concat([data, chunk.subarray(0, reader.dataLength)]);
      if (reader.control === 0) continue;
      if (data.length > 0) found.push(`data ${toHex(data)}`);
      data = new Uint8Array(0);
      const payload = reader.controlPayload.subarray(0, reader.controlLength);
      found.push(`control ${reader.control} ${toHex(payload)}`.trim());
    }
  }
  if (data.length > 0) found.push(`data ${toHex(data)}`);
  return found;
}

function read(...chunks: readonly Uint8Array[]): string[] {
  return readAll(new FrameReader(100_000), chunks);
}

describe('a reader of frames', () => {
  test('takes the data out of a masked binary frame', () => {
    const frame = hex(`
      82          // FIN, binary
      82          // masked, 2 bytes
      37fa213d    // mask
      f7fa        // c0 00`);
    expect(read(frame)).toEqual(['data c0 00']);
  });

  test.each([0, 1, 125, 126, 127, 255, 256, 1_000, 65_535, 65_536, 99_999])(
    'reads a frame of %i bytes',
    (length) => {
      const payload = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 0xff);
      expect(read(clientFrame(2, payload))).toEqual(length === 0 ? [] : [`data ${toHex(payload)}`]);
    },
  );

  test('joins what lies in many frames, and in fragments [MQTT-6.0.0-2]', () => {
    const frames = Buffer.concat([
      clientFrame(2, hex('01')),
      clientFrame(2, hex('0203'), { fin: false }),
      clientFrame(0, hex('04'), { fin: false }),
      clientFrame(0, hex('05')),
      clientFrame(2, hex('06')),
    ]);
    expect(read(frames)).toEqual(['data 01 02 03 04 05 06']);
  });

  test('stops at a control frame, which may stand between fragments', () => {
    const frames = Buffer.concat([
      clientFrame(2, hex('01'), { fin: false }),
      clientFrame(9, hex('aa')),
      clientFrame(10, hex('')),
      clientFrame(0, hex('02')),
      clientFrame(8, hex('03e8')),
    ]);
    expect(read(frames)).toEqual([
      'data 01',
      'control 9 aa',
      'control 10',
      'data 02',
      'control 8 03 e8',
    ]);
  });

  const wrong: [string, number, string, FrameOptions, number][] = [
    ['a reserved bit is set', 2, '00', { reserved: 0x40 }, 1002],
    ['not masked', 2, '00', { mask: null }, 1002],
    ['not masked', 9, '00', { mask: null }, 1002],
    ['MQTT comes in binary frames, not in text', 1, '41', {}, 1003],
    ['opcode 3', 3, '00', {}, 1002],
    ['opcode 11', 11, '00', {}, 1002],
    ['a frame continues a message that has not begun', 0, '00', {}, 1002],
    ['a control frame is fragmented', 9, '00', { fin: false }, 1002],
  ];
  test.each(wrong)('refuses: %s (opcode %i)', (why, opcode, payload, options, code) => {
    const reader = new FrameReader(100_000);
    const chunk = Buffer.concat([
      clientFrame(2, hex('0102')),
      clientFrame(opcode, hex(payload), options),
    ]);
    try {
      reader.read(chunk, 0, chunk.length);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(FrameError);
      expect((error as FrameError).message).toContain(why);
      expect((error as FrameError).code).toBe(code);
    }
    expect(toHex(chunk.subarray(0, reader.dataLength)), 'what came before it').toBe('01 02');
  });

  test('refuses a message that begins within another', () => {
    const frames = [clientFrame(2, hex('01'), { fin: false }), clientFrame(2, hex('02'))];
    expect(() => read(...frames)).toThrow('a message begins before the last one has ended');
  });

  test('refuses a control frame of 126 bytes, and takes one of 125', () => {
    expect(read(clientFrame(9, new Uint8Array(125)))).toHaveLength(1);
    expect(() => read(clientFrame(9, new Uint8Array(126)))).toThrow('too long');
  });

  test('refuses a message above its limit by its header alone, fragments counted together', () => {
    const reader = () => new FrameReader(100);
    expect(readAll(reader(), [clientFrame(2, new Uint8Array(100))])).toHaveLength(1);
    const tooLong = clientFrame(2, new Uint8Array(101)).subarray(0, 6);
    expect(() => readAll(reader(), [tooLong])).toThrow('longer than 100 bytes');
    const huge = hex('82 ff 7fffffffffffffff 00000000');
    expect(() => readAll(reader(), [huge])).toThrow('longer than 100 bytes');
    const fragments = [
      clientFrame(2, new Uint8Array(60), { fin: false }),
      clientFrame(0, new Uint8Array(41)),
    ];
    expect(() => readAll(reader(), fragments)).toThrow('longer than 100 bytes');
    const apart = [clientFrame(2, new Uint8Array(60)), clientFrame(2, new Uint8Array(60))];
    expect(readAll(reader(), apart)).toHaveLength(1);
  });

  test('finds the same in any frames, under any masks, cut anywhere', () => {
    const frame = fc.record({
      opcode: fc.constantFrom(2, 2, 2, 9, 10),
      length: fc.oneof(fc.nat(40), fc.nat(125), fc.nat(700)),
      seed: fc.nat(255),
      mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
      fragments: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat(3_000)), (frames, cuts) => {
        const pieces: Uint8Array[] = [];
        const expected: string[] = [];
        let data: number[] = [];
        for (const { opcode, length, seed, mask, fragments } of frames) {
          const isControl = opcode > 2;
          const size = isControl ? Math.min(length, 125) : length;
          const payload = Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed) & 0xff);
          if (isControl) {
            if (data.length > 0) expected.push(`data ${toHex(Uint8Array.from(data))}`);
            data = [];
            expected.push(`control ${opcode} ${toHex(payload)}`.trim());
          } else data.push(...payload);
          if (isControl || !fragments) pieces.push(clientFrame(opcode, payload, { mask }));
          else {
            pieces.push(clientFrame(2, payload.subarray(0, size >>> 1), { mask, fin: false }));
            pieces.push(clientFrame(0, payload.subarray(size >>> 1), { mask }));
          }
        }
        if (data.length > 0) expected.push(`data ${toHex(Uint8Array.from(data))}`);
        const all = Buffer.concat(pieces);
        const places = [...new Set(cuts.map((cut) => cut % (all.length + 1)))].sort(
          (a, b) => a - b,
        );
        const chunks = [0, ...places].map((from, i) => all.subarray(from, places[i] ?? all.length));
        expect(readAll(new FrameReader(1_000_000), chunks)).toEqual(expected);
      }),
    );
  });
});

test.each([
  [0, '82 00'],
  [125, '82 7d'],
  [126, '82 7e 00 7e'],
  [65_535, '82 7e ff ff'],
  [65_536, '82 7f 00 00 00 00 00 01 00 00'],
  [2 ** 32 + 1, '82 7f 00 00 00 01 00 00 00 01'],
])('the header of a message of %i bytes is %s', (length, expected) => {
  const header = new Uint8Array(frameHeaderBytes(length));
  writeFrameHeader(header, 0, Opcode.Binary, length);
  expect(toHex(header)).toBe(expected);
});

test('close codes are those that may be on the wire', () => {
  const valid = [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999];
  const invalid = [0, 999, 1004, 1005, 1006, 1015, 2999, 5000];
  expect(valid.filter((code) => !isCloseCode(code))).toEqual([]);
  expect(invalid.filter(isCloseCode)).toEqual([]);
});
