import { describe, expect, it } from 'vitest';
import { Message, NO_EXPIRY } from '../../src/protocol/message.ts';
import type { ProtocolVersion } from '../../src/protocol/packet.ts';
import { PublishView } from '../../src/protocol/publish-view.ts';
import { Topic, TopicTable } from '../../src/protocol/topic.ts';
import { hex, refusal, toHex } from './support.ts';

/** Reads a body, which lies in the middle of a larger buffer as it does in a chunk. */
function read(first: number, digits: string, version: ProtocolVersion = 5, max = 64): PublishView {
  const bytes = hex('ee ee', digits, 'ee');
  const view = new PublishView();
  view.read(first, bytes, 2, bytes.length - 1, version, max);
  return view;
}

const refused = (first: number, digits: string, version?: ProtocolVersion, max?: number) =>
  refusal(() => read(first, digits, version, max));

function forwarded(view: PublishView): string {
  const length = view.forwardedPropertiesLength();
  const bytes = new Uint8Array(length + 1).fill(0xee);
  expect(view.copyForwardedProperties(bytes, 0)).toBe(length);
  expect(bytes[length]).toBe(0xee);
  return toHex(bytes.subarray(0, length));
}

const TOPIC = '00 03 61 2f 62'; // `a/b`
const FORMAT = '01 01';
const EXPIRY = '02 00 00 00 3c';
const CONTENT_TYPE = '03 00 01 74';
const RESPONSE_TOPIC = '08 00 01 72';
const CORRELATION = '09 00 02 00 ff';
const ALIAS = '23 00 07';
const USER = '26 00 01 6b 00 01 76';

