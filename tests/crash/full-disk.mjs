// A disk that fills up under load, a small tmpfs: first where the store keeps some room free, then where it does not and LMDB
// itself meets the end of the disk. What is not stored is not acknowledged: v5 publishers are told 0x97 and stay connected, v3
// ones are closed; clean clients go on. When there is room again it goes on by itself, and what was acknowledged is there after
// kill -9. Needs to be allowed to mount. Usage: node tests/crash/full-disk.mjs; SEED repeats.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Client } from '../soak/client.mjs';
import { Publisher, Subscriber } from './clients.mjs';
import { atEnd, check, freePort, Hub, main, sleep, temporaryFolder, until } from './kit.mjs';
import { Ledger } from './ledger.mjs';
import { writeConfig } from './traffic.mjs';

const MIB = 1_048_576;
const DISK_MIB = 32;
const BALLAST_MIB = 18;
const PAYLOAD_BYTES = 3_000;
const FULL_MS = 2_000;
const PATIENCE_MS = 20_000;
const REFUSALS = 50;
/** Mean milliseconds between the bursts of a publisher. */
const EVERY_MS = 8;
const EXIT_STORE = 74;

/** A disk of its own, unmounted when the test ends. */
function mountDisk() {
  const folder = temporaryFolder('full');
  const options = ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'iothub-test', folder];
  const mounted = spawnSync('mount', options, { encoding: 'utf8' });
  const why = mounted.error?.message ?? mounted.stderr;
  check(mounted.status === 0, `a tmpfs cannot be mounted, which needs root: ${why}`);
  atEnd(() => {
    const unmounted = spawnSync('umount', ['-l', folder], { encoding: 'utf8' });
    if (unmounted.status !== 0) throw new Error(unmounted.stderr);
  });
  return folder;
}

/** Fills what is left to the last byte. */
function fillUp(file) {
  const fd = fs.openSync(file, 'w');
  try {
    for (;;) fs.writeSync(fd, Buffer.alloc(65_536, 1));
  } catch (error) {
    check(error.code === 'ENOSPC', String(error));
  } finally {
    fs.closeSync(fd);
  }
}

/** Sends a message of each QoS to itself, through no store, again and again. */
class CleanPair {
  count = 0;
  #client;
  #isOver = false;
  #done = null;

  async start(port) {
    this.#client = new Client(port, 5);
    const got = new Set();
    this.#client.onPublish = ({ payload }) => got.add(Buffer.from(payload).toString());
    await this.#client.connect('clean', true, 0);
    await this.#client.subscribe(['c/#'], 1);
    this.#done = this.#run(got);
    this.#done.catch(() => {}); // `end` tells
  }

  async end() {
    this.#isOver = true;
    await this.#done;
    await this.#client.disconnect();
  }

  async #run(got) {
    while (!this.#isOver) {
      const number = ++this.count;
      void this.#client.publish('c/0', Buffer.from(`0-${number}`), 0);
      const answer = await this.#client.publish('c/1', Buffer.from(`1-${number}`), 1);
      check(answer?.reasonCode === 0, 'QoS 1 between clean clients was refused, or cut off');
      const areHere = () => got.has(`0-${number}`) && got.has(`1-${number}`);
      check(await until(areHere, 5_000), 'a message between clean clients did not come');
      await sleep(20);
    }
  }
}

class Crowd {
  publishers = [];
  away;
  world;
  /** Connections of v5 publishers that ended. */
  cut = 0;

  constructor(hub, random) {
    this.world = { hub, ledger: new Ledger(), random, mayRefuse: true };
    this.away = new Subscriber(this.world, 'away', 5);
    for (const [id, version, qos] of [
      ['v5-1', 5, 1],
      ['v5-2', 5, 2],
      ['v4-1', 4, 1],
    ]) {
      this.engage(id, version, qos);
    }
  }

  engage(id, version, qos, isClean = false) {
    const topics = [{ name: `p/${id}`, qos }];
    const options = { topics, sizeOf: () => PAYLOAD_BYTES, window: 10, isClean };
    const publisher = new Publisher(this.world, id, version, options);
    if (version === 5) publisher.onLost = () => this.cut++;
    this.publishers.push(publisher);
    return publisher;
  }

