import { expect, test } from 'vitest';
import { MemoryListener, MemoryStream } from '../../src/transport/memory.ts';
import { streamContract } from '../contracts/stream.contract.ts';

streamContract('a pipe in memory', () => Promise.resolve(MemoryStream.pair()));

test('a closed listener lets nobody in', async () => {
  const listener = new MemoryListener();
  await listener.listen(() => {});
  await listener.close();
  expect(() => listener.connect()).toThrow('nobody listens here any more');
});
