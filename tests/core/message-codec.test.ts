import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { messageOf, plainMessage, TOPICS } from '../../src/contracts/values.ts';
import { StoredMessageCodec } from '../../src/core/message-codec.ts';
import { StoreClock } from '../../src/core/store-clock.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Message, NO_EXPIRY } from '../../src/protocol/message.ts';
import type { QoS } from '../../src/protocol/packet.ts';
import { PublishView } from '../../src/protocol/publish-view.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { hex, toHex } from '../kit/hex.ts';
import { runs } from '../kit/runs.ts';

/** Monotonic milliseconds of the start, when store time is 1,700,000,000,000 = 0x018bcfe56800. */
const START_MS = 1_000;
const DAY_MS = 86_400_000;

function codecAt(clock: FakeClock, anchor: { storeMs: number; wallMs: number } | null = null) {
  const storeClock = new StoreClock(clock, anchor);
  return { codec: new StoredMessageCodec(storeClock, TOPICS, clock.now()), storeClock };
}

const { codec, storeClock } = codecAt(new FakeClock(START_MS));
const plain = (message: Message) => plainMessage(message, (ms) => storeClock.toStore(ms));
const client = (clientId: string, username: string | null) => ({
  sessionId: `__client_${clientId}`,
  clientId,
  username,
});

describe('the layout of a stored message', () => {
  test('with all that it may have', () => {
    const message = messageOf('a/b', {
      qos: 1,
      retain: true,
      messageExpiryInterval: 300,
      properties: '01 01', // Payload Format Indicator: UTF-8
      payload: '68 69',
      receivedAtMs: START_MS,
      publisher: { sessionId: 'ext', clientId: 'c', username: 'ü' },
    });
    expect(toHex(codec.encode(message))).toBe(
      toHex(
        hex(`
          01               // version
          7d               // QoS 1, RETAIN, expiry, publisher, user name, session id
          018bcfe56800     // received at
          0000012c         // message expiry interval: 300 s
          0003 'a/b'       // topic name
          0001 'c'         // client id
          0002 c3bc        // user name 'ü'
          0003 'ext'       // session id
          00000002 0101    // properties
          'hi'             // payload
        `),
      ),
    );
  });

  test('with as little as it can have', () => {
    const message = messageOf('t', { qos: 0, receivedAtMs: START_MS + 1 });
    expect(toHex(codec.encode(message))).toBe(
      toHex(
        hex(`
          01               // version
          00               // QoS 0 and nothing else
          018bcfe56801     // received at
          0001 't'         // topic name
          00000000         // no properties
        `),
      ),
    );
  });

  test.each([
    ['00', { qos: 0 }],
    ['01', { qos: 1 }],
    ['02', { qos: 2 }],
    ['04', { qos: 0, retain: true }],
    ['08', { qos: 0, messageExpiryInterval: 0 }],
    ['10', { qos: 0, publisher: client('', null) }],
    ['30', { qos: 0, publisher: client('c', '') }],
    ['50', { qos: 0, publisher: { sessionId: '', clientId: 'c', username: null } }],
  ] as const)('has the flags %s for %o', (flags, fields) => {
    expect(toHex(codec.encode(messageOf('t', fields)).subarray(1, 2))).toBe(flags);
  });

  test('does not have the session id of a client', () => {
    const message = messageOf('t', { receivedAtMs: START_MS, publisher: client('größe', null) });
    expect(toHex(codec.encode(message))).toBe(
      toHex(hex("01 11 018bcfe56800 0001 't' 0007 'größe' 00000000")),
    );
  });

  test('has a time of six bytes, and none before 1970', () => {
    const times = [-1, 0, 2 ** 48 - 1].map((storeMs) => {
      const receivedAtMs = storeClock.toMonotonic(storeMs);
      return toHex(codec.encode(messageOf('t', { receivedAtMs })).subarray(2, 8));
    });
    expect(times).toEqual(['00 00 00 00 00 00', '00 00 00 00 00 00', 'ff ff ff ff ff ff']);
  });
});