  async letIn(publishers) {
    for (const each of publishers) each.comeOnline();
    check(await until(() => publishers.every((each) => each.isReady), 10_000), 'no CONNACK');
    for (const each of publishers) each.start(EVERY_MS);
  }

  get refused() {
    return this.publishers.reduce((sum, each) => sum + each.refused, 0);
  }

  get acked() {
    const isAcked = (message) => message.ackedAt !== Number.POSITIVE_INFINITY;
    return [...this.world.ledger.messages.values()].filter(isAcked).length;
  }

  async begin() {
    this.away.subscribe('p/#', 2);
    this.away.comeOnline();
    check(await until(() => this.away.isSettled, 10_000), 'no subscription');
    this.away.drop(true);
    await this.letIn(this.publishers);
  }

  async finish() {
    for (const each of this.publishers) each.finish();
    const areDone = () => this.publishers.every((each) => each.isDone);
    check(await until(areDone, PATIENCE_MS), () => `not done: ${this.world.hub.lastLines()}`);
  }

  async drain() {
    const { ledger } = this.world;
    this.away.comeOnline();
    await until(() => ledger.missing().length === 0, PATIENCE_MS, 200);
    await sleep(300);
    ledger.close();
    check(ledger.violations.length === 0, () => ledger.account());
  }
}

async function testFull(freeMin, random) {
  const disk = mountDisk();
  const data = path.join(disk, 'data');
  const ballast = path.join(disk, 'ballast');
  fs.writeFileSync(ballast, Buffer.alloc(BALLAST_MIB * MIB, 1));
  const config = writeConfig(temporaryFolder('config'), `free_min = "${freeMin}"`);
  const hub = new Hub(await freePort(), data, ['--config', config]);
  const log = () => hub.lastLines(10);
  await hub.startAndServe();
  const crowd = new Crowd(hub, random);
  const pair = new CleanPair();
  await pair.start(hub.port);
  await crowd.begin();
  const isFull = () => hub.says('ALARM store_');
  check(await until(isFull, PATIENCE_MS), () => `never full, or no alarm\n${log()}`);
  const late = crowd.engage('v5-late', 5, 1, true); // those before may wait for what is held
  await crowd.letIn([late]);
  const isRefused = () => late.refused >= REFUSALS;
  check(await until(isRefused, PATIENCE_MS), () => `${late.refused} refused\n${log()}`);
  const stored = crowd.acked;
  const { count } = pair;
  await sleep(FULL_MS);
  check(hub.isServing, () => `the server died:\n${log()}`);
  check(crowd.cut === 0, () => `v5 publishers were cut off ${crowd.cut} times`);
  check(pair.count > count, 'clean clients stand still');
  fs.rmSync(ballast);
  const isWell = () => crowd.acked > stored + 100;
  check(await until(isWell, PATIENCE_MS), () => `does not recover by itself:\n${log()}`);
  check(hub.says('alarm over: store_'), () => `no word of recovery:\n${log()}`);
  await crowd.finish();
  await pair.end();
  await hub.kill();
  await startOnFullDisk(hub, disk);
  await hub.startAndServe();
  await crowd.drain();
  await hub.kill();
  const { refused } = crowd;
  return `${stored} stored until full, ${refused} refused, ${crowd.acked} acknowledged in all`;
}

/** It serves, or says in one sentence that there is no room; then it serves when there is. */
async function startOnFullDisk(hub, disk) {
  const filler = path.join(disk, 'filler');
  fillUp(filler);
  hub.log = [];
  hub.start();
  const ended = await hub.ready();
  if (ended === null) {
    await hub.kill();
  } else {
    const said = hub.log.filter((line) => line.level === 'none').map((line) => line.msg);
    check(ended.how === EXIT_STORE, () => `on a full disk it ended with ${ended.how}: ${said}`);
    check(said.length === 1, () => `on a full disk it says\n${said.join('\n')}`);
  }
  fs.rmSync(filler);
}

await main('full-disk', 120_000, async (random) => {
  const kept = await testFull('8MiB', random);
  const met = await testFull('0B', random);
  return `with room kept free: ${kept}; without: ${met}`;
});
