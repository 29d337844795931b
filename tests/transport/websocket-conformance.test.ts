// RFC 6455 as a client sees it that breaks the rules, or goes to their edge: what the suites of other implementations ask of a
// server, for one that takes binary messages only. Each case ends with a close frame, whose code is looked at.

import { once } from 'node:events';
import net from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Server } from '../../src/server/server.ts';
import { clientFrame } from '../kit/frames.ts';
import { hex } from '../kit/hex.ts';
import { until } from '../kit/until.ts';
import { connectPacket } from '../kit/wire.ts';

const NONE = new Uint8Array(0);
const PINGREQ = hex('c0 00');
let port = 0;

beforeAll(async () => {
  const server = new Server({ listeners: [{ protocol: 'ws', host: '127.0.0.1', port: 0 }] });
  await server.start();
  port = server.addresses[0].port;
  return () => server.stop();
});

let clients = 0;

/** Sends this after the upgrade and a CONNECT; everything that came back until the server closed. */
async function talk(...sent: Uint8Array[]): Promise<Buffer> {
  const socket = net.connect({ host: '127.0.0.1', port });
  onTestFinished(() => void socket.destroy());
  let received = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
  });
  const closed = once(socket, 'close');
  socket.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
  );
  socket.write(clientFrame(2, connectPacket(4, `c${clients++}`, true)));
  const connack = Buffer.from(hex('82 04 20 02 00 00'));
  await until(() => received.indexOf(connack) >= 0);
  received = Buffer.alloc(0);
  for (const bytes of sent) socket.write(bytes);
  await closed;
  return received;
}

/** The code of the close frame that ends it; 0 for one without, null for none. */
function closeCode(received: Buffer): number | null {
  const at = received.lastIndexOf(0x88);
  if (at < 0) return null;
  return received[at + 1] < 2 ? 0 : received.readUInt16BE(at + 2);
}

function close(code: number, reason: Uint8Array = NONE): Uint8Array {
  return clientFrame(8, Uint8Array.of(code >>> 8, code & 0xff, ...reason));
}

describe('a client is closed with 1002', () => {
  const reserved = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70];
  const cases: [string, Uint8Array[]][] = [
    ...reserved.map((bits): [string, Uint8Array[]] => [
      `for the reserved bits ${bits}`,
      [clientFrame(2, PINGREQ, { reserved: bits })],
    ]),
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Uint8Array[]] => [
      `for the opcode ${opcode}`,
      [clientFrame(opcode, NONE)],
    ]),
    ['for a frame without a mask', [clientFrame(2, PINGREQ, { mask: null })]],
    ['for a ping in fragments', [clientFrame(9, NONE, { fin: false })]],
    ['for a pong in fragments', [clientFrame(10, NONE, { fin: false })]],
    ['for a close in fragments', [clientFrame(8, NONE, { fin: false })]],
    ['for a ping of 126 bytes', [clientFrame(9, new Uint8Array(126))]],
    ['for a close of 126 bytes', [clientFrame(8, new Uint8Array(126))]],
    ['for the end of no message', [clientFrame(0, PINGREQ)]],
    ['for the middle of no message', [clientFrame(0, PINGREQ, { fin: false })]],
    [
      'for a message within a message',
      [clientFrame(2, hex('c0'), { fin: false }), clientFrame(2, hex('00'))],
    ],
    ['for half a close code', [clientFrame(8, Uint8Array.of(3))]],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
      (code): [string, Uint8Array[]] => [`for the close code ${code}`, [close(code)]],
    ),
  ];
  test.each(cases)('%s', async (_name, sent) => {
    expect(closeCode(await talk(...sent))).toBe(1002);
  });
});

describe('a client is closed with', () => {
  const cases: [number, string, Uint8Array[]][] = [
    [1003, 'text', [clientFrame(1, Buffer.from('hello'))]],
    [1007, 'a close whose reason is not UTF-8', [close(1000, hex('ce ba e1 bd b9 ed a0 80'))]],
    [1009, 'a length of 2^63 and 1', [hex('82 ff 80 00 00 00 00 00 00 01 00 00 00 00')]],
    [1009, 'a length of 2^48', [hex('82 ff 00 01 00 00 00 00 00 00 00 00 00 00')]],
    [1000, 'a close without a code', [clientFrame(8, NONE)]],
    [1000, 'a close with the longest reason', [close(1000, new Uint8Array(123).fill(0x61))]],
    ...[1000, 1001, 1011, 3000, 3999, 4000, 4999].map((code): [number, string, Uint8Array[]] => [
      1000,
      `the close code ${code}`,
      [close(code)],
    ]),
  ];
  test.each(cases)('%i for %s', async (code, _name, sent) => {
    expect(closeCode(await talk(...sent))).toBe(code);
  });
});

test('what follows a close is not answered', async () => {
  const received = await talk(close(1000), clientFrame(2, PINGREQ), clientFrame(9, NONE));
  expect(received.toString('hex')).toBe('880203e8');
});

test('a ping is answered between the fragments of a message, some of them empty', async () => {
  const pieces = [
    clientFrame(2, NONE, { fin: false }),
    clientFrame(0, hex('c0'), { fin: false }),
    clientFrame(9, Buffer.from('now')),
    clientFrame(0, NONE, { fin: false }),
    clientFrame(0, hex('00')),
    close(1000),
  ];
  expect((await talk(Buffer.concat(pieces))).toString('hex')).toBe(
    '8a036e6f77' + '8202d000' + '880203e8',
  );
});

test('each of ten pings is answered, in order, and no pong is', async () => {
  const pings = Array.from({ length: 10 }, (_, i) => clientFrame(9, Uint8Array.of(i)));
  const received = await talk(clientFrame(10, NONE), ...pings, close(1000));
  const pongs = Array.from({ length: 10 }, (_, i) => `8a010${i}`).join('');
  expect(received.toString('hex')).toBe(`${pongs}880203e8`);
});
