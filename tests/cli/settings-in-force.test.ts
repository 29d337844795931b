// Which configuration is told to be in force after a reload: parts that count at start are as they were then.

import { expect, test } from 'vitest';
import { settingsInForce } from '../../src/cli/management-control.ts';
import { type Config, DEFAULT_CONFIG } from '../../src/config/config.ts';

const STARTED: Config = { ...DEFAULT_CONFIG };
const CURRENT: Config = { ...DEFAULT_CONFIG };
const origin = 'f.toml:1';

const source = {
  file: 'f.toml',
  load: async () => CURRENT,
  describe: (config: Config) =>
    ['limits.qos_max', 'access.hash_workers', 'access.watch', 'rules[0].effect', 'log.level'].map(
      (path) => ({ path, origin, value: config === CURRENT ? 'new' : 'old' }),
    ),
};

test('before a reload all is as it was started', () => {
  const values = settingsInForce(STARTED, STARTED, source);
  expect(values.map(({ value, isReloaded }) => `${value} ${isReloaded}`)).toEqual(
    new Array(5).fill('old false'),
  );
});

test('after one, what may change while it runs is new', () => {
  const values = settingsInForce(STARTED, CURRENT, source);
  expect(values.map(({ path, value, isReloaded }) => [path, value, isReloaded])).toEqual([
    ['limits.qos_max', 'old', false],
    ['access.hash_workers', 'old', false],
    ['log.level', 'old', false],
    ['access.watch', 'new', true],
    ['rules[0].effect', 'new', true],
  ]);
});
