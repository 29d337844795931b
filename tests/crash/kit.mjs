// What the crash tests share: a seed, deadlines, the built server in a process of its own that can be killed, and one network
// connection of a client. Nothing here knows what a session is.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Decoder, encodePacket, PacketType } from '../../dist/protocol/index.js';
import { Random } from './random.mjs';

export const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
/** Within this a server serves or has ended, whatever its store looks like. */
export const START_MAX_MS = 20_000;
const END_MAX_MS = 30_000;
const LOG_LINES_MAX = 2_000;

export const say = (line) => process.stdout.write(`${line}\n`);
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Until `isSo()`, looked at every few milliseconds; false if it is not within that time. */
export async function until(isSo, deadlineMs, everyMs = 10) {
  const endMs = performance.now() + deadlineMs;
  while (!isSo()) {
    if (performance.now() > endMs) return false;
    await sleep(everyMs);
  }
  return true;
}

const cleanUps = [];
/** Runs `clean` when the test ends, however it does; it must be synchronous. */
export function atEnd(clean) {
  cleanUps.push(clean);
}

process.on('exit', () => {
  for (const clean of cleanUps.reverse()) {
    try {
      clean();
    } catch (error) {
      say(`clean-up failed: ${error}`);
    }
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    say(`ended by ${signal} (SEED=${SEED})`);
    process.exit(1);
  });
}

/** Runs the test: what it throws is its failure. `run` resolves with the line that says how it went. */
export async function main(name, deadlineMs, run) {
  say(`${name}: SEED=${SEED}`);
  const startedMs = performance.now();
  setTimeout(() => {
    say(`${name}: FAILED, not done after ${deadlineMs / 1_000} s (SEED=${SEED})`);
    process.exit(1);
  }, deadlineMs).unref();
  try {
    const result = await run(new Random(SEED));
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    say(`${name}: ok in ${seconds} s, SEED=${SEED}: ${result}`);
    process.exit(0);
  } catch (error) {
    say(
      `${name}: FAILED (SEED=${SEED}): ${error instanceof Failure ? error.message : error.stack}`,
    );
    process.exit(1);
  }
}

/** What was found, in words. */
export class Failure extends Error {}

export function check(isSo, message) {
  if (!isSo) throw new Failure(typeof message === 'function' ? message() : message);
}

/** An empty folder that is gone when the test ends; KEEP=1 leaves it. */
export function temporaryFolder(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `iothub-${name}-`));
  atEnd(() => {
    if (process.env.KEEP === undefined) fs.rmSync(folder, { recursive: true, force: true });
    else say(`kept: ${folder}`);
  });
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

/** The built server on one port and one data folder, started and killed again and again. */
export class Hub {
  port;
  folder;
  /** Extra arguments of the next start. */
  args;
  pid = 0;
  /** How often it was started. */
  starts = 0;
  isServing = false;
  /** The last lines of the log, objects, and whatever else it wrote, text. */
  log = [];
  /** Resolves with the exit code, or the signal's name. */
  exited = Promise.resolve(null);
  onLine = null;
  #child = null;

  constructor(port, folder, args = []) {
    this.port = port;
    this.folder = folder;
    this.args = args;
    atEnd(() => this.#child?.kill('SIGKILL'));
  }

  get isRunning() {
    return this.#child !== null;
  }

  start() {
    const place = ['--data', this.folder, '--port', String(this.port)];
    const command = ['dist/cli/main.js', '--no-admin', ...place];
    const child = spawn(process.execPath, [...command, ...this.args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.pid = child.pid;
    this.starts++;
    this.isServing = false;
    this.#read(child.stdout);
    this.#read(child.stderr);
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (this.#child === child) this.#child = null;
        this.isServing = false;
        resolve(code ?? signal);
      });
    });
  }

  /** Resolves with null when it serves, or with how it ended. Throws Failure when it does neither in time. */
  async ready(deadlineMs = START_MAX_MS) {
    let ended = null;
    void this.exited.then((how) => {
      ended = { how };
    });
    const isSo = await until(() => this.isServing || ended !== null, deadlineMs, 5);
    check(isSo, () => `the server does not serve after ${deadlineMs} ms:\n${this.lastLines()}`);
    return ended;
  }

  async startAndServe() {
    this.start();
    const ended = await this.ready();
    check(ended === null, () => `the server ended with ${ended.how}:\n${this.lastLines()}`);
  }

  /** `kill -9` */
  async kill() {
    this.#child?.kill('SIGKILL');
    return this.exited;
  }

