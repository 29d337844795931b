import { describe, expect, test } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/config/quantity.ts';

describe('a duration', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['7 d', 604_800_000],
    [10, 10_000],
    [0.25, 250],
    [0, 0],
  ])('written %j is %d ms', (written, milliseconds) => {
    expect(parseDuration(written)).toBe(milliseconds);
  });

  test.each([
    '',
    '10',
    's',
    '-1s',
    '10 seconds',
    '1h30m',
    '1w',
    '10S',
    'toString',
    Infinity,
    Number.NaN,
    true,
    null,
  ])('is not %j', (written) => {
    expect(parseDuration(written)).toBeNull();
  });

  test('is shown with the largest unit that fits', () => {
    expect([0, 1, 1_500, 60_000, 90_000, 604_800_000].map(formatDuration)).toEqual([
      '0s',
      '1ms',
      '1500ms',
      '1m',
      '90s',
      '7d',
    ]);
  });
});

describe('a size', () => {
  test.each([
    ['64B', 64],
    ['64KB', 64_000],
    ['64KiB', 65_536],
    ['2MB', 2_000_000],
    ['8MiB', 8_388_608],
    ['1GB', 1_000_000_000],
    ['1.5GiB', 1_610_612_736],
    [1_048_576, 1_048_576],
  ])('written %j is %d bytes', (written, bytes) => {
    expect(parseSize(written)).toBe(bytes);
  });

  test.each(['8', '8mib', '8M', '-8MiB', '8 bytes', Infinity, [], {}])('is not %j', (written) => {
    expect(parseSize(written)).toBeNull();
  });

  test('is shown with a unit that divides it', () => {
    expect([0, 64, 65_536, 2_000_000, 8_388_608, 268_435_460].map(formatSize)).toEqual([
      '0B',
      '64B',
      '64KiB',
      '2MB',
      '8MiB',
      '268435460B',
    ]);
  });
});
