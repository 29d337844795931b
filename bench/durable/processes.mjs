// Processes that were started here, and how they end: every server in a folder and a process group of its own, all killed and
// all folders removed when the benchmark ends, however it does.

import { fork, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from './client.mjs';
import { descendantsOf } from './machine.mjs';

const GENERATOR = fileURLToPath(new URL('generator.mjs', import.meta.url));
const TMPFS = 0x01021994;
const START_MAX_MS = 60_000;
const STEP_MAX_MS = 60_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @type {Set<() => void>} */
const cleanUps = new Set();
process.on('exit', () => {
  for (const clean of [...cleanUps].reverse()) clean();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/** A folder on a real disk that is gone at the end. @param {string | undefined} parent */
export function temporaryFolder(parent = os.tmpdir()) {
  const folder = fs.mkdtempSync(path.join(parent, 'iothub-bench-'));
  cleanUps.add(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  if (fs.statfsSync(folder).type === TMPFS) {
    throw new Error(`${parent} is memory, not a disk: name another folder with --folder`);
  }
  return folder;
}

/** A loopback port that nobody listens on. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A process group; its output goes to a file in the folder. */
export class Group {
  #child;
  #clean = () => this.#kill();

  constructor(command, args, { folder, env = {} }) {
    const log = fs.openSync(path.join(folder, `${path.basename(command)}.out`), 'a');
    this.#child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    fs.closeSync(log);
    this.#child.once('error', (error) => {
      this.failure = error;
    });
    this.exited = new Promise((resolve) => this.#child.once('exit', resolve));
    cleanUps.add(this.#clean);
  }

  /** @type {Error | null} */
  failure = null;

  get pid() {
    return this.#child.pid;
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** What it kept is thrown away, so nothing is lost by an end without a word. */
  async stop() {
    this.#kill();
    cleanUps.delete(this.#clean);
    await this.exited;
  }

  #kill() {
    if (this.pid === undefined) return;
    // Erlang's helpers leave the group, but not the family.
    const family = this.isRunning ? descendantsOf([this.pid]) : [];
    for (const pid of [-this.pid, ...family]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone already
      }
    }
  }
}

/** A server of that kind, started and answering. */
export class Server {
  /** @type {Group[]} */
  #groups = [];

  constructor(broker, parent) {
    this.broker = broker;
    this.folder = fs.mkdtempSync(path.join(parent, `${broker.key}-`));
  }

  get pids() {
    return this.#groups.map((group) => group.pid);
  }

  /** The process that serves. */
  get main() {
    return this.#groups[this.#groups.length - 1];
  }

  async start() {
    this.port = await freePort();
    const commands = await this.broker.commands({ folder: this.folder, port: this.port });
    for (const { command, args, env } of commands) {
      this.#groups.push(new Group(command, args, { folder: this.folder, env }));
    }
    const endMs = performance.now() + START_MAX_MS;
    while (!(await this.#answers())) {
      if (this.main.failure !== null) throw this.main.failure;
      if (!this.main.isRunning || performance.now() > endMs) {
        throw new Error(`${this.broker.name} does not start:\n${this.lastLines()}`);
      }
      await sleep(50);
    }
    return this;
  }

  lastLines() {
    const files = fs.readdirSync(this.folder).filter((name) => name.endsWith('.out'));
    return files
      .map((name) => fs.readFileSync(path.join(this.folder, name), 'utf8').slice(-2_000))
      .join('\n');
  }

  async stop() {
    for (const group of this.#groups.reverse()) await group.stop();
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #answers() {
    const client = new Client(this.port);
    const late = sleep(1_000).then(() => {
      throw new Error('late');
    });
    try {
      await Promise.race([client.connect('is-it-up', true), late]);
      await client.disconnect();
      return true;
    } catch {
      client.destroy();
      return false;
    } finally {
      late.catch(() => {});
    }
  }
}

/** The load generator's process. */
export class Generator {
  #child = fork(GENERATOR, { serialization: 'advanced' });
  #clean = () => this.#child.kill('SIGKILL');
  #lastId = 0;

  constructor() {
    cleanUps.add(this.#clean);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Does one step; rejects with what went wrong there. */
  run(step, plan = {}) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(new Error(`${step} takes too long`)), STEP_MAX_MS);
      const end = (error, result) => {
        clearTimeout(timer);
        this.#child.off('message', onMessage).off('exit', onExit);
        if (error === null) resolve(result);
        else reject(error);
      };
      const onExit = () => end(new Error(`the generator ended during ${step}`));
      const onMessage = (message) => {
        if (message.id !== id) return;
        if (message.error === undefined) end(null, message.result);
        else end(new Error(`${step}: ${message.error}`));
      };
      this.#child.on('message', onMessage).on('exit', onExit);
      this.#child.send({ id, step, plan });
    });
  }

  stop() {
    cleanUps.delete(this.#clean);
    this.#child.kill('SIGKILL');
  }
}