describe('PublishView', () => {
  it('points at topic and payload where they lie', () => {
    const view = read(0x31, `${TOPIC} 68 69`, 4);
    expect(view).toMatchObject({ qos: 0, dup: false, retain: true, packetId: 0, topicAlias: 0 });
    expect([view.topicStart, view.topicEnd]).toEqual([4, 7]);
    expect([view.payloadStart, view.payloadEnd]).toEqual([7, 9]);
    expect(view.forwardedPropertiesLength()).toBe(0);
  });

  it('reads flags and packet identifier', () => {
    const view = read(0x3c, `${TOPIC} ff fe 00 68`);
    expect(view).toMatchObject({ qos: 2, dup: true, retain: false, packetId: 0xfffe });
    expect(toHex(view.bytes.subarray(view.payloadStart, view.payloadEnd))).toBe('68');
  });

  it('forwards all properties but alias and expiry, in their order [MQTT-3.3.2-18]', () => {
    const section = [USER, EXPIRY, FORMAT, CORRELATION, ALIAS, RESPONSE_TOPIC, CONTENT_TYPE, USER];
    const length = hex(...section).length.toString(16);
    const view = read(0x30, `${TOPIC} ${length} ${section.join(' ')} 68 69`);
    expect(view).toMatchObject({
      mustStrip: true,
      messageExpiryInterval: 60,
      topicAlias: 7,
      payloadFormatIndicator: 1,
    });
    expect(forwarded(view)).toBe(
      [USER, FORMAT, CORRELATION, RESPONSE_TOPIC, CONTENT_TYPE, USER].join(' '),
    );
    expect(toHex(view.bytes.subarray(view.payloadStart, view.payloadEnd))).toBe('68 69');
  });

  it('has nothing to strip when neither stands there', () => {
    const view = read(0x30, `${TOPIC} 09 ${USER} ${FORMAT}`);
    expect(view.mustStrip).toBe(false);
    expect(forwarded(view)).toBe(`${USER} ${FORMAT}`);
  });

  it('forgets the packet before', () => {
    const view = read(0x3b, `${TOPIC} 00 01 0a ${EXPIRY} ${ALIAS} ${FORMAT}`);
    const bytes = hex(TOPIC, '00');
    view.read(0x30, bytes, 0, bytes.length, 5, 64);
    expect(view).toMatchObject({
      dup: false,
      qos: 0,
      retain: false,
      packetId: 0,
      topicAlias: 0,
      messageExpiryInterval: NO_EXPIRY,
      payloadFormatIndicator: 0,
      mustStrip: false,
    });
    expect(view.forwardedPropertiesLength()).toBe(0);
  });

  it.each([
    ['QoS 3 [MQTT-3.3.1-4]', 0x36, `${TOPIC} 00 01 00`, '0x81 MQTT-3.3.1-4'],
    ['DUP at QoS 0 [MQTT-3.3.1-2]', 0x38, `${TOPIC} 00`, '0x81 MQTT-3.3.1-2'],
    ['packet identifier 0 [MQTT-2.2.1-3]', 0x32, `${TOPIC} 00 00 00`, '0x81 MQTT-2.2.1-3'],
    ['no topic [MQTT-3.3.2-1]', 0x30, '00', '0x81 MQTT-3.3.2-1'],
    ['half a topic [MQTT-3.3.2-1]', 0x30, '00 03 61 2f', '0x81 MQTT-3.3.2-1'],
    ['half a packet identifier', 0x32, `${TOPIC} 01`, '0x81 §3.3.2.2'],
    ['no property length [MQTT-2.2.2-1]', 0x30, TOPIC, '0x81 MQTT-2.2.2-1'],
    ['a property length of five bytes', 0x30, `${TOPIC} 80 80 80 80 01`, '0x81 MQTT-1.5.5-1'],
    ['half its properties', 0x30, `${TOPIC} 03 01 01`, '0x81 §2.2.2.1'],
    ['a property that leaves its section', 0x30, `${TOPIC} 01 01 01`, '0x81 §2.2.2.2'],
    ['a string that leaves it', 0x30, `${TOPIC} 03 03 00 01 74`, '0x81 MQTT-3.3.2-19'],
    ['an unknown property', 0x30, `${TOPIC} 02 04 01`, '0x81 §2.2.2.2'],
    ['a property of CONNECT', 0x30, `${TOPIC} 05 11 00 00 00 01`, '0x81 §2.2.2.2'],
    ['a Subscription Identifier [MQTT-3.3.4-6]', 0x30, `${TOPIC} 02 0b 01`, '0x82 MQTT-3.3.4-6'],
    ['Topic Alias 0 [MQTT-3.3.2-8]', 0x30, `${TOPIC} 03 23 00 00`, '0x94 MQTT-3.3.2-8'],
    ['format 2', 0x30, `${TOPIC} 02 01 02`, '0x82 §3.3.2.3.2'],
    ['format twice', 0x30, `${TOPIC} 04 ${FORMAT} ${FORMAT}`, '0x82 §3.3.2.3'],
    ['expiry twice', 0x30, `${TOPIC} 0a ${EXPIRY} ${EXPIRY}`, '0x82 §3.3.2.3'],
    ['alias twice', 0x30, `${TOPIC} 06 ${ALIAS} ${ALIAS}`, '0x82 §3.3.2.3'],
    ['content type twice', 0x30, `${TOPIC} 08 ${CONTENT_TYPE} ${CONTENT_TYPE}`, '0x82 §3.3.2.3'],
    [
      'response topic twice',
      0x30,
      `${TOPIC} 08 ${RESPONSE_TOPIC} ${RESPONSE_TOPIC}`,
      '0x82 §3.3.2.3',
    ],
    ['correlation twice', 0x30, `${TOPIC} 0a ${CORRELATION} ${CORRELATION}`, '0x82 §3.3.2.3'],
    ['an empty response topic', 0x30, `${TOPIC} 03 08 00 00`, '0x90 MQTT-4.7.3-1'],
    ['a + in it [MQTT-3.3.2-14]', 0x30, `${TOPIC} 04 08 00 01 2b`, '0x90 MQTT-3.3.2-14'],
    ['bad UTF-8 in it [MQTT-3.3.2-13]', 0x30, `${TOPIC} 04 08 00 01 ff`, '0x81 MQTT-3.3.2-13'],
    ['a bad content type [MQTT-3.3.2-19]', 0x30, `${TOPIC} 04 03 00 01 00`, '0x81 MQTT-3.3.2-19'],
    ['a bad user property', 0x30, `${TOPIC} 06 26 00 00 00 01 c3`, '0x81 MQTT-1.5.7-1'],
  ])('refuses %s', (_name, first, digits, expected) => {
    expect(refused(first, digits)).toBe(expected);
  });

  it('refuses more user properties than the limit allows', () => {
    expect(refused(0x30, `${TOPIC} 0e ${USER} ${USER}`, 5, 2)).toBe('accepted');
    expect(refused(0x30, `${TOPIC} 0e ${USER} ${USER}`, 5, 1)).toBe(
      '0x97 limit user_properties_max',
    );
  });
});

