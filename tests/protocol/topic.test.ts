import { describe, expect, it } from 'vitest';
import { type Topic, TopicTable } from '../../src/protocol/topic.ts';
import { encodeUtf8 } from '../../src/protocol/utf8.ts';
import { hex, refusal, toHex } from './support.ts';

const LIMITS = { topicLengthMax: 16, topicLevelsMax: 4 };

function intern(table: TopicTable, name: string): Topic {
  const bytes = encodeUtf8(name);
  return table.intern(bytes, 0, bytes.length);
}

describe('TopicTable', () => {
  it('gives the same topic for the same bytes, wherever they lie', () => {
    const table = new TopicTable(LIMITS);
    const first = table.intern(hex('61 2f 62'), 0, 3);
    expect(table.intern(hex('ff 61 2f 62 ff'), 1, 4)).toBe(first);
    expect(table.of('a/b')).toBe(first);
    expect(table.size).toBe(1);
    expect(first.name).toBe('a/b');
    expect(toHex(first.wire)).toBe('00 03 61 2f 62');
  });

  it('tells names apart bytewise [MQTT-4.7.3-4]', () => {
    const table = new TopicTable(LIMITS);
    const names = ['a', 'A', 'a ', 'a/', '/a', '\u00e4', 'a\u0308', '\ufeffa'];
    const topics = new Set(names.map((name) => intern(table, name)));
    expect(topics.size).toBe(names.length);
    expect([...topics].map((topic) => topic.name)).toEqual(names);
  });

  it('copies the bytes, so that the buffer may be reused', () => {
    const table = new TopicTable(LIMITS);
    const bytes = hex('61 62');
    const topic = table.intern(bytes, 0, 2);
    bytes.fill(0xff);
    expect(toHex(topic.wire)).toBe('00 02 61 62');
    expect(table.of('ab')).toBe(topic);
  });

  it.each([
    ['an empty name', '', '0x90 MQTT-4.7.3-1'],
    ['a + [MQTT-3.3.2-2]', '61 2f 2b', '0x90 MQTT-3.3.2-2'],
    ['a # [MQTT-3.3.2-2]', '23', '0x90 MQTT-3.3.2-2'],
    ['U+0000 [MQTT-4.7.3-2]', '61 00', '0x81 MQTT-3.3.2-1'],
    ['bad UTF-8 [MQTT-3.3.2-1]', 'c3', '0x81 MQTT-3.3.2-1'],
    ['17 bytes', '61'.repeat(17), '0x90 limit topic_length_max'],
    ['5 levels', '2f'.repeat(4), '0x90 limit topic_levels_max'],
  ])('refuses %s and does not keep it', (_name, digits, expected) => {
    const table = new TopicTable(LIMITS);
    const bytes = hex(digits);
    expect(refusal(() => table.intern(bytes, 0, bytes.length))).toBe(expected);
    expect(table.size).toBe(0);
  });

  it('accepts names at the limits', () => {
    const table = new TopicTable(LIMITS);
    expect(intern(table, 'a'.repeat(16)).name).toHaveLength(16);
    expect(intern(table, '///').name).toBe('///');
  });

  it('knows the topics that wildcards at the beginning do not match [MQTT-4.7.2-1]', () => {
    const table = new TopicTable(LIMITS);
    expect(table.of('$SYS/a').isReserved).toBe(true);
    expect(table.of('a/$b').isReserved).toBe(false);
  });

  it('never holds more than its capacity and still finds what was used lately', () => {
    const table = new TopicTable(LIMITS, 8);
    for (let i = 0; i < 1_000; i++) {
      const topic = intern(table, `t/${i}`);
      expect(table.size).toBeLessThanOrEqual(8);
      expect(intern(table, `t/${i}`)).toBe(topic);
    }
  });

  it('keeps what was named since the last sweep and drops what was not', () => {
    const table = new TopicTable(LIMITS, 8);
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    for (const name of names) intern(table, name);
    intern(table, 'i'); // sweeps: half of the eight stay, marked
    const kept = table.size - 1;
    expect(kept).toBe(4);
    const used = intern(table, 'i');
    for (const name of ['j', 'k', 'l', 'm']) intern(table, name); // sweeps again
    expect(table.size).toBeLessThanOrEqual(8);
    expect(intern(table, 'i')).toBe(used);
  });

  it('forgets a topic without harm: it is made again', () => {
    const table = new TopicTable(LIMITS, 2);
    const first = intern(table, 'a');
    for (const name of ['b', 'c', 'd', 'e', 'f', 'g']) intern(table, name);
    const again = intern(table, 'a');
    expect(again.name).toBe(first.name);
    expect(toHex(again.wire)).toBe(toHex(first.wire));
    expect(again.hash).toBe(first.hash);
  });

  it('looks at few slots only, however many names were made to collide', () => {
    const table = new TopicTable(LIMITS, 512); // 1,024 slots
    const hashes = new TopicTable(LIMITS);
    const colliding: string[] = [];
    for (let i = 0; colliding.length < 200; i++) {
      if ((intern(hashes, `n${i}`).hash & 1_023) === 77) colliding.push(`n${i}`);
    }
    for (const name of colliding) {
      const topic = intern(table, name);
      expect(topic.name).toBe(name);
      expect(intern(table, name)).toBe(topic);
    }
    expect(table.size).toBe(64);
    expect(intern(table, colliding[1])).toBe(intern(table, colliding[1]));
    expect(table.size).toBe(64);
  });
});
