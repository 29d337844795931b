// The formats of -F. What mosquitto_sub writes stands beside it in tests/integration/pub-sub.test.ts.

import { describe, expect, test } from 'vitest';
import { parseFormat } from '../../src/client/message-format.ts';
import { PacketType, type PublishPacket } from '../../src/protocol/index.ts';

const MESSAGE: PublishPacket = {
  type: PacketType.Publish,
  ...{ dup: false, qos: 1, retain: true, topicName: 'a/b', packetId: 7 },
  payload: Buffer.from('{"x":1.0}'),
  properties: {
    contentType: 'text/x',
    correlationData: Buffer.from([0xff, 0x00]),
    userProperties: [
      ['a', '1'],
      ['a', '2'],
    ],
  },
};
// Local time, so that the test holds wherever it runs.
const TIME = new Date(2026, 0, 9, 7, 5, 3, 42);

function written(format: string, message = MESSAGE, isPretty = false): string {
  const parts = parseFormat(format);
  if (typeof parts === 'string') throw new Error(parts);
  const occasion = { time: TIME, nanoseconds: 42_000_000, isPretty };
  const pieces = parts.map((part) => Buffer.from(part(message, occasion) as Uint8Array));
  return Buffer.concat(pieces).toString('latin1');
}

describe('a format', () => {
  test.each([
    ['%t %q %r %m %l %%', 'a/b 1 1 7 9 %'],
    ['%x %X', `${'7b2278223a312e307d'} ${'7B2278223A312E307D'}`],
    ['%C|%A|%P', 'text/x||a:1 a:2'],
    ['%D', '\xff\x00'],
    ['%5t|%05t|%-5t|%05m|%.1t|%-4.1t|', '  a/b|  a/b|a/b  |00007|a|a   |'],
    ['@Y-@m-@d @H:@M:@S.@N @j @e @I @p @@', '2026-01-09 07:05:03.042000000 009  9 07 AM @'],
    ['a\\tb\\\\', 'a\tb\\'],
  ])('%s', (format, text) => {
    expect(written(format)).toBe(text);
  });

  test('writes JSON with properties of the same name, and a payload that is text or JSON', () => {
    const json = written('%j');
    expect(json).toContain('"user-properties":{"a":"1","a":"2"}');
    expect(JSON.parse(json)).toMatchObject({ topic: 'a/b', mid: 7, payload: '{"x":1.0}' });
    expect(JSON.parse(written('%J'))).toMatchObject({ payload: { x: 1 } });
    expect(JSON.parse(written('%J', MESSAGE, true))).toMatchObject({ payload: { x: 1 } });
    expect(written('%j', { ...MESSAGE, payload: new Uint8Array(0) })).toContain('"payload":null');
  });

  test('does not write as JSON what is none', () => {
    const message = { ...MESSAGE, payload: Buffer.from('{') };
    expect(() => written('%J', message)).toThrow('the payload is not JSON, on the topic a/b');
  });

  test.each([
    ['%z', 'there is no field %z'],
    ['%', 'it ends in the middle of a field: write %% for a %'],
    ['%5', 'it ends in the middle of a field: write %% for a %'],
    ['%5p', '%5p: no width goes with %p'],
    ['@q', 'there is no time @q'],
    ['@', 'it ends with a single @: write @@ for a @'],
    ['\\q', 'there is no escape \\q'],
    ['\\', 'it ends with a single \\: write \\\\ for a \\'],
  ])('that is wrong is told: %s', (format, sentence) => {
    expect(parseFormat(format)).toBe(sentence);
  });
});
