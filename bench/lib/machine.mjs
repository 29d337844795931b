// What the machine did between two moments: processor time of some processes with all their threads, of everybody else, and
// what went to the disk. Processor time is the scheduler's (schedstat, nanoseconds), bytes and flushes are the block device's,
// so they hold whatever the file system adds, and whatever others write meanwhile.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const TICK_US = 10_000; // USER_HZ is 100 on every Linux that Node runs on
const SECTOR_BYTES = 512;
const KTHREADD = 2;
const TMPFS = 0x01021994;

/** @typedef {{ pid: number, parent: number, ticks: number, endedTicks: number }} Process */

/** @returns {Process[]} */
function listProcesses() {
  const found = [];
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = readOrNull(`/proc/${name}/stat`);
    if (line === null) continue;
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    // Its own, and of children that ended and were waited for.
    const ticks = Number(fields[11]) + Number(fields[12]);
    const endedTicks = Number(fields[13]) + Number(fields[14]);
    found.push({ pid: Number(name), parent: Number(fields[1]), ticks, endedTicks });
  }
  return found;
}

function readOrNull(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null; // it has ended
  }
}

/** These processes and all that they started. @param {number[]} roots */
export function descendantsOf(roots, all = listProcesses()) {
  const family = new Set(roots);
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

/** Microseconds of processor time, all threads that are there. @param {number[]} pids */
function cpuUsOf(pids) {
  let sum = 0;
  for (const pid of pids) {
    let tasks;
    try {
      tasks = fs.readdirSync(`/proc/${pid}/task`);
    } catch {
      continue;
    }
    for (const task of tasks) {
      const line = readOrNull(`/proc/${pid}/task/${task}/schedstat`);
      if (line !== null) sum += Number(line.split(' ')[0]) / 1_000;
    }
  }
  return sum;
}

/** The same in steps of a hundredth of a second, with threads and children that have ended. */
function tickUsOf(pids, all) {
  const wanted = new Set(pids);
  let sum = 0;
  for (const { pid, ticks, endedTicks } of all) if (wanted.has(pid)) sum += ticks + endedTicks;
  return sum * TICK_US;
}

/** Bytes of resident memory. @param {number[]} pids */
export function memoryOf(pids) {
  let sum = 0;
  for (const pid of pids) {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readOrNull(`/proc/${pid}/status`) ?? '');
    if (kilobytes !== null) sum += Number(kilobytes[1]) * 1_024;
  }
  return sum;
}

/** The statistics file of the block device that holds this folder. */
export function deviceOf(folder) {
  const { dev } = fs.statSync(folder);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const file = `/sys/dev/block/${major}:${minor}/stat`;
  if (!fs.existsSync(file))
    throw new Error(`${folder} is not on a disk that counts what it writes`);
  return { file, name: path.basename(fs.realpathSync(path.dirname(file))) };
}

/** Whether what is written there only goes to memory. */
export function isInMemory(folder) {
  return fs.statfsSync(folder).type === TMPFS;
}

/** Sees to it that what others wrote before is not counted later. */
export function syncDisk(folder) {
  spawnSync('sync', ['-f', folder]);
}

export class Meter {
  #device;

  /** @param {string | null} folder on the disk to watch @param {number[]} servers @param {number[]} generators */
  constructor(folder, servers, generators) {
    this.#device = folder === null ? null : deviceOf(folder);
    this.servers = servers;
    this.generators = generators;
  }

  /** How it stands now. */
  read() {
    const all = listProcesses();
    const ours = descendantsOf([...this.servers, ...this.generators, process.pid], all);
    const servers = descendantsOf(this.servers, all);
    const generators = descendantsOf(this.generators, all);
    let kernelTicks = 0;
    for (const { parent, ticks } of all) if (parent === KTHREADD) kernelTicks += ticks;
    return {
      atMs: performance.now(),
      serverUs: cpuUsOf(servers),
      // With its threads that have ended, which the scheduler's numbers leave out.
      generatorUs: tickUsOf(generators, all),
      oursUs: tickUsOf(ours, all),
      kernelUs: kernelTicks * TICK_US,
      busyUs: busyUs(),
      ...this.disk(),
    };
  }

  disk() {
    if (this.#device === null) return { diskBytes: Number.NaN, flushes: Number.NaN };
    const fields = fs.readFileSync(this.#device.file, 'utf8').trim().split(/\s+/).map(Number);
    return { diskBytes: fields[6] * SECTOR_BYTES, flushes: fields[15] ?? Number.NaN };
  }
}

/** User and system time of all processors; interrupts, which belong to nobody, are left out. */
function busyUs() {
  const [, user, nice, system] = fs.readFileSync('/proc/stat', 'utf8').split(/\s+/, 4);
  return (Number(user) + Number(nice) + Number(system)) * TICK_US;
}

/** What happened between two readings. */
export function between(before, after) {
  const elapsedUs = (after.atMs - before.atMs) * 1_000;
  const oursUs = after.oursUs - before.oursUs;
  const kernelUs = after.kernelUs - before.kernelUs;
  return {
    elapsedUs,
    serverUs: after.serverUs - before.serverUs,
    generatorUs: after.generatorUs - before.generatorUs,
    kernelUs,
    /** Part of one processor that everybody else used. */
    others: Math.max(0, (after.busyUs - before.busyUs - oursUs - kernelUs) / elapsedUs),
  };
}

/** Part of one processor that others may use during a run; beyond, it is done again while there is time to spare. */
export const OTHERS_MAX = 0.15;
const TRIES_MAX = 3;
const CALM_MAX_MS = 5_000;

/** Time for waiting until others leave the machine alone, and for doing again what they disturbed. */
export class Spare {
  #leftMs;

  /** @param {number} ms */
  constructor(ms) {
    this.#leftMs = ms;
  }

  /** Waits until the machine has been idle for a moment, not for long. */
  async calm() {
    const startMs = performance.now();
    while (this.#leftMs > 0) {
      const [beforeUs, beforeMs] = [busyUs(), performance.now()];
      await new Promise((resolve) => setTimeout(resolve, 150));
      const nowMs = performance.now();
      this.#leftMs -= nowMs - beforeMs;
      if ((busyUs() - beforeUs) / 1_000 / (nowMs - beforeMs) <= OTHERS_MAX) return;
      if (nowMs - startMs > CALM_MAX_MS) return;
    }
  }

  /**
   * The quietest of a few runs; the first quiet one is the last.
   * @template {{ others: number }} T
   * @param {() => Promise<T>} run
   * @returns {Promise<T & { tries: number }>}
   */
  async quietest(run) {
    let best = null;
    for (let tries = 1; ; tries++) {
      const startMs = performance.now();
      const found = await run();
      if (tries > 1) this.#leftMs -= performance.now() - startMs;
      if (best === null || found.others < best.others) best = found;
      const isLast = tries === TRIES_MAX || this.#leftMs <= 0;
      if (best.others <= OTHERS_MAX || isLast) return { ...best, tries };
    }
  }
}

/** What the tables were measured on. @param {string | null} folder where data was kept, if it was */
export function describeMachine(folder) {
  const cpu = os.cpus()[0]?.model ?? 'unknown';
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const disk = folder === null ? '' : `disk ${deviceOf(folder).name}, `;
  return `${os.cpus().length} × ${cpu}, ${memory} GiB, ${disk}${os.type()} ${os.release()}, Node ${process.version}`;
}
