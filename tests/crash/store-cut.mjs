// Stores that a crash or a disk has damaged: a server is killed (or stopped), its store copied and damaged at random, and
// started again. It must come up in time whatever it finds, serve, say what it did, hand out nothing that was not sent, and
// come up the next time too; with --strict-store it must refuse in one sentence. Usage: node tests/crash/store-cut.mjs
// [number of damaged stores]; SEED repeats.

import fs from 'node:fs';
import path from 'node:path';
import { Publisher, Subscriber } from './clients.mjs';
import { check, Failure, freePort, Hub, main, say, temporaryFolder, until } from './kit.mjs';
import { Ledger } from './ledger.mjs';
import { lookAtRetained } from './retained.mjs';
import { writeConfig } from './traffic.mjs';

const COUNT = Number(process.argv[2] ?? 14);
const PAGE = 4_096;
const MESSAGES = 1_500;
const FILE = 'store.mdb';
const EXIT_STORE = 74;

/** Sessions with queues, something in flight, and retained messages. Also returns the file as it was before the end. */
async function fill(hub, file, random) {
  let older = null;
  const ledger = new Ledger();
  const world = { hub, ledger, random, mayRefuse: true };
  await hub.startAndServe();
  const subscribers = subscribersOn(world);
  for (const subscriber of subscribers) {
    subscriber.subscribe('p/#', 2);
    subscriber.comeOnline();
  }
  check(await until(() => subscribers.every((each) => each.isSettled), 10_000), 'no subscription');
  const topics = ['p/1', 'p/2', 'p/3'].map((name, number) => ({ name, qos: 1 + (number % 2) }));
  const retained = Array.from({ length: 40 }, (_, i) => ({ name: `r/${i}`, qos: 1, retain: true }));
  const most = Array.from({ length: 40 }, () => topics).flat();
  const publisher = new Publisher(world, 'filler', 5, { topics: [...most, ...retained] });
  publisher.comeOnline();
  await until(() => publisher.isReady, 10_000);
  publisher.start(1_000_000);
  for (const subscriber of subscribers) subscriber.isDeaf = true; // some stay in flight
  for (let sent = 0; sent < MESSAGES; ) {
    for (let i = 0; i < 20; i++, sent++) publisher.publish();
    await until(() => publisher.unfinished < 10, 10_000, 1);
    if (sent > MESSAGES / 2) older ??= fs.readFileSync(file);
    if (sent > MESSAGES / 10) for (const subscriber of subscribers) subscriber.drop(true);
  }
  publisher.finish();
  check(await until(() => publisher.isDone, 10_000), () => `not filled\n${hub.lastLines()}`);
  publisher.leave();
  check(ledger.violations.length === 0, () => ledger.account());
  return { ledger, older };
}

function subscribersOn(world) {
  return [new Subscriber(world, 'sub-5', 5), new Subscriber(world, 'sub-4', 4)];
}

const page = (random, bytes) => random.below(Math.max(1, Math.floor(bytes.length / PAGE)));

