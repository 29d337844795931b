// What a copy of a few dozen bytes costs by each way there is, nanoseconds. `npm run bench:micro -- copy`.

import { copyBytes, copyView, viewOf } from '../../src/protocol/bytes.ts';

const BUFFER_BYTES = 65_536;
const COPIES = 2_000_000;
const SIZES = [16, 32, 64, 90, 128, 256, 384, 512, 1_024];

type Copy = (start: number, end: number, at: number) => number;

const source = Buffer.allocUnsafeSlow(BUFFER_BYTES).fill(7);
const target = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const sourceView = viewOf(source);
const targetView = viewOf(target);

const WAYS: Readonly<Record<string, Copy>> = {
  'bytes, one by one': (start, end, at) => {
    let to = at;
    for (let from = start; from < end; from++) target[to++] = source[from];
    return to;
  },
  'set(subarray)': (start, end, at) => {
    target.set(source.subarray(start, end), at);
    return at + end - start;
  },
  copyBytes: (start, end, at) => copyBytes(source, start, end, target, at),
  copyView: (start, end, at) => copyView(sourceView, start, end, targetView, at),
};

/** Nanoseconds of one copy; the last of three runs, so that all is compiled. */
function measure(copy: Copy, size: number): number {
  let nanoseconds = 0;
  let sum = 0;
  for (let run = 0; run < 3; run++) {
    const before = process.hrtime.bigint();
    for (let i = 0; i < COPIES; i++) {
      const start = (i & 1_023) * 4;
      sum += copy(start, start + size, (i & 511) * 8);
    }
    nanoseconds = Number(process.hrtime.bigint() - before) / COPIES;
  }
  if (sum === 0) throw new Error('nothing was copied');
  return nanoseconds;
}

process.stdout.write(
  `${'bytes'.padEnd(20)}${SIZES.map((size) => String(size).padStart(7)).join('')}\n`,
);
for (const [name, copy] of Object.entries(WAYS)) {
  const row = SIZES.map((size) => measure(copy, size).toFixed(0).padStart(7));
  process.stdout.write(`${name.padEnd(20)}${row.join('')}\n`);
}