  /** SIGTERM; resolves with the exit code. */
  async stop() {
    this.#child?.kill('SIGTERM');
    const late = sleep(END_MAX_MS).then(() => 'nothing: it still runs');
    return Promise.race([this.exited, late]);
  }

  says(text) {
    return this.log.some((line) => textOf(line).includes(text));
  }

  lastLines(count = 15) {
    return this.log.slice(-count).map(textOf).join('\n');
  }

  #read(stream) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) this.#onLine(line);
    });
  }

  #onLine(line) {
    const entry = parse(line);
    if (this.log.length >= LOG_LINES_MAX) this.log.splice(0, LOG_LINES_MAX / 2);
    this.log.push(entry);
    if (/ serves MQTT /.test(entry.msg ?? '')) this.isServing = true;
    this.onLine?.(entry);
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { msg: line, level: 'none' };
  }
}

const textOf = (line) => (line.level === 'none' ? line.msg : JSON.stringify(line));

/** Runs `iothub` to its end; resolves with its exit code and what it wrote. */
export function runHub(args, deadlineMs = END_MAX_MS) {
  return runProgram(process.execPath, ['dist/cli/main.js', ...args], deadlineMs);
}

export async function runProgram(command, args, deadlineMs = END_MAX_MS) {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  const [code, signal] = await new Promise((resolve) => {
    child.once('error', (error) => resolve([error.message, null]));
    child.once('close', (...end) => resolve(end));
  });
  clearTimeout(timer);
  return { code: code ?? signal, stdout, stderr };
}

/** Processes of others that have this word in their command line, as `pid command`. */
export function processesWith(word) {
  const found = [];
  for (const name of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const command = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (command.includes(word)) found.push(`${name} ${command}`);
    } catch {
      // it ended meanwhile
    }
  }
  return found;
}

/** One network connection. It answers nothing by itself, and forgets its owner once that lets go of it. */
export class Link {
  version;
  isClosed = false;
  #socket;
  #decoder;
  #owner;

  /** `owner.onPacket(link, packet)`, `owner.onClosed(link)` */
  constructor(port, version, owner) {
    this.version = version;
    this.#owner = owner;
    this.#decoder = new Decoder({ role: 'client', protocolVersion: version });
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    socket.on('data', (chunk) => {
      for (const packet of this.#decoder.push(chunk)) this.#owner?.onPacket(this, packet);
    });
    socket.on('error', () => {}); // refused or reset: `close` follows
    socket.on('close', () => {
      this.isClosed = true;
      this.#owner?.onClosed(this);
    });
  }

  send(packet) {
    if (!this.isClosed) this.#socket.write(encodePacket(packet, this.version));
  }

  connect(clientId, cleanStart, properties, will = null) {
    this.send({
      type: PacketType.Connect,
      protocolVersion: this.version,
      isBridge: false,
      cleanStart,
      keepAlive: 60,
      clientId,
      will,
      username: null,
      password: null,
      properties: this.version === 5 ? properties : {},
    });
  }

  publish(message, packetId, dup) {
    this.send({
      type: PacketType.Publish,
      dup,
      qos: message.qos,
      retain: message.retain,
      topicName: message.topic,
      packetId,
      payload: message.payload(),
      properties: {},
    });
  }

  acknowledge(type, packetId) {
    this.send({ type, packetId, reasonCode: 0, properties: {} });
  }

  subscribe(packetId, topicFilter, qos) {
    const subscription = { topicFilter, qos, noLocal: false, retainAsPublished: false };
    this.send({
      type: PacketType.Subscribe,
      packetId,
      subscriptions: [{ ...subscription, retainHandling: 0 }],
      properties: {},
    });
  }

  unsubscribe(packetId, topicFilter) {
    const type = PacketType.Unsubscribe;
    this.send({ type, packetId, topicFilters: [topicFilter], properties: {} });
  }

  /** `expiry`: seconds that the session is to live on (v5), or null. */
  disconnect(expiry = null) {
    const properties =
      expiry === null || this.version !== 5 ? {} : { sessionExpiryInterval: expiry };
    this.send({ type: PacketType.Disconnect, reasonCode: 0, properties });
    this.#socket.end();
  }

  destroy() {
    this.#socket.destroy();
  }

  /** Goes on without anybody who listens: what still comes is lost, as on a network that broke. */
  abandon() {
    this.#owner = null;
  }

  pause() {
    this.#socket.pause();
  }
}
