// Wake-ups that are right to some microseconds. Timers of Node are right to a millisecond only, and waiting by turning would
// take a core from the server, so a thread sleeps and wakes the event loop.

import { Worker } from 'node:worker_threads';

/**
 * Calls back `count` times, one interval apart, the first time at `startMs` of the clock of monotonic.mjs; with the moment that it
 * was due, and how many came before. Rejects when the thread fails, resolves after the last one.
 * @param {number} startMs @param {number} count @param {number} intervalMs
 * @param {(dueMs: number, index: number) => void} onTick
 * @param {AbortSignal | null} signal no more of them
 */
export function ticks(startMs, count, intervalMs, onTick, signal = null) {
  const source = `
    const { parentPort } = require('node:worker_threads');
    const cell = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < ${count}; i++) {
      for (;;) {
        const leftMs = ${startMs} + i * ${intervalMs} - Number(process.hrtime.bigint()) / 1e6;
        if (leftMs <= 0) break;
        Atomics.wait(cell, 0, 0, leftMs);
      }
      parentPort.postMessage(i);
    }`;
  const worker = new Worker(source, { eval: true });
  worker.on('message', (index) => {
    if (signal === null || !signal.aborted) onTick(startMs + index * intervalMs, index);
  });
  signal?.addEventListener('abort', () => worker.terminate(), { once: true });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
}
