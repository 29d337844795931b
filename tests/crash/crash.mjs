// Kills the server with SIGKILL again and again, at any moment, also while it starts, among clients that keep their side of
// MQTT, and checks that what was acknowledged survives: every message, once at QoS 2, in order; every subscription, session
// and retained value. A will outlives it too. Usage: node tests/crash/crash.mjs [seconds] [always|relaxed]; SEED repeats.

import path from 'node:path';
import { Mortal, Subscriber } from './clients.mjs';
import { check, freePort, Hub, main, sleep, temporaryFolder, until } from './kit.mjs';
import { Ledger } from './ledger.mjs';
import { PROMISES, Traffic, writeConfig } from './traffic.mjs';

const SECONDS = Number(process.argv[2] ?? 40);
const LEVEL = process.argv[3] ?? 'always';
const DRAIN_KILLS = 4;
/** How long to wait for the acknowledgement at which the server is to be killed. */
const TRAP_MS = 1_500;
/** How long batches gather: a new one at each start. What is not stored yet is lost all the more. */
const COMMIT_DELAYS_MS = [0, 0, 5, 40];
/** Seconds that a client has to come back after a crash before its will is published, and some more. */
const GRACE_MS = 30_000;
const GRACE_MAX_MS = 40_000;

function configure(folder, random) {
  const delayMs = random.pick(COMMIT_DELAYS_MS);
  return writeConfig(folder, `level = "${LEVEL}"\ncommit_delay = "${delayMs}ms"`);
}

/** Starts and kills the server until time is up, and leaves it running. Returns how often it was killed, and when. */
async function killAgainAndAgain(traffic, random) {
  const { hub } = traffic;
  const endMs = performance.now() + SECONDS * 1_000;
  let kills = 0;
  let early = 0;
  let trapped = 0;
  let promise = null;
  while (performance.now() < endMs) {
    const isEarly = random.chance(30);
    if (isEarly) {
      await sleep(random.between(0, 600)); // before it serves, or just then
      if (!hub.isServing) early++;
    } else {
      const ended = await hub.ready();
      check(ended === null, () => `the server ended with ${ended.how}:\n${hub.lastLines()}`);
      if (random.chance(30) || promise === 'retained') void traffic.look();
      await sleep(random.chance(30) ? random.between(0, 200) : random.between(100, 2_000));
      if (random.chance(70)) {
        promise = random.pick(PROMISES);
        traffic.setTrap(promise);
        if (await until(() => !hub.isRunning, TRAP_MS, 1)) trapped++;
        traffic.setTrap(null);
      }
    }
    const how = hub.isRunning ? await hub.kill() : await hub.exited;
    check(how === 'SIGKILL', () => `the server ended by itself with ${how}:\n${hub.lastLines()}`);
    kills++;
    configure(path.dirname(hub.folder), random);
    hub.start();
  }
  const ended = await hub.ready();
  check(ended === null, () => `the server ended with ${ended?.how}:\n${hub.lastLines()}`);
  return { kills, early, trapped };
}

/** A client that never comes back: its will, which waits for it a while after the crash, is published once. */
async function outliveByWill(folder, random) {
  const hub = new Hub(await freePort(), path.join(folder, 'wills'));
  const ledger = new Ledger();
  const world = { hub, ledger, random, mayRefuse: true };
  await hub.startAndServe();
  const heir = new Subscriber(world, 'heir', 5);
  heir.subscribe('w/#', 2);
  heir.comeOnline();
  check(await until(() => heir.isSettled, 10_000), 'the heir could not subscribe');
  const mortals = [new Mortal(world, 'durable', 5, 2), new Mortal(world, 'clean', 4, 1)];
  mortals[0].isCleanStart = () => false;
  mortals[0].properties = () => ({ sessionExpiryInterval: 3_600 });
  for (const mortal of mortals) mortal.comeOnline();
  check(await until(() => mortals.every((each) => each.isReady), 10_000), 'they did not connect');
  await sleep(1_000); // CONNACK does not wait for the will
  for (const mortal of mortals) mortal.stayAway();
  await hub.kill();
  await hub.startAndServe();
  const startedMs = performance.now();
  for (const message of ledger.messages.values()) message.ackedAt = ledger.now;
  check(
    await until(() => ledger.missing().length === 0, GRACE_MAX_MS),
    () => `wills after a crash: ${ledger.missing().map((each) => each.message.key)} did not come`,
  );
  const afterMs = performance.now() - startedMs;
  check(afterMs > GRACE_MS - 2_000, `wills came ${afterMs} ms after the restart: too early`);
  heir.stayAway();
  await hub.kill();
  ledger.close();
  check(ledger.violations.length === 0, () => ledger.account());
}

function phases() {
  let last = performance.now();
  return (name) => {
    const now = performance.now();
    if (process.env.VERBOSE) process.stderr.write(`${name} ${Math.round(now - last)} ms\n`);
    last = now;
  };
}

await main(`crash (${LEVEL})`, (SECONDS + 120) * 1_000, async (random) => {
  const folder = temporaryFolder('crash');
  const traffic = await Traffic.on(folder, configure(folder, random), random);
  const { hub } = traffic;
  const wills = LEVEL === 'always' && SECONDS >= 25 ? outliveByWill(folder, random) : null;
  wills?.catch(() => {});
  await hub.startAndServe();
  await traffic.begin();
  const phase = phases();
  const { kills, early, trapped } = await killAgainAndAgain(traffic, random);
  phase('kills');
  await traffic.settle();
  phase('settle');
  for (let i = 0; i < DRAIN_KILLS; i++) {
    await sleep(random.between(50, 700));
    await hub.kill();
    await hub.startAndServe();
  }
  phase('drain kills');
  await traffic.drain();
  phase('drain');
  await traffic.look();
  await traffic.finish();
  phase('finish');
  traffic.judge();
  phase('judge');
  await wills;
  phase('wills');
  return `${kills + DRAIN_KILLS} kills, ${early} before it served, ${trapped} at an acknowledgement; ${traffic.ledger.summary()}; ${traffic.looks} retained values looked at`;
});
