// What must hold for every packet and every byte string. A failure prints the seed and path that reproduce it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_LIMITS, type Role } from '../../src/protocol/decode-limits.ts';
import { Decoder, decodePacket } from '../../src/protocol/decoder.ts';
import { encodePacket } from '../../src/protocol/encoder.ts';
import { matchesFilter, parseTopicFilter } from '../../src/protocol/filter.ts';
import { NO_EXPIRY } from '../../src/protocol/message.ts';
import { type Packet, PacketType, type ProtocolVersion } from '../../src/protocol/packet.ts';
import { connectVersion } from '../../src/protocol/packets/connect.ts';
import { ProtocolError } from '../../src/protocol/protocol-error.ts';
import { PublishView } from '../../src/protocol/publish-view.ts';
import { TopicTable } from '../../src/protocol/topic.ts';
import { decodeUtf8, encodeUtf8, utf8Length } from '../../src/protocol/utf8.ts';
import { runs } from '../kit/runs.ts';
import { anyPacket, mutations } from './arbitraries.ts';
import { decode } from './support.ts';

const WAYS = ([3, 4, 5] as const).flatMap((version) => [
  { version, role: 'server' as Role },
  { version, role: 'client' as Role },
]);
const RUNS = { numRuns: runs(500) };

function encode(packet: Packet, version: ProtocolVersion): Uint8Array {
  const bytes = encodePacket(packet, version);
  expect(bytes).not.toBeNull();
  return bytes ?? new Uint8Array(0);
}

/** The packets in `bytes`, and whether a ProtocolError ended them; any other error is thrown on. */
function decodeAll(decoder: Decoder, chunks: readonly Uint8Array[]): [Packet[], boolean] {
  const packets: Packet[] = [];
  try {
    for (const chunk of chunks) for (const packet of decoder.push(chunk)) packets.push(packet);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [packets, true];
  }
  return [packets, false];
}

describe.each(WAYS)('for a $role of version $version', ({ version, role }) => {
  const packets = anyPacket(version, role);
  const decoder = () => new Decoder({ protocolVersion: version, role });

  it('every packet is read as it was written', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const bytes = encode(packet, version);
        expect(decode(bytes, { version, role })).toEqual(packet);
        expect(encode(decode(bytes, { version, role }), version)).toEqual(bytes);
      }),
      RUNS,
    );
  });

  it('any split of the stream gives the same packets [MQTT-4.2-1] [MQTT-6.0.0-2]', () => {
    const cuts = fc.array(fc.nat({ max: 4_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(packets, { maxLength: 5 }), cuts, (sent, where) => {
        const stream = Uint8Array.from(sent.flatMap((packet) => [...encode(packet, version)]));
        const ends = [...where.filter((cut) => cut < stream.length), stream.length];
        ends.sort((a, b) => a - b);
        const chunks = ends.map((end, i) => stream.slice(i === 0 ? 0 : ends[i - 1], end));
        expect(decodeAll(decoder(), chunks)).toEqual([sent, false]);
      }),
      { numRuns: runs(200) },
    );
  });

  it('damaged packets are read or refused, and what is read can be written', () => {
    fc.assert(
      fc.property(packets, mutations(), (packet, mutate) => {
        const [read] = decodeAll(decoder(), [mutate(encode(packet, version))]);
        for (const each of read) {
          const again = encode(each, version);
          const own = each.type === PacketType.Connect ? each.protocolVersion : version;
          expect(decode(again, { version: own, role })).toEqual(each);
        }
      }),
      { numRuns: runs(2_000) },
    );
  });

  it('random bodies are read or refused', () => {
    const body = fc.uint8Array({ maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), body, (header, bytes) => {
        try {
          decodePacket(header, bytes, 0, bytes.length, version, NO_LIMITS, role);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: runs(5_000) },
    );
  });

  it('random streams are read or refused', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (chunks) => {
        decodeAll(decoder(), chunks);
      }),
      { numRuns: runs(1_000) },
    );
  });
});

describe('the first packet', () => {
  it('may be any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        decodeAll(new Decoder(), [Uint8Array.of(0x10, bytes.length, ...bytes)]);
        const { level } = connectVersion(bytes, 0, bytes.length);
        expect(level).toBeGreaterThanOrEqual(0);
        expect(level).toBeLessThan(128);
      }),
      { numRuns: runs(2_000) },
    );
  });

  it('tells its version also where the whole of it is damaged', () => {
    fc.assert(
      fc.property(anyPacket(5, 'server'), (packet) => {
        fc.pre(packet.type === PacketType.Connect);
        const bytes = encode(packet, 5);
        const body = bytes.length < 130 ? 2 : 3;
        const cut = bytes.slice(0, body + 7);
        expect(connectVersion(cut, body, cut.length)).toEqual({ nameIsValid: true, level: 5 });
      }),
      { numRuns: runs(50) },
    );
  });
});