/** What may happen to a file: each takes its bytes and returns others. */
const DAMAGES = {
  'cut at a page': (bytes, random) => bytes.subarray(0, page(random, bytes) * PAGE),
  'cut anywhere': (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  'cut short by a page': (bytes) => bytes.subarray(0, bytes.length - PAGE),
  'a page of zeros': (bytes, random) => {
    const start = page(random, bytes) * PAGE;
    return bytes.fill(0, start, start + PAGE);
  },
  'a block of zeros': (bytes, random) => {
    const start = page(random, bytes) * PAGE;
    return bytes.fill(0, start, start + 16 * PAGE);
  },
  'a page of noise': (bytes, random) => {
    const start = page(random, bytes) * PAGE;
    for (let i = start; i < start + PAGE; i++) bytes[i] = random.below(256);
    return bytes;
  },
  'some bytes flipped': (bytes, random) => {
    for (let i = 0; i < 20; i++) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    return bytes;
  },
  'many bytes flipped': (bytes, random) => {
    for (let i = 0; i < 2_000; i++) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    return bytes;
  },
  'a header of a page flipped': (bytes, random) => {
    bytes[page(random, bytes) * PAGE + random.below(40)] ^= 1 << random.below(8);
    return bytes;
  },
  'a page in the place of another': (bytes, random) => {
    const [from, to] = [page(random, bytes) * PAGE, page(random, bytes) * PAGE];
    bytes.copyWithin(to, from, from + PAGE);
    return bytes;
  },
  'writes that were lost': (bytes, random, older) => {
    for (let i = 0; i < 10; i++) {
      const start = (2 + random.below(older.length / PAGE - 2)) * PAGE;
      older.copy(bytes, start, start, start + PAGE);
    }
    return bytes;
  },
  'an older state under the new one': (bytes, _random, older) => {
    older.copy(bytes, 0, 0, older.length / 2);
    return bytes;
  },
  'a meta page flipped': (bytes, random) => {
    bytes[random.below(2) * PAGE + 24 + random.below(150)] ^= 1 << random.below(8);
    return bytes;
  },
  'both meta pages flipped': (bytes, random) => {
    for (let i = 0; i < 2; i++) bytes[i * PAGE + 24 + random.below(150)] ^= 1 << random.below(8);
    return bytes;
  },
  'a tail of noise': (bytes, random) => {
    const tail = Buffer.alloc(random.below(3 * PAGE), 0xa5);
    return Buffer.concat([bytes, tail]);
  },
  empty: () => Buffer.alloc(0),
};

/** What LMDB cannot tell from an older state of the store; what is lost by that, nobody can say. */
const SILENT = new Set([
  'writes that were lost',
  'an older state under the new one',
  'a meta page flipped',
  'both meta pages flipped',
  'some bytes flipped',
  'many bytes flipped',
]);

/** One damaged store. Returns whether it was set aside. */
async function tryOne({ number, base, name, config, random }) {
  const bytes = DAMAGES[name](Buffer.from(base.bytes), random, base.older);
  const folder = temporaryFolder(`cut-${number}`);
  const strict = temporaryFolder(`strict-${number}`);
  for (const each of [folder, strict]) fs.writeFileSync(path.join(each, FILE), bytes);
  const hub = new Hub(await freePort(), folder, ['--config', config]);
  try {
    const startMs = performance.now();
    await hub.startAndServe();
    const tookMs = Math.round(performance.now() - startMs);
    const aside = fs
      .readdirSync(folder)
      .filter((file) => file.startsWith(`${FILE}.corrupt-`) && !file.endsWith('-lock'));
    const isAside = aside.length > 0;
    const wasSound = !isAside && !hub.says('damaged');
    const hasAlarm = hub.says('ALARM store_corrupt');
    check(isAside === hasAlarm, () => `set aside: ${isAside}, alarm: ${hasAlarm}`);
    await useIt({ hub, base, mayLose: isAside || SILENT.has(name), random });
    await hub.kill();
    await hub.startAndServe();
    check((await hub.stop()) === 0, 'it does not stop');
    const refusal = await tryStrict(strict, config, isAside, wasSound);
    return { isAside, tookMs, refusal };
  } catch (error) {
    error.message = `store ${number}, ${base.name}, ${name}: ${error.message}\n${hub.lastLines(5)}`;
    throw error;
  } finally {
    await hub.kill();
  }
}

/** Takes all that is there, and adds something. */
async function useIt({ hub, base, mayLose, random }) {
  const { ledger } = base;
  ledger.violations = [];
  const world = { hub, ledger, random, mayRefuse: true };
  const grants = new Map(subscribersOn(world).map((each) => [each.id, base.grants.get(each.id)]));
  const subscribers = subscribersOn(world);
  let lastMs = performance.now();
  world.onArrival = () => {
    lastMs = performance.now();
  };
  for (const subscriber of subscribers) {
    subscriber.books.grants.push(...grants.get(subscriber.id));
    subscriber.session = 'maybe';
    subscriber.comeOnline();
  }
  const isDone = () => ledger.missing().length === 0 || performance.now() - lastMs > 700;
  check(await until(() => subscribers.every((each) => each.isReady), 10_000), 'nobody can connect');
  await until(isDone, 30_000, 100);
  const missing = ledger.missing().length;
  await lookAtRetained(world);
  ledger.close();
  const forged = ledger.violations.filter((text) => /another payload|nobody sent/.test(text));
  check(forged.length === 0, () => forged.slice(0, 10).join('\n'));
  const isSaid = mayLose || hub.says('damaged') || hub.says('ALARM store_');
  check(
    ledger.violations.length === 0 || isSaid,
    () => `${missing} missing, and not a word\n${ledger.account()}`,
  );
  for (const subscriber of subscribers) subscriber.leave();
  const topics = [{ name: 'q/1', qos: 1 }];
  const publisher = new Publisher(world, `late-${hub.port}`, 5, { topics });
  publisher.comeOnline();
  await until(() => publisher.isReady, 10_000);
  publisher.start(1_000_000);
  publisher.publish();
  publisher.finish();
  check(
    await until(() => publisher.isDone && publisher.refused === 0, 10_000),
    'nothing can be stored: no PUBACK',
  );
  publisher.leave();
}

/** With --strict-store: what is set aside otherwise is refused, in one sentence; so may be what has single damaged records. */
async function tryStrict(folder, config, mustRefuse, mustServe) {
  const hub = new Hub(await freePort(), folder, ['--config', config, '--strict-store']);
  hub.start();
  const ended = await hub.ready();
  if (ended === null && !mustRefuse) {
    await hub.kill();
    return null;
  }
  check(!mustServe, () => `--strict-store: ended with ${ended?.how}:\n${hub.lastLines()}`);
  check(ended?.how === EXIT_STORE, `--strict-store: ${ended === null ? 'serves' : ended.how}`);
  const said = hub.log.filter((line) => line.level === 'none').map((line) => line.msg);
  check(said.length === 1, () => `--strict-store says ${said.length} lines:\n${said.join('\n')}`);
  check(fs.existsSync(path.join(folder, FILE)), '--strict-store moved the store');
  return said[0];
}

/** Two stores to damage: of a server that was killed, and of one that was stopped. */
async function makeBases(config, random) {
  const bases = [];
  for (const name of ['killed', 'stopped']) {
    const folder = temporaryFolder(name);
    const file = path.join(folder, FILE);
    const hub = new Hub(await freePort(), folder, ['--config', config]);
    const { ledger, older } = await fill(hub, file, random);
    if (name === 'killed') await hub.kill();
    else await hub.stop();
    const grants = new Map(['sub-5', 'sub-4'].map((id) => [id, ledger.grantsOf(id)]));
    bases.push({ name, ledger, grants, older, bytes: fs.readFileSync(file) });
  }
  return bases;
}

await main('store-cut', COUNT * 15_000 + 60_000, async (random) => {
  const config = writeConfig(temporaryFolder('config'));
  const bases = await makeBases(config, random);
  const names = Object.keys(DAMAGES); // an odd number, so that each meets both bases
  const first = random.below(names.length);
  const failures = [];
  let aside = 0;
  let longestMs = 0;
  for (let number = 0; number < COUNT; number++) {
    const base = bases[number % 2];
    const name = names[(first + number) % names.length];
    try {
      const { isAside, refusal, tookMs } = await tryOne({ number, base, name, config, random });
      if (isAside) aside++;
      longestMs = Math.max(longestMs, tookMs);
      if (process.env.VERBOSE) say(`${number} ${base.name}, ${name}: ${tookMs} ms, ${refusal}`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error.message);
    }
  }
  check(failures.length === 0, () => `${failures.length} of ${COUNT}:\n${failures.join('\n\n')}`);
  return `${COUNT} damaged stores of ${Math.round(bases[0].bytes.length / 1_024)} KiB, ${aside} set aside; all served within ${longestMs} ms`;
});