describe('a message borrowed from a PUBLISH', () => {
  const table = new TopicTable({ topicLengthMax: 100, topicLevelsMax: 10 });
  const scratch = () => new Message(new Topic('', hex('00 00'), 0), 0, false, hex(''), 0);

  function borrow(message: Message, digits: string, first = 0x30): PublishView {
    const view = read(first, digits);
    message.borrow(view, table.intern(view.bytes, view.topicStart, view.topicEnd), null, 1_000);
    return view;
  }

  const properties = (message: Message) =>
    toHex(message.bytes.subarray(message.propertiesStart, message.propertiesEnd));

  it('lies in the read buffer until somebody keeps it', () => {
    const message = scratch();
    const view = borrow(message, `${TOPIC} 07 ${USER} 68 69`, 0x31);
    expect(message.bytes).toBe(view.bytes);
    expect(message.isOwned).toBe(false);
    const kept = message.own();
    expect(message.own()).toBe(kept);
    expect(kept.isOwned).toBe(true);
    expect(kept.sequence).toBe(message.sequence);
    view.bytes.fill(0);
    expect([toHex(kept.payload), properties(kept)]).toEqual(['68 69', USER]);
    expect([kept.topic.name, kept.retain, kept.qos]).toEqual(['a/b', true, 0]);
    expect([kept.payloadLength, kept.propertiesLength, kept.size]).toEqual([2, 7, 5 + 7 + 2]);
    expect(kept.own()).toBe(kept);
  });

  it('is the same message for all who keep it, but never the next one', () => {
    const message = scratch();
    borrow(message, `${TOPIC} 00 68`);
    const first = message.own();
    borrow(message, `${TOPIC} 00 69`);
    const second = message.own();
    expect([toHex(first.payload), toHex(second.payload)]).toEqual(['68', '69']);
    expect(second.sequence).not.toBe(first.sequence);
  });

  it('has lost alias and expiry from its properties, and knows its expiry [MQTT-3.3.2-6]', () => {
    const message = scratch();
    borrow(message, `${TOPIC} 0f ${ALIAS} ${USER} ${EXPIRY} 68 69`);
    expect(properties(message)).toBe(USER);
    expect(toHex(message.payload)).toBe('68 69');
    const kept = message.own();
    expect([properties(kept), toHex(kept.payload)]).toEqual([USER, '68 69']);
    expect(kept.remainingExpiry(1_999)).toBe(60);
    expect(kept.remainingExpiry(2_000)).toBe(59);
    expect(kept.isExpired(60_999)).toBe(false);
    expect(kept.isExpired(61_000)).toBe(true);
    expect(kept.remainingExpiry(99_000)).toBe(0);
  });

  it('without an expiry never expires', () => {
    const message = scratch();
    borrow(message, `${TOPIC} 00`);
    expect(message.isExpired(Number.MAX_SAFE_INTEGER)).toBe(false);
    expect(message.remainingExpiry(1e9)).toBe(NO_EXPIRY);
  });

  it('can be kept for long without its read buffer or a pool', () => {
    const message = scratch();
    borrow(message, `${TOPIC} 07 ${USER} 68 69`);
    const compact = message.compact();
    expect(compact.bytes.buffer.byteLength).toBe(9);
    expect([properties(compact), toHex(compact.payload)]).toEqual([USER, '68 69']);
    message.release();
    expect(message.bytes).toHaveLength(0);
  });
});
