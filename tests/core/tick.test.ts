import { expect, test } from 'vitest';
import { Tick } from '../../src/core/tick.ts';
import { turns } from '../kit/until.ts';

test('a turn ends with the commit, then the writes in their order, then those who wait', async () => {
  const tick = new Tick();
  const calls: string[] = [];
  tick.commit = () => calls.push('commit');
  tick.waitForNextTurn({ nextTurn: () => calls.push('next') });
  tick.markDirty({ endTurn: () => calls.push('a') });
  tick.markDirty({ endTurn: () => calls.push('b') });
  expect(calls).toEqual([]);
  const { turn } = tick;
  await turns(1);
  expect(calls).toEqual(['commit', 'a', 'b', 'next']);
  expect(tick.turn).toBe(turn + 1);
});

test('what gets dirty while a turn ends is written at the end of the next', async () => {
  const tick = new Tick();
  const calls: string[] = [];
  const late = { endTurn: () => calls.push('late') };
  tick.markDirty({
    endTurn: () => {
      calls.push('first');
      tick.markDirty(late);
    },
  });
  tick.waitForNextTurn({
    nextTurn: () => {
      calls.push('next');
      tick.waitForNextTurn({ nextTurn: () => calls.push('over-next') });
    },
  });
  await turns(1);
  expect(calls).toEqual(['first', 'next']);
  await turns(1);
  expect(calls).toEqual(['first', 'next', 'late', 'over-next']);
  await turns(3);
  expect(calls).toHaveLength(4);
});

test('a turn is exhausted past 16 MiB of output, and the next one begins at nothing', async () => {
  const tick = new Tick();
  tick.outputBytes = 16 * 1_048_576;
  expect(tick.isExhausted).toBe(false);
  tick.outputBytes++;
  expect(tick.isExhausted).toBe(true);
  tick.arm();
  await turns(1);
  expect([tick.outputBytes, tick.isExhausted]).toEqual([0, false]);
});
