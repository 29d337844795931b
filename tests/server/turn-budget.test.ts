// Output of one turn is bounded however many publishers there are. Design §4: 16 MiB, then nobody reads on.

import { expect, onTestFinished, test, vi } from 'vitest';
import { Tick } from '../../src/core/tick.ts';
import { settle, startServer } from '../kit/wire.ts';

const BUDGET = 16 * 1_048_576;
const PAYLOAD = 200_000;
const SUBSCRIBERS = 40;
const PUBLISHERS = 12;

test('a turn overshoots its output budget by one packet at most, and everything still arrives', async () => {
  let largest = 0;
  // Whoever must wait for the next turn has just seen what this one amounts to.
  const waitForNextTurn = Tick.prototype.waitForNextTurn;
  vi.spyOn(Tick.prototype, 'waitForNextTurn').mockImplementation(function (this: Tick, item) {
    largest = Math.max(largest, this.outputBytes);
    waitForNextTurn.call(this, item);
  });
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
  const broker = await startServer({ limits: { outputBytesMax: 64 * 1_048_576 } });
  const subscribers = [];
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const subscriber = await broker.v3(`s${i}`);
    await subscriber.send("82 06 0001 0001 't' 00");
    await subscriber.packets();
    subscribers.push(subscriber);
  }
  const publishers = [];
  for (let i = 0; i < PUBLISHERS; i++) publishers.push(await broker.v3(`p${i}`));
  const packet = new Uint8Array(4 + 3 + PAYLOAD);
  const length = 3 + PAYLOAD;
  packet.set([0x30, (length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14, 0, 1, 0x74]);
  largest = 0;
  for (const publisher of publishers) publisher.write(packet);
  await settle(400);
  for (const subscriber of subscribers) expect(await subscriber.packets()).toHaveLength(PUBLISHERS);
  expect(largest).toBeGreaterThan(BUDGET); // the test reaches it at all
  expect(largest).toBeLessThan(BUDGET + (PAYLOAD + 16) * SUBSCRIBERS);
});
