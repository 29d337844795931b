// What of `traceparent` counts, letter by letter. https://www.w3.org/TR/trace-context/#traceparent-header

import { describe, expect, test } from 'vitest';
import { Message } from '../../../src/protocol/message.ts';
import type { UserProperty } from '../../../src/protocol/packet.ts';
import { Topic } from '../../../src/protocol/topic.ts';
import { parseTraceparent, traceContextOf } from '../../../src/server/spans/trace-context.ts';
import { userProperties } from '../../kit/user-properties.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const RIGHT = `00-${TRACE}-${SPAN}-01`;

describe('one that is right', () => {
  test.each([
    [RIGHT, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [`00-${TRACE}-${SPAN}-03`, true],
    [`00-${TRACE}-${SPAN}-fe`, false],
    [`01-${TRACE}-${SPAN}-01`, true],
    [`cc-${TRACE}-${SPAN}-01-what a later version says`, true],
  ])('%s', (text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled });
  });
});

test.each([
  ['nothing', ''],
  ['version ff', `ff-${TRACE}-${SPAN}-01`],
  ['version 00 with more behind it', `${RIGHT}-00`],
  ['version 00 with a dash behind it', `${RIGHT}-`],
  ['a later version with more and no dash', `01-${TRACE}-${SPAN}-01x`],
  ['capitals', RIGHT.toUpperCase()],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['a span id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['a trace id that is too short', `00-${TRACE.slice(1)}-${SPAN}-01`],
  ['a letter that is no digit', `00-${TRACE.replace('4', 'g')}-${SPAN}-01`],
  ['a blank before it', ` ${RIGHT}`],
  ['a line break behind it', `${RIGHT}\n`],
  ['flags of one digit', `00-${TRACE}-${SPAN}-1`],
])('%s counts as nothing', (_what, text) => {
  expect(parseTraceparent(text)).toBeNull();
});

describe('the user properties of a message', () => {
  const context = { traceId: TRACE, spanId: SPAN, isSampled: true, traceState: '' };

  test.each<[string, UserProperty[], object | null]>([
    ['none', [], null],
    [
      'traceparent among others',
      [
        ['a', 'b'],
        ['traceparent', RIGHT],
        ['c', 'd'],
      ],
      context,
    ],
    [
      'twice, also the same',
      [
        ['traceparent', RIGHT],
        ['traceparent', RIGHT],
      ],
      null,
    ],
    ['another spelling is another property', [['Traceparent', RIGHT]], null],
    ['a wrong one', [['traceparent', 'x']], null],
    [
      'tracestate with it, in several parts',
      [
        ['tracestate', 'a=1'],
        ['traceparent', RIGHT],
        ['tracestate', 'b=2'],
      ],
      { ...context, traceState: 'a=1,b=2' },
    ],
    [
      'a tracestate that is too long, or no plain text, is left out',
      [
        ['tracestate', `a=${'x'.repeat(511)}`],
        ['traceparent', RIGHT],
      ],
      context,
    ],
    [
      '',
      [
        ['tracestate', 'a=ü'],
        ['traceparent', RIGHT],
      ],
      context,
    ],
    ['tracestate alone', [['tracestate', 'a=1']], null],
  ])('%s', (_what, pairs, expected) => {
    const bytes = userProperties(pairs);
    const topic = new Topic('t', new Uint8Array(2), 0);
    const message = new Message(topic, 0, false, bytes, bytes.length);
    expect(traceContextOf(message)).toEqual(expected);
  });
});
