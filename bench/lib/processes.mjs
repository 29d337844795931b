// Processes that were started here, and how they end: every server in a folder and a process group of its own, all killed and
// all folders removed when the benchmark ends, however it does.

import { fork, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { descendantsOf } from './machine.mjs';

const START_MAX_MS = 60_000;
const ANSWER_MAX_MS = 1_000;
const STEP_MAX_MS = 60_000;
/** CONNECT of MQTT 3.1.1 with client id `is-it-up`, clean session. */
const CONNECT = Buffer.from('101400044d515454040200000008' + '69732d69742d7570', 'hex');
const CONNACK = 0x20;
const DISCONNECT = Buffer.from([0xe0, 0]);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @type {Set<() => void>} */
const cleanUps = new Set();
process.on('exit', () => {
  for (const clean of [...cleanUps].reverse()) clean();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/** A folder that is gone at the end. @param {string | undefined} parent */
export function temporaryFolder(parent = os.tmpdir()) {
  const folder = fs.mkdtempSync(path.join(parent, 'iothub-bench-'));
  cleanUps.add(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
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

  #answers() {
    const { broker, port } = this;
    return broker.answers === undefined ? isAnswering('127.0.0.1', port) : broker.answers(port);
  }
}

/** Whether a server there lets a client in. @param {string} host @param {number} port @returns {Promise<boolean>} */
function isAnswering(host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: ANSWER_MAX_MS });
    const end = (isUp) => {
      resolve(isUp);
      if (isUp) socket.end(DISCONNECT);
      else socket.destroy();
    };
    socket.once('data', (bytes) => end(bytes[0] === CONNACK && bytes[3] === 0));
    socket.once('timeout', () => end(false));
    socket.on('error', () => end(false));
    socket.once('close', () => end(false));
    socket.write(CONNECT);
  });
}

/** A process that makes load: a program that does the steps it is told over IPC. */
export class Generator {
  #child;
  #clean = () => this.#child.kill('SIGKILL');
  #lastId = 0;

  /** @param {URL} program */
  constructor(program) {
    this.#child = fork(program, { serialization: 'advanced' });
    cleanUps.add(this.#clean);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Told what the process says without being asked. @param {(message: object) => void} listener */
  onWord(listener) {
    this.#child.on('message', (message) => {
      if (message.id === undefined) listener(message);
    });
  }

  /** Tells it something that it does not answer. */
  tell(message) {
    if (this.#child.connected) this.#child.send(message);
  }

  /** Does one step; rejects with what went wrong there. */
  run(step, plan = {}, timeMaxMs = STEP_MAX_MS) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(new Error(`${step} takes too long`)), timeMaxMs);
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
