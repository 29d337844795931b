// Loaded into IoTHub's own process by `node --import`: how long its event loop was kept from turning. The first SIGUSR2 begins a
// measurement, the second one ends it and writes it to the file that IOTHUB_BENCH_PROBE names.

import fs from 'node:fs';
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks';

const file = process.env.IOTHUB_BENCH_PROBE;
/** Milliseconds; what the histogram holds is this much longer than the delay of the loop. */
const RESOLUTION_MS = 1;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
let isOn = false;
let collections = [];
let startMs = 0;
let startUse = performance.eventLoopUtilization();
let startTurns = 0;
let startWaitedMs = 0;

const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) collections.push(entry.duration);
});

/** Milliseconds that the thread of the event loop was ready to run while something else ran. */
function waitedMs() {
  const line = fs.readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8');
  return Number(line.split(' ')[1]) / 1e6;
}

function begin() {
  isOn = true;
  collections = [];
  startMs = performance.now();
  startUse = performance.eventLoopUtilization();
  startTurns = performance.nodeTiming.uvMetricsInfo?.loopCount ?? 0;
  startWaitedMs = waitedMs();
  delays.reset();
  delays.enable();
  observer.observe({ entryTypes: ['gc'] });
}

function end() {
  isOn = false;
  delays.disable();
  observer.disconnect();
  const toMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const turns = (performance.nodeTiming.uvMetricsInfo?.loopCount ?? 0) - startTurns;
  const { active } = performance.eventLoopUtilization(startUse);
  const report = {
    elapsedMs: performance.now() - startMs,
    samples: delays.count,
    p50: toMs(delays.percentile(50)),
    p99: toMs(delays.percentile(99)),
    p999: toMs(delays.percentile(99.9)),
    max: toMs(delays.max),
    meanTurnMs: active / turns,
    turns,
    waitedMs: waitedMs() - startWaitedMs,
    collections: collections.length,
    longestCollectionMs: Math.max(0, ...collections),
  };
  fs.writeFileSync(`${file}.part`, JSON.stringify(report));
  fs.renameSync(`${file}.part`, file);
}

process.on('SIGUSR2', () => (isOn ? end() : begin()));