describe('PublishView and decodePublish', () => {
  const topics = new TopicTable({ topicLengthMax: 65_535, topicLevelsMax: 65_536 }, 64);

  /** What the server's way makes of the bytes, in the words of a PublishPacket; null when it refuses them. */
  function view(header: number, bytes: Uint8Array, version: ProtocolVersion): object | null {
    const read = new PublishView();
    try {
      read.read(header, bytes, 0, bytes.length, version, Number.POSITIVE_INFINITY);
      const hasTopic = read.topicEnd > read.topicStart || read.topicAlias === 0;
      return {
        dup: read.dup,
        qos: read.qos,
        retain: read.retain,
        packetId: read.packetId,
        topicName: hasTopic ? topics.intern(bytes, read.topicStart, read.topicEnd).name : '',
        payload: bytes.slice(read.payloadStart, read.payloadEnd),
        alias: read.topicAlias,
        expiry: read.messageExpiryInterval,
        format: read.payloadFormatIndicator,
      };
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  }

  function friendly(header: number, bytes: Uint8Array, version: ProtocolVersion): object | null {
    try {
      const packet = decodePacket(header, bytes, 0, bytes.length, version);
      if (packet.type !== PacketType.Publish) throw new Error('not a PUBLISH');
      const { dup, qos, retain, packetId, topicName, payload, properties } = packet;
      return {
        dup,
        qos,
        retain,
        packetId,
        topicName,
        payload,
        alias: properties.topicAlias ?? 0,
        expiry: properties.messageExpiryInterval ?? NO_EXPIRY,
        format: properties.payloadFormatIndicator ?? 0,
      };
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  }

  it.each([3, 4, 5] as const)(
    'agree about every body, damaged or not, in version %i',
    (version) => {
      fc.assert(
        fc.property(
          anyPacket(version, 'client'),
          mutations(),
          fc.boolean(),
          (packet, mutate, whole) => {
            fc.pre(packet.type === PacketType.Publish);
            const bytes = encode(packet, version);
            const start = bytes[1] < 128 ? 2 : 3;
            const body = whole ? bytes.slice(start) : mutate(bytes.slice(start));
            expect(view(bytes[0], body, version)).toEqual(friendly(bytes[0], body, version));
          },
        ),
        { numRuns: runs(1_000) },
      );
    },
  );
});

describe('text', () => {
  const anyText = fc.string({ unit: 'binary' });

  it('comes back from UTF-8 as it went', () => {
    fc.assert(
      fc.property(anyText, (value) => {
        const bytes = encodeUtf8(value);
        expect(utf8Length(value)).toBe(bytes.length);
        if (!value.includes('\0')) expect(decodeUtf8(bytes, 0, bytes.length, '')).toBe(value);
      }),
      RUNS,
    );
  });

  it('is refused exactly where the platform’s strict decoder refuses it, and for U+0000', () => {
    const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const lead = fc.constantFrom(0x7f, 0x80, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff);
    const byte = fc.oneof(
      lead,
      fc.integer({ min: 0x80, max: 0xbf }),
      fc.integer({ max: 255, min: 0 }),
    );
    const bytes = fc.array(byte, { maxLength: 8 }).map((each) => Uint8Array.from(each));
    const outcome = (decodeIt: () => string) => {
      try {
        const value = decodeIt();
        return value.includes('\0') ? 'refused' : value;
      } catch {
        return 'refused';
      }
    };
    fc.assert(
      fc.property(bytes, (each) => {
        const ours = outcome(() => decodeUtf8(each, 0, each.length, ''));
        expect(ours).toBe(outcome(() => strict.decode(each)));
      }),
      { numRuns: runs(20_000) },
    );
  });
});

describe('filters', () => {
  const level = fc.constantFrom('', 'a', 'b', '$x', 'ä');
  const name = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));

  it('without wildcards match exactly the name that they are', () => {
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(matchesFilter(one, other)).toBe(one === other);
      }),
      RUNS,
    );
  });

  it('still match when one level becomes + or the rest becomes #', () => {
    fc.assert(
      fc.property(name, fc.nat({ max: 3 }), (topicName, at) => {
        const levels = topicName.split('/');
        const index = at % levels.length;
        const reserved = topicName.startsWith('$') && index === 0;
        expect(matchesFilter(topicName, levels.with(index, '+').join('/'))).toBe(!reserved);
        const rest = [...levels.slice(0, index), '#'].join('/');
        expect(matchesFilter(topicName, rest)).toBe(!reserved);
      }),
      RUNS,
    );
  });

  it('are parsed or refused, whatever they are', () => {
    const piece = fc.constantFrom('/', '+', '#', '$share', '$', 'a', '\0', '');
    const filter = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(filter, (value) => {
        try {
          const parsed = parseTopicFilter(value, NO_LIMITS);
          const { shareName, topicFilter } = parsed;
          expect(shareName === null ? topicFilter : `$share/${shareName}/${topicFilter}`).toBe(
            value,
          );
          expect(parsed.levels.join('/')).toBe(topicFilter);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: runs(2_000) },
    );
  });
});