describe('a stored message', () => {
  test('is read as it was written', () => {
    const message = codec.decode(
      hex(`
        01 3e 018bcfe56be8 // QoS 2, RETAIN, expiry, publisher, user name; a second after the start
        ffffffff           // message expiry interval
        0005 ' + ' c3b6    // topic name
        0000 0000          // client id and user name: empty
        00000004 03 0001 61 // Content Type: 'a'
        00 ff
      `),
    );
    expect(plain(message)).toEqual({
      topicName: ' + ö',
      wire: '0005202b20c3b6',
      qos: 2,
      retain: true,
      properties: '03000161',
      payload: '00ff',
      messageExpiryInterval: 0xffff_ffff,
      receivedAtMs: 1_700_000_001_000,
      publisher: client('', ''),
    });
    expect(message.receivedAtMs).toBe(START_MS + 1_000);
    expect(message.isOwned).toBe(true);
  });

  const text = fc.string({ unit: 'binary', maxLength: 20 });
  const anyMessage = fc
    .record({
      topicName: fc.oneof(text, fc.constant('x'.repeat(65_535))).map(toTopicName),
      qos: fc.constantFrom<QoS[]>(0, 1, 2),
      retain: fc.boolean(),
      properties: fc.uint8Array({ maxLength: 300 }).map((bytes) => toHex(bytes)),
      payload: fc.uint8Array({ maxLength: 5_000 }),
      messageExpiryInterval: fc.oneof(
        fc.constant(NO_EXPIRY),
        fc.integer({ min: 0, max: 0xffff_ffff }),
      ),
      receivedAtMs: fc.integer({ min: START_MS, max: 2 ** 40 }),
      publisher: fc.option(
        fc.oneof(
          fc.tuple(text, fc.option(text)).map(([id, username]) => client(id, username)),
          fc.record({ sessionId: text, clientId: text, username: fc.option(text) }),
        ),
      ),
    })
    .map(({ topicName, ...fields }) => messageOf(topicName, fields));

  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const bytes = codec.encode(message);
        expect(plain(codec.decode(bytes))).toEqual(plain(message));
        expect(toHex(codec.encode(codec.decode(bytes)))).toBe(toHex(bytes));
      }),
    );
  });

  test('is summarized as a queue sees it', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const { size, topic, expiresAtMs } = message;
        expect(codec.summarize(codec.encode(message))).toEqual({
          topicName: topic.name,
          size,
          expiresAtMs:
            expiresAtMs === Number.POSITIVE_INFINITY
              ? expiresAtMs
              : storeClock.toStore(expiresAtMs),
        });
      }),
    );
  });

  test('that is cut off throws, unless only its payload is shorter', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (message, n) => {
        const bytes = codec.encode(message);
        const length = n % bytes.length;
        const cut = bytes.subarray(0, length);
        if (length < bytes.length - message.payloadLength) {
          expect(() => codec.decode(cut)).toThrow(Error);
        } else {
          const missing = bytes.length - length;
          expect(codec.decode(cut).payloadLength).toBe(message.payloadLength - missing);
        }
        onlyErrors(() => codec.summarize(cut));
      }),
    );
  });

  test('that is garbage throws Error and nothing else, or is some message', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.concat([Buffer.of(1), bytes])),
      fc.tuple(anyMessage, fc.nat(), fc.nat(255)).map(([message, n, byte]) => {
        const bytes = Uint8Array.from(codec.encode(message));
        bytes[n % bytes.length] = byte;
        return bytes;
      }),
    );
    fc.assert(
      fc.property(garbage, (bytes) => {
        onlyErrors(() => codec.decode(bytes));
        onlyErrors(() => codec.summarize(bytes));
      }),
      { numRuns: runs(1_000) },
    );
  });

  test.each([
    ['no bytes', ''],
    ['another version', "02 00 018bcfe56800 0001 't' 00000000"],
    ['QoS 3', "01 03 018bcfe56800 0001 't' 00000000"],
    ['a flag that is not defined', "01 80 018bcfe56800 0001 't' 00000000"],
    ['the user name of nobody', "01 20 018bcfe56800 0001 't' 0001 'u' 00000000"],
    ['the session id of nobody', "01 40 018bcfe56800 0001 't' 0001 'u' 00000000"],
    ['more properties than there are bytes', "01 00 018bcfe56800 0001 't' 00000001"],
    ['a topic name that is cut off', "01 00 018bcfe56800 0002 't'"],
  ])('is none with %s', (_, digits) => {
    expect(() => codec.decode(hex(digits))).toThrow(/^a stored message/);
  });

  test('does not keep the bytes that it was read from', () => {
    const bytes = Buffer.from(codec.encode(messageOf('t', { properties: '01 01', payload: '2a' })));
    const message = codec.decode(bytes);
    bytes.fill(0);
    expect([plain(message).properties, plain(message).payload]).toEqual(['0101', '2a']);
  });

  test('may lie in the middle of a buffer', () => {
    const bytes = codec.encode(messageOf('t', { payload: '2a' }));
    const within = Buffer.concat([Buffer.of(1, 2, 3), bytes]).subarray(3);
    expect(plain(codec.decode(within)).payload).toBe('2a');
    expect(codec.summarize(new Uint8Array(within)).size).toBe(4);
  });

  test('keeps a byte order mark, and names that are past the limits of today', () => {
    const topics = new TopicTable({ topicLengthMax: 4, topicLevelsMax: 2 });
    const strict = new StoredMessageCodec(storeClock, topics, START_MS);
    for (const name of ['\ufeffa', 'a/b/c', 'longer than four']) {
      const restored = strict.decode(codec.encode(messageOf(name)));
      expect(restored.topic.name).toBe(name);
      expect(toHex(restored.topic.wire)).toBe(toHex(messageOf(name).topic.wire));
    }
  });
});

