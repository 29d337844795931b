import { describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../src/protocol/decode-limits.ts';
import { checkTopicName, matchesFilter, parseTopicFilter } from '../../src/protocol/filter.ts';
import { refusal } from './support.ts';

const parse = (filter: string) => parseTopicFilter(filter, NO_LIMITS);
const refusedFilter = (filter: string, limits = NO_LIMITS) =>
  refusal(() => parseTopicFilter(filter, limits));

describe('parseTopicFilter', () => {
  it.each(['a', '/', '//', 'a/b', ' ', 'a b/ c', '$SYS/uptime', '$', '$shared/a', 'ä/€'])(
    'takes %j as a filter without wildcards',
    (filter) => {
      expect(parse(filter)).toEqual({
        topicFilter: filter,
        shareName: null,
        hasWildcard: false,
        levels: filter.split('/'),
      });
    },
  );

  it.each(['#', '+', '+/#', 'a/#', '/#', 'a/+/b', '+/+', '/+', '+/', '$SYS/#'])(
    'takes %j as a filter with wildcards',
    (filter) => {
      expect(parse(filter)).toMatchObject({ topicFilter: filter, hasWildcard: true });
    },
  );

  it.each(['a#', '#a', 'a/#/b', '#/', '##', '#/#', 'a/b#', '+#'])(
    'refuses %j: # stands elsewhere than alone at the end [MQTT-4.7.1-1]',
    (filter) => {
      expect(refusedFilter(filter)).toBe('0x8f MQTT-4.7.1-1');
    },
  );

  it.each(['a+', '+a', 'a/+b', 'a+/b', '++', 'a/b+/c'])(
    'refuses %j: + does not fill its level [MQTT-4.7.1-2]',
    (filter) => {
      expect(refusedFilter(filter)).toBe('0x8f MQTT-4.7.1-2');
    },
  );

  it('refuses an empty filter [MQTT-4.7.3-1]', () => {
    expect(refusedFilter('')).toBe('0x8f MQTT-4.7.3-1');
  });

  it('refuses U+0000 [MQTT-4.7.3-2]', () => {
    expect(refusedFilter('a\0b')).toBe('0x8f MQTT-4.7.3-2');
  });

  it('takes shared filters apart', () => {
    expect(parse('$share/group/a/+')).toEqual({
      topicFilter: 'a/+',
      shareName: 'group',
      hasWildcard: true,
      levels: ['a', '+'],
    });
    expect(parse('$share/g//')).toMatchObject({ topicFilter: '/', shareName: 'g' });
    expect(parse('$share/g/$share/h/a')).toMatchObject({ topicFilter: '$share/h/a' });
  });

  it.each(['$share', '$share/', '$share//a'])(
    'refuses %j: the ShareName is empty [MQTT-4.8.2-1]',
    (filter) => {
      expect(refusedFilter(filter)).toBe('0x8f MQTT-4.8.2-1');
    },
  );

  it.each(['$share/g+/a', '$share/#/a', '$share/+/a', '$share/g', '$share/g/'])(
    'refuses %j: a wildcard in the ShareName, or no filter behind it [MQTT-4.8.2-2]',
    (filter) => {
      expect(refusedFilter(filter)).toBe('0x8f MQTT-4.8.2-2');
    },
  );

  it('obeys wildcard rules behind the ShareName [MQTT-4.7.1-1]', () => {
    expect(refusedFilter('$share/g/a#')).toBe('0x8f MQTT-4.7.1-1');
  });

  it('counts the bytes of the whole filter', () => {
    const limits = { topicLengthMax: 12, topicLevelsMax: 9 };
    expect(refusedFilter('$share/g/aäb', { ...NO_LIMITS, ...limits })).toBe(
      '0x8f limit topic_length_max',
    );
    expect(parseTopicFilter('$share/g/aä', limits).topicFilter).toBe('aä');
  });

  it('counts the levels that are matched', () => {
    const limits = { topicLengthMax: 99, topicLevelsMax: 2 };
    expect(parseTopicFilter('$share/g/a/b', limits).levels).toEqual(['a', 'b']);
    expect(refusal(() => parseTopicFilter('a/b/#', limits))).toBe('0x8f limit topic_levels_max');
  });
});

describe('checkTopicName', () => {
  it('accepts names within the limits', () => {
    const limits = { topicLengthMax: 5, topicLevelsMax: 3 };
    expect(refusal(() => checkTopicName('a/b/c', limits))).toBe('accepted');
    expect(refusal(() => checkTopicName('aä/bc', limits))).toBe('0x90 limit topic_length_max');
    expect(refusal(() => checkTopicName('a///', limits))).toBe('0x90 limit topic_levels_max');
  });

  it.each([
    ['', 'MQTT-4.7.3-1'],
    ['a/+', 'MQTT-4.7.0-1'],
    ['#', 'MQTT-4.7.0-1'],
    ['a\0', 'MQTT-4.7.3-2'],
  ])('refuses %j for %s', (name, clause) => {
    expect(refusal(() => checkTopicName(name, NO_LIMITS))).toBe(`0x90 ${clause}`);
  });
});

describe('matchesFilter', () => {
  it.each([
    ['a', 'a'],
    ['a/b', 'a/b'],
    ['a/b/c', '#'],
    ['a', 'a/#'],
    ['a/b/c', 'a/#'],
    ['/', '#'],
    ['/', '+/+'],
    ['/a', '/+'],
    ['/a', '+/+'],
    ['a/', 'a/+'],
    ['a/', 'a/#'],
    ['sport/tennis/player1', 'sport/tennis/+'],
    ['sport/tennis/player1/ranking', 'sport/+/player1/#'],
    ['$SYS/a', '$SYS/#'],
    ['$SYS/a', '$SYS/+'],
    ['$SYS', '$SYS/#'],
    ['a/$b', 'a/+'],
  ])('%j matches %j', (name, filter) => {
    expect(matchesFilter(name, filter)).toBe(true);
  });

  it.each([
    ['a', 'b'],
    ['a', 'a/b'],
    ['a/b', 'a'],
    ['/a', '+'],
    ['/a', 'a'],
    ['a', 'a/'],
    ['a', 'a/+'],
    ['a/b/c', 'a/+'],
    ['sport', 'sport/+'],
    ['sports', 'sport/#'],
  ])('%j does not match %j', (name, filter) => {
    expect(matchesFilter(name, filter)).toBe(false);
  });

  it.each(['#', '+', '+/a', '+/#'])(
    '%j never matches topics that begin with $ [MQTT-4.7.2-1]',
    (filter) => {
      expect(matchesFilter('$SYS', filter)).toBe(false);
      expect(matchesFilter('$SYS/a', filter)).toBe(false);
    },
  );

  it('compares characters, not what they mean to people [MQTT-4.7.3-4]', () => {
    expect(matchesFilter('A', 'a')).toBe(false);
    expect(matchesFilter('a ', 'a')).toBe(false);
    expect(matchesFilter('\u00e4', 'a\u0308')).toBe(false);
    expect(matchesFilter('\ufeffa', 'a')).toBe(false);
    expect(matchesFilter('a//b', 'a/b')).toBe(false);
  });
});
