import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  checkUtf8,
  decodeUtf8,
  encodeUtf8,
  utf8Length,
  writeUtf8,
} from '../../src/protocol/utf8.ts';
import { hex, refusal, toHex } from './support.ts';

const check = (bytes: Uint8Array) => refusal(() => checkUtf8(bytes, 0, bytes.length, 'clause'));
const decode = (bytes: Uint8Array) => decodeUtf8(bytes, 0, bytes.length, 'clause');

describe('UTF-8', () => {
  it.each([
    ['the empty string', '', ''],
    ['ASCII', '61 2f 62', 'a/b'],
    ['the last one-byte character', '7f', '\u007f'],
    ['the first two-byte character', 'c2 80', '\u0080'],
    ['the last two-byte character', 'df bf', '\u07ff'],
    ['the first three-byte character', 'e0 a0 80', '\u0800'],
    ['the last character before the surrogates', 'ed 9f bf', '\ud7ff'],
    ['the first character after the surrogates', 'ee 80 80', '\ue000'],
    ['the last three-byte character', 'ef bf bf', '\uffff'],
    ['the first four-byte character', 'f0 90 80 80', '\u{10000}'],
    ['the last character of all', 'f4 8f bf bf', '\u{10ffff}'],
    ['a mixture', '61 c3 a4 e2 82 ac f0 9f 98 80 62', 'aä€😀b'],
  ])('accepts %s', (_name, digits, text) => {
    expect(check(hex(digits))).toBe('accepted');
    expect(decode(hex(digits))).toBe(text);
    expect(toHex(encodeUtf8(text))).toBe(toHex(hex(digits)));
    expect(utf8Length(text)).toBe(hex(digits).length);
  });

  it.each([
    ['a lone continuation byte', '80'],
    ['an overlong slash of two bytes', 'c0 af'],
    ['the last overlong form of two bytes', 'c1 bf'],
    ['the last overlong form of three bytes', 'e0 9f bf'],
    ['the last overlong form of four bytes', 'f0 8f bf bf'],
    ['the first high surrogate', 'ed a0 80'],
    ['the last low surrogate', 'ed bf bf'],
    ['a surrogate pair', 'ed a0 bd ed b8 80'],
    ['U+110000', 'f4 90 80 80'],
    ['a lead byte that UTF-8 does not have', 'f5 80 80 80'],
    ['0xFE', 'fe'],
    ['0xFF', 'ff'],
    ['a two-byte character that is cut off', '61 c3'],
    ['a three-byte character that is cut off', '61 e2 82'],
    ['a four-byte character that is cut off', '61 f0 9f 98'],
    ['a two-byte character without its continuation', 'c3 28'],
    ['a three-byte character without its last byte', 'e2 82 28'],
    ['a four-byte character without its third byte', 'f0 9f 28 80'],
    ['a four-byte character without its last byte', 'f0 9f 98 28'],
  ])('refuses %s [MQTT-1.5.4-1]', (_name, digits) => {
    expect(check(hex(digits))).toBe('0x81 clause');
    expect(refusal(() => decode(hex(digits)))).toBe('0x81 clause');
  });

  it.each([
    ['alone', '00'],
    ['behind ASCII', '61 62 00'],
    ['behind a longer character', 'c3 a4 00'],
    ['in its overlong form', 'c0 80'],
  ])('refuses U+0000 %s [MQTT-1.5.4-2]', (_name, digits) => {
    expect(check(hex(digits))).toBe('0x81 clause');
    expect(refusal(() => decode(hex(digits)))).toBe('0x81 clause');
  });

  it('keeps a byte order mark as U+FEFF, wherever it stands [MQTT-1.5.4-3]', () => {
    expect(decode(hex('ef bb bf 61'))).toBe('\ufeffa');
    expect(decode(hex('61 ef bb bf'))).toBe('a\ufeff');
    expect(decode(hex('ef bb bf'))).toBe('\ufeff');
  });

  it('reads only the range it is given, from any Uint8Array', () => {
    const bytes = hex('ff 61 c3 a4 00');
    expect(decodeUtf8(bytes, 1, 4, 'clause')).toBe('aä');
    expect(decodeUtf8(bytes.subarray(1), 0, 3, 'clause')).toBe('aä');
    expect(decodeUtf8(Buffer.from(bytes), 1, 4, 'clause')).toBe('aä');
    expect(decodeUtf8(bytes, 1, 2, 'clause')).toBe('a');
    expect(refusal(() => decodeUtf8(bytes, 1, 3, 'clause'))).toBe('0x81 clause');
  });

  it('writes where it is told and says where it ended', () => {
    const target = new Uint8Array(6);
    expect(writeUtf8('ä€', target, 1)).toBe(6);
    expect(toHex(target)).toBe('00 c3 a4 e2 82 ac');
  });

  it('counts a lone surrogate as the three bytes of U+FFFD', () => {
    for (const text of ['\ud800', '\udc00', 'a\ud800b', '\udc00\ud800', '\ud800\ud800\udc00']) {
      expect(utf8Length(text)).toBe(encodeUtf8(text).length);
    }
  });
});

describe('UTF-8 without Buffer', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  it('is decoded to the same strings [MQTT-1.5.4-3]', async () => {
    vi.resetModules();
    vi.stubGlobal('Buffer', undefined);
    const portable = await import('../../src/protocol/utf8.ts');
    for (const digits of ['', '61 62', 'ef bb bf 61', '61 c3 a4 f0 9f 98 80']) {
      const bytes = hex(digits);
      expect(portable.decodeUtf8(bytes, 0, bytes.length, 'clause')).toBe(decode(bytes));
    }
  });
});