describe('encoding', () => {
  test('is done once for all who get a message one after the other', () => {
    const message = messageOf('t');
    const bytes = codec.encode(message);
    expect(codec.encode(message)).toBe(bytes);
    codec.encode(messageOf('other'));
    expect(codec.encode(message)).not.toBe(bytes);
    expect(toHex(codec.encode(message))).toBe(toHex(bytes));
  });

  test('never takes a borrowed message for the one that was in the same object before', () => {
    const view = new PublishView();
    const scratch = messageOf('t');
    const borrow = (payload: string) => {
      const bytes = hex(`0001 't' 00 '${payload}'`);
      view.read(0x30, bytes, 0, bytes.length, 5, 0);
      scratch.borrow(view, TOPICS.of('t'), null, START_MS);
    };
    borrow('a');
    const first = codec.encode(scratch);
    borrow('b');
    const second = codec.encode(scratch);
    expect(toHex(first)).toBe(toHex(hex("01 00 018bcfe56800 0001 't' 00000000 'a'")));
    expect(toHex(second)).toBe(toHex(hex("01 00 018bcfe56800 0001 't' 00000000 'b'")));
  });

  test('copies the bytes of the message', () => {
    const message = messageOf('t', { payload: '2a' });
    const bytes = codec.encode(message);
    message.bytes.fill(0);
    expect(plain(codec.decode(bytes)).payload).toBe('2a');
  });
});

describe('over a restart', () => {
  const WALL_MS = 1_700_000_000_000;

  /** 60 s to live, received at the start of a server that stops `ranMs` later; the next one starts `offMs` after that. */
  function restarted(ranMs: number, offMs: number) {
    const before = new FakeClock(START_MS, WALL_MS);
    const first = codecAt(before);
    const fields = { messageExpiryInterval: 60, receivedAtMs: before.now() };
    const bytes = first.codec.encode(messageOf('t', fields));
    before.advance(ranMs);
    const clock = new FakeClock(77, before.wallNow() + offMs);
    const second = codecAt(clock, first.storeClock.anchor());
    return { bytes, clock, codec: second.codec };
  }

  test('a message has as long to live as was left', () => {
    const { bytes, clock, codec: next } = restarted(20_000, 15_000);
    expect(next.decode(bytes).remainingExpiry(clock.now())).toBe(25);
  });

  test('a message that expired while the server was off is expired at once', () => {
    const { bytes, clock, codec: next } = restarted(20_000, 50_000);
    expect(next.decode(bytes).isExpired(clock.now())).toBe(true);
  });

  test('nothing passes while the wall clock goes backwards', () => {
    const { bytes, clock, codec: next } = restarted(20_000, -3_600_000);
    expect(next.decode(bytes).remainingExpiry(clock.now())).toBe(40);
  });

  test('a message lives for ten minutes when it is in doubt how long the server was off', () => {
    const { bytes, clock, codec: next } = restarted(20_000, 2 * DAY_MS);
    const message = next.decode(bytes);
    expect(message.isExpired(clock.now())).toBe(false);
    clock.advance(599_999);
    expect(message.isExpired(clock.now())).toBe(false);
    clock.advance(1);
    expect(message.isExpired(clock.now())).toBe(true);
    const never = next.decode(codec.encode(messageOf('t')));
    expect(never.isExpired(clock.now() + 1e12)).toBe(false);
  });

  test('what comes in while that is in doubt expires as it says', () => {
    const { clock, codec: next } = restarted(20_000, 2 * DAY_MS);
    clock.advance(1_000);
    const fields = { messageExpiryInterval: 60, receivedAtMs: clock.now() };
    const message = next.decode(next.encode(messageOf('t', fields)));
    expect(message.remainingExpiry(clock.now() + 59_000)).toBe(1);
    expect(message.isExpired(clock.now() + 60_000)).toBe(true);
  });
});

/** A topic name of any text: not empty, without wildcards and U+0000. */
function toTopicName(text: string): string {
  return `/${text.replaceAll(/[+#\0]/g, '-')}`.slice(0, 65_535);
}

function onlyErrors(f: () => unknown): void {
  try {
    f();
  } catch (error) {
    if (!(error instanceof Error)) throw new Error(`threw ${String(error)}`);
  }
}
