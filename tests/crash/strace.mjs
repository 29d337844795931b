// strace on a server that runs: what it does to its store's file and to sockets, line by line, with faults injected if wanted.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { atEnd, check, temporaryFolder, until } from './kit.mjs';

const CALLS = 'fdatasync,fsync,pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg';
const ATTACH_MAX_MS = 10_000;

/** Throws Failure with what to do when there is no strace, or it may not trace. */
export function needStrace() {
  const found = spawnSync('strace', ['-V'], { encoding: 'utf8' });
  check(found.error === undefined, 'strace is missing: scripts/ci-tools.sh installs it');
}

export class Trace {
  #child;
  #file;
  #complaint = '';
  #pid;

  /** `inject`: what strace injects, as `fdatasync:error=EIO`. */
  static async attach(pid, inject = null) {
    const trace = new Trace(pid, inject);
    await trace.#attached();
    return trace;
  }

  constructor(pid, inject) {
    this.#pid = pid;
    this.#file = path.join(temporaryFolder('strace'), 'trace');
    const options = ['-f', '-y', '-ttt', '-T', '-s', '12', '-e', `trace=${CALLS}`];
    if (inject !== null) options.push('-e', `inject=${inject}`);
    this.#child = spawn('strace', [...options, '-o', this.#file, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#complaint += text;
    });
    atEnd(() => this.#child.kill('SIGKILL'));
  }

  /** Lets go of the server; resolves with what it did: [{ at, seconds, name, target, text, isInjected }] in the order of ending. */
  async detach() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGINT');
    await ended;
    return parse(fs.readFileSync(this.#file, 'utf8'));
  }

  async #attached() {
    const isTraced = () => {
      const status = fs.readFileSync(`/proc/${this.#pid}/status`, 'utf8');
      return !/^TracerPid:\s+0$/m.test(status) && this.#complaint.includes('attached');
    };
    const isSo = await until(() => this.#child.exitCode !== null || isTraced(), ATTACH_MAX_MS);
    check(isSo && this.#child.exitCode === null, () => `strace cannot attach: ${this.#complaint}`);
  }
}

const LINE = /^(\d+)\s+(\d+\.\d+) (?:<\.\.\. )?(\w+)(.*)$/;

/** A call that another interrupted is two lines; it began with the first and ended with the second. */
function parse(text) {
  const calls = [];
  const begun = new Map();
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, thread, time, name, rest] = match;
    if (rest.includes('<unfinished ...>')) {
      begun.set(thread, { time: Number(time), rest });
      continue;
    }
    const first = line.includes(' resumed>') ? begun.get(thread) : { time: Number(time), rest };
    begun.delete(thread);
    if (first === undefined) continue;
    const whole = first.rest + rest;
    const took = Number(/<(\d+\.\d+)>$/.exec(rest)?.[1] ?? 0);
    const target = /^\(\d+<([^>]*)>/.exec(first.rest)?.[1] ?? '';
    calls.push({ name, target, startAt: first.time, endAt: first.time + took, text: whole });
  }
  return calls.sort((a, b) => a.endAt - b.endAt);
}
