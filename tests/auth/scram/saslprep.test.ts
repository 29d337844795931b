// SASLprep: RFC 4013 and the tables of RFC 3454 that it names.

import { expect, test } from 'vitest';
import { saslPrep } from '../../../src/auth/scram/saslprep.ts';

test.each([
  ['I\u00adX', 'IX', 'SOFT HYPHEN mapped to nothing'],
  ['user', 'user', 'no transformation'],
  ['USER', 'USER', 'case preserved'],
  ['\u00aa', 'a', 'output is NFKC, input in ISO 8859-1'],
  ['\u2168', 'IX', 'output is NFKC, will match the first'],
  ['\u0007', null, 'a prohibited character'],
])('the example of RFC 4013 §3: %j becomes %j (%s)', (text, prepared, _why) => {
  expect(saslPrep(text)).toBe(prepared);
});

test.each([
  ['a b', 'a b', 'a space'],
  ['a\u00a0b\u2003c\u3000d', 'a b c d', 'spaces that are not ASCII, C.1.2'],
  ['a\u200bb', 'a b', 'ZERO WIDTH SPACE, which C.1.2 has before B.1'],
  ['a\u200db\u2060c\ufe0fd\ufeffe', 'abcde', 'what is mapped to nothing, B.1'],
  ['Gro\u0308ße', 'Größe', 'what is written in two characters'],
  ['ﬁ ①', 'fi 1', 'what is compatible'],
  ['пароль 密码 🔑', 'пароль 密码 🔑', 'other scripts'],
])('%j becomes %j: %s', (text, prepared, _why) => {
  expect(saslPrep(text)).toBe(prepared);
});

test.each([
  ['', 'nothing'],
  ['\u00ad\u200d', 'nothing that is left'],
  ['a\tb', 'ASCII control characters, C.2.1'],
  ['a\u007f', 'DEL, C.2.1'],
  ['a\u0085', 'other control characters, C.2.2'],
  ['a\u2028b', 'a line separator, C.2.2'],
  ['a\u{1d173}', 'musical control characters, C.2.2'],
  ['a\ue000', 'private use, C.3'],
  ['a\u{10fffd}', 'private use in the last plane, C.3'],
  ['a\ufdd0', 'a code point that is no character, C.4'],
  ['a\u{1ffff}', 'the last code point of a plane, C.4'],
  ['a\ud800', 'half a surrogate pair, C.5'],
  ['a\ufffd', 'the replacement character, C.6'],
  ['a\u2ff0', 'a description of an ideograph, C.7'],
  ['a\u200eb', 'a mark of direction, C.8'],
  ['a\u202eb', 'an override of direction, C.8'],
  ['a\u{e0041}', 'a tag, C.9'],
])('%j is refused: %s', (text) => {
  expect(saslPrep(text)).toBeNull();
});

test('what was prepared stays as it is', () => {
  for (const text of ['a\u00a0ﬁ\u00adb', 'Gro\u0308ße', '\u2168']) {
    const prepared = saslPrep(text) ?? '';
    expect(saslPrep(prepared)).toBe(prepared);
  }
});
