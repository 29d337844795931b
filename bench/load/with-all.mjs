// The same with many, not all at once.

/**
 * @template T
 * @param {readonly T[]} all @param {number} concurrency how many at a time
 * @param {(one: T, index: number) => Promise<void>} run
 */
export async function withAll(all, concurrency, run) {
  let next = 0;
  const work = async () => {
    while (next < all.length) {
      const i = next++;
      await run(all[i], i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, all.length) }, work));
}
