// What concerns IoTHub alone: that clean sessions pay nothing for the store, how long the event loop is kept from turning while
// queues fill, and how often the system is asked to sync.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { between, descendantsOf, Meter, syncDisk } from '../lib/machine.mjs';
import { Generator, Server, sleep } from '../lib/processes.mjs';
import { iotHub } from './brokers.mjs';

const GENERATOR = new URL('generator.mjs', import.meta.url);
const PROBE = new URL('probe.mjs', import.meta.url).href;
const PAYLOAD_BYTES = 64;
const PAIRS = { subscribers: 10, publishers: 10, isToAll: false, payloadBytes: PAYLOAD_BYTES };
const SYNC_CALLS = 'fsync,fdatasync,msync,sync_file_range';

/**
 * QoS 1 between clean sessions, with and without a store, in turn; microseconds of server CPU a message.
 * @returns {Promise<{ always: number[], memory: number[], others: number }>}
 */
export async function cleanPairs(main, folder, { rounds, timeMs, spare }) {
  const found = { always: [], memory: [], others: 0 };
  const processes = Math.min(3, rounds);
  for (let i = 0; i < processes; i++) {
    // New processes now and then, because no two are compiled alike.
    const generator = new Generator(GENERATOR);
    const levels = i % 2 === 0 ? ['always', 'memory'] : ['memory', 'always'];
    const servers = new Map();
    for (const level of levels) {
      servers.set(level, await new Server(iotHub(main, level), folder).start());
    }
    for (const server of servers.values()) {
      await pairsOnce(server, generator, 1_500, spare);
    }
    for (let round = 0; round < Math.ceil(rounds / processes); round++) {
      for (const level of round % 2 === 0 ? levels : [...levels].reverse()) {
        const server = servers.get(level);
        const best = await spare.quietest(() => pairsOnce(server, generator, timeMs, spare));
        found[level].push(best.cpuUs);
        found.others = Math.max(found.others, best.others);
      }
    }
    for (const server of servers.values()) await server.stop();
    generator.stop();
  }
  return found;
}

let pairRuns = 0;

async function pairsOnce(server, generator, timeMs, spare) {
  const messagesMax = 200 * timeMs; // of each publisher, more than it gets rid of
  const plan = { ...PAIRS, isOnline: true, isClean: true, messagesMax, port: server.port };
  await generator.run('prepare', { ...plan, prefix: `c${++pairRuns}` });
  await spare.calm();
  const meter = new Meter(server.folder, server.pids, [generator.pid]);
  const before = meter.read();
  const { acknowledged } = await generator.run('publish', {
    window: 16,
    count: messagesMax,
    timeMs,
  });
  const { lost } = await generator.run('collect');
  const used = between(before, meter.read());
  await generator.run('finish');
  if (lost > 0) throw new Error(`${lost} messages lost between clean sessions that stayed online`);
  return { cpuUs: used.serverUs / acknowledged, others: used.others };
}

/**
 * The event loop while `messages` queue up for `subscribers` that are away, and while those are back and fetch them.
 */
export function stalls(main, folder, shape, spare) {
  return spare.quietest(() => stallsOnce(main, folder, shape, spare));
}

async function stallsOnce(main, folder, { messages, subscribers, publishers, window }, spare) {
  const file = path.join(folder, `probe-${subscribers}-${process.hrtime.bigint()}.json`);
  const broker = iotHub(main, 'always', ['--import', PROBE], { IOTHUB_BENCH_PROBE: file });
  const server = await new Server(broker, folder).start();
  const generator = new Generator(GENERATOR);
  const each = Math.ceil(messages / publishers);
  const shape = { subscribers, publishers, isToAll: false, isOnline: false, port: server.port };
  const warm = {
    ...shape,
    payloadBytes: PAYLOAD_BYTES,
    messagesMax: Math.ceil(10_000 / publishers),
  };
  await generator.run('prepare', { ...warm, prefix: 'warm' });
  await generator.run('publish', { window, count: warm.messagesMax, timeMs: 30_000 });
  await generator.run('collect');
  await generator.run('finish');
  await generator.run('prepare', { ...warm, prefix: 'queue', messagesMax: each });
  await spare.calm();
  syncDisk(folder);
  const meter = new Meter(folder, server.pids, [generator.pid]);
  const before = meter.read();
  server.main.signal('SIGUSR2');
  const { elapsedMs } = await generator.run('publish', { window, count: each, timeMs: 50_000 });
  const queueing = await report(server, file);
  const { others } = between(before, meter.read());
  server.main.signal('SIGUSR2');
  const { lost, received } = await generator.run('collect');
  const draining = await report(server, file);
  await generator.run('finish');
  generator.stop();
  await server.stop();
  if (lost > 0 || received < messages) throw new Error(`${lost} of ${messages} messages lost`);
  return { queueing, draining, elapsedMs, others };
}

async function report(server, file) {
  server.main.signal('SIGUSR2');
  for (let i = 0; i < 500 && !fs.existsSync(file); i++) await sleep(10);
  const found = JSON.parse(fs.readFileSync(file, 'utf8'));
  fs.rmSync(file);
  return found;
}

/**
 * How often a server asks for a sync, by `strace`, in a run of its own since being watched slows it down. What it writes through
 * files that sync by themselves (LMDB's meta page) is a flush of the device, not a call of this kind.
 * @returns {Promise<{ calls: number, flushes: number, messages: number } | null>} null without strace
 */
export async function countSyncs(broker, folder, { window, publishers, messages }) {
  const server = await new Server(broker, folder).start();
  const generator = new Generator(GENERATOR);
  const each = Math.ceil(messages / publishers);
  const shape = { subscribers: publishers, publishers, isToAll: false, isOnline: false };
  const plan = { ...shape, port: server.port, prefix: 'w', payloadBytes: PAYLOAD_BYTES };
  await generator.run('prepare', { ...plan, messagesMax: each });
  const counts = path.join(folder, `strace-${broker.key}-${window}.txt`);
  // A launcher is among them, which does nothing.
  const pids = descendantsOf(server.pids).flatMap((pid) => ['-p', String(pid)]);
  const args = ['-f', '-c', '-e', `trace=${SYNC_CALLS}`, '-o', counts, ...pids];
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  tracer.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise((resolve) => tracer.once('close', resolve).once('error', resolve));
  for (let i = 0; i < 300 && !said.includes('attached'); i++) await sleep(10);
  const meter = new Meter(folder, [], []);
  const before = meter.disk();
  const loads = await generator.run('publish', { window, count: each, timeMs: 20_000 });
  const flushes = meter.disk().flushes - before.flushes;
  tracer.kill('SIGINT');
  await ended;
  await generator.run('finish');
  generator.stop();
  await server.stop();
  if (!fs.existsSync(counts)) return null;
  return {
    calls: sumOfCalls(fs.readFileSync(counts, 'utf8')),
    flushes,
    messages: loads.acknowledged,
  };
}

/** The column `calls` of what `strace -c` says. */
function sumOfCalls(text) {
  let sum = 0;
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (SYNC_CALLS.split(',').includes(fields.at(-1))) sum += Number(fields[3]);
  }
  return sum;
}
