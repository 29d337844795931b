// The load generator's own WebSocket: what it writes, and what it makes of what a server writes.

import { expect, test } from 'vitest';
import { benchModule } from './bench.ts';

interface Reader {
  read(bytes: Uint8Array, start: number, end: number): void;
}

interface WebSocketModule {
  readonly frameOfAll: (bytes: Uint8Array) => Buffer;
  readonly frameOfEach: (bytes: Uint8Array) => Buffer;
  readonly closeFrame: () => Buffer;
  readonly FrameReader: new (owner: {
    onBytes(bytes: Uint8Array, start: number, end: number): void;
    reply(frame: Buffer): void;
  }) => Reader;
  readonly Upgrade: new () => {
    request(place: object): string;
    check(head: string): void;
  };
}

const { frameOfAll, frameOfEach, closeFrame, FrameReader, Upgrade } = (await benchModule(
  'load/websocket.mjs',
)) as unknown as WebSocketModule;

/** A masked frame's opcode with FIN, and its payload as it was; null where it does not begin. */
function unmask(frame: Buffer): { first: number; payload: Buffer; end: number } {
  expect(frame[1] & 0x80).toBe(0x80);
  const short = frame[1] & 0x7f;
  let at = 2;
  let length = short;
  if (short === 126) {
    length = frame.readUInt16BE(2);
    at = 4;
  } else if (short === 127) {
    length = Number(frame.readBigUInt64BE(2));
    at = 10;
  }
  const mask = frame.subarray(at, at + 4);
  const payload = Buffer.from(frame.subarray(at + 4, at + 4 + length));
  for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
  return { first: frame[0], payload, end: at + 4 + length };
}

test.each([2, 125, 126, 65_535, 65_536])('a frame of %d bytes is masked and whole', (length) => {
  const bytes = Buffer.from(Array.from({ length }, (_, i) => i * 7));
  const frame = frameOfAll(bytes);
  const found = unmask(frame);
  expect([found.first, found.end]).toEqual([0x82, frame.length]);
  expect(found.payload.equals(bytes)).toBe(true);
});

test('each packet has a frame and a mask of its own', () => {
  const pingreq = Buffer.from('c000', 'hex');
  const publish = Buffer.concat([Buffer.from([0x30, 0xc8, 0x01]), Buffer.alloc(200, 5)]);
  const frames = frameOfEach(Buffer.concat([pingreq, publish, pingreq]));
  const found = [];
  for (let at = 0; at < frames.length; ) {
    const one = unmask(frames.subarray(at));
    found.push(one.payload.toString('hex'));
    at += one.end;
  }
  expect(found).toEqual([pingreq, publish, pingreq].map((packet) => packet.toString('hex')));
  expect(frames.subarray(2, 6).equals(frames.subarray(-6, -2))).toBe(false);
  expect(() => frameOfEach(publish.subarray(0, 100))).toThrow('only whole packets');
});

test('goodbye is a close frame with code 1000', () => {
  const { first, payload } = unmask(closeFrame());
  expect([first, payload.toString('hex')]).toEqual([0x88, '03e8']);
});

function readAll(hex: string, step: number) {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const found: Buffer[] = [];
  const replies: Buffer[] = [];
  const reader = new FrameReader({
    onBytes: (chunk, start, end) => found.push(Buffer.from(chunk.subarray(start, end))),
    reply: (frame) => replies.push(Buffer.from(frame)),
  });
  for (let at = 0; at < bytes.length; at += step) {
    reader.read(bytes, at, Math.min(bytes.length, at + step));
  }
  return { text: Buffer.concat(found).toString('hex'), replies };
}

test('frames come out as one stream, however they are cut', () => {
  const long = 'ab'.repeat(300);
  const stream = [
    '82 02 c000', // binary
    '02 01 c0', // binary, to be continued
    '89 03 010203', // ping
    '80 01 00', // its end
    '82 00', // an empty one
    `82 7e 012c ${long}`, // 16 bits of length
    `82 7f 000000000000012c ${long}`, // 64 bits
    '8a 00', // pong
  ].join('');
  for (let step = 1; step < 40; step++) {
    const { text, replies } = readAll(stream, step);
    expect(text).toBe(`c000c000${long}${long}`);
    expect(
      replies.map((frame) => unmask(frame)).map(({ first, payload }) => [first, ...payload]),
    ).toEqual([[0x8a, 1, 2, 3]]);
  }
});

test.each([
  ['81 01 41', 'opcode 1'],
  ['8b 00', 'opcode 11'],
  ['c2 01 00', 'reserved bits'],
  ['82 81 00000000 00', 'masked'],
  ['89 7e 0080', 'too long'],
  ['88 00', 'closed the WebSocket: no code'],
  ['88 06 03eb 6f6f7073', 'closed the WebSocket: 1003 oops'],
])('%s: %s', (hex, message) => {
  expect(() => readAll(hex, 1)).toThrow(message);
});

const UPGRADED = 'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: mqtt';

test('the upgrade asks for mqtt, and believes only who answers its key', () => {
  const upgrade = new Upgrade();
  const request = upgrade.request({ host: '::1', port: 8083, path: '/mqtt' });
  expect(request).toMatch(/^GET \/mqtt HTTP\/1\.1\r\nHost: \[::1\]:8083\r\n/);
  expect(request).toMatch(/Sec-WebSocket-Protocol: mqtt\r\n\r\n$/);
  expect(() => upgrade.check('HTTP/1.1 404 Not Found')).toThrow('HTTP/1.1 404 Not Found');
  expect(() => upgrade.check(`${UPGRADED}\r\nSec-WebSocket-Accept: abc`)).toThrow('wrong key');
});
