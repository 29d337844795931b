// What a power cut would find, seen through strace: an acknowledgement leaves after the fdatasync of its data and the write of
// the meta page, which syncs by itself; when the disk refuses, nothing is acknowledged and the server lives on; one fdatasync
// serves many messages; level `relaxed` does not wait. Usage: node tests/crash/power.mjs

import fs from 'node:fs';
import path from 'node:path';
import { Client } from '../soak/client.mjs';
import { check, freePort, Hub, main, sleep, temporaryFolder, until } from './kit.mjs';
import { needStrace, Trace } from './strace.mjs';
import { writeConfig } from './traffic.mjs';

const DELAY_MS = 200;
/** What clocks may differ by. */
const SLACK_MS = 5;
const DELAYED = `fdatasync,fsync:delay_enter=${DELAY_MS * 1_000}`;
const BROKEN = 'fdatasync,fsync:error=EIO';
const EXPIRY_S = 3_600;
const QUOTA_EXCEEDED = 0x97;
const O_DSYNC = 0o10000;
/** Bytes of a meta page that LMDB writes. */
const META = /, 128, (?:40|4136)\) = 128/;
const LOAD_MS = 1_500;

const payload = (text) => Buffer.from(text);

/** Resolves with what it answers and after how many milliseconds, or with `null` if it does not within that time. */
async function timed(promise, deadlineMs) {
  const startMs = performance.now();
  const answer = await Promise.race([promise, sleep(deadlineMs).then(() => null)]);
  return { answer, ms: performance.now() - startMs };
}

/** A server with a session that is away, so that all for `p/#` must be stored. */
async function startHub(level) {
  const folder = temporaryFolder(`power-${level}`);
  const config = writeConfig(folder, `level = "${level}"`);
  const hub = new Hub(await freePort(), path.join(folder, 'data'), ['--config', config]);
  await hub.startAndServe();
  const away = new Client(hub.port, 5);
  check((await away.connect('away', false, EXPIRY_S))?.reasonCode === 0, 'no CONNACK');
  await away.subscribe(['p/#'], 2);
  await away.destroy();
  return hub;
}

async function connect(hub, clientId, version = 5, isDurable = false) {
  const client = new Client(hub.port, version);
  const connack = await client.connect(clientId, !isDurable, isDurable ? EXPIRY_S : 0);
  check(connack?.reasonCode === 0, `${clientId}: CONNACK ${connack?.reasonCode}`);
  return client;
}

const isStore = ({ target }) => target.endsWith('/store.mdb');
const isSync = (call) => isStore(call) && /^f(data)?sync$/.test(call.name);
const isMeta = (call) => isStore(call) && call.name === 'pwrite64' && META.test(call.text);
const isPuback = ({ target, text }) => /^(TCP|socket)/.test(target) && text.includes('"@\\2\\');

/** The meta page is written through a descriptor that syncs each write. */
function checkMetaDescriptor(pid, metaWrites) {
  const fds = new Set(metaWrites.map(({ text }) => /^\((\d+)/.exec(text)[1]));
  for (const fd of fds) {
    const info = fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(info)[1], 8);
    check((flags & O_DSYNC) !== 0, `the meta page is written without O_DSYNC: flags ${flags}`);
  }
}

/** Every PUBACK comes after the fdatasync and the meta page of a transaction that began when its PUBLISH was sent. */
async function testOrder(hub) {
  const publisher = await connect(hub, 'order', 4);
  const trace = await Trace.attach(hub.pid, DELAYED);
  const sentAt = [];
  for (let i = 0; i < 5; i++) {
    sentAt.push((performance.timeOrigin + performance.now()) / 1_000);
    const { answer, ms } = await timed(publisher.publish('p/order', payload(`${i}`), 1), 10_000);
    check(answer !== null, 'no PUBACK within 10 s of a slow disk');
    check(ms >= DELAY_MS - SLACK_MS, `PUBACK after ${ms} ms, the fdatasync takes ${DELAY_MS} ms`);
  }
  const session = await timed(connect(hub, 'order-durable', 5, true), 10_000);
  check(session.ms >= DELAY_MS - SLACK_MS, `CONNACK of a durable session after ${session.ms} ms`);
  const suback = await timed(session.answer.subscribe(['x/#'], 1), 10_000);
  check(suback.ms >= DELAY_MS - SLACK_MS, `SUBACK of a durable session after ${suback.ms} ms`);
  const released = await timed(session.answer.publish('p/order', payload('two'), 2), 10_000);
  check(released.ms >= 2 * (DELAY_MS - SLACK_MS), `PUBREC and PUBCOMP after ${released.ms} ms`);
  const calls = await trace.detach();
  const pubacks = calls.filter(isPuback);
  check(pubacks.length === 5, `${pubacks.length} writes of PUBACK in the trace, not 5`);
  for (const [i, puback] of pubacks.entries()) {
    const syncs = calls.filter((call) => isSync(call) && call.startAt > sentAt[i] - 0.001);
    const sync = syncs.find((call) => call.endAt <= puback.startAt);
    check(sync !== undefined, `PUBACK ${i} was written without an fdatasync after its PUBLISH`);
    const meta = calls.find(
      (call) => isMeta(call) && call.startAt >= sync.endAt && call.endAt <= puback.startAt,
    );
    check(meta !== undefined, `PUBACK ${i} was written before the meta page of its transaction`);
  }
  checkMetaDescriptor(hub.pid, calls.filter(isMeta));
  await publisher.disconnect();
  await session.answer.disconnect();
}

/** Returns messages for each fdatasync. */
async function testGroups(hub) {
  const publishers = [];
  for (let i = 0; i < 4; i++) publishers.push(await connect(hub, `load-${i}`, 4 + (i % 2)));
  const trace = await Trace.attach(hub.pid);
  const endMs = performance.now() + LOAD_MS;
  let acked = 0;
  const pump = async (publisher) => {
    while (performance.now() < endMs) {
      check((await publisher.publish('p/load', Buffer.alloc(64), 1)) !== null, 'cut off');
      acked++;
    }
  };
  await Promise.all(publishers.flatMap((each) => Array.from({ length: 25 }, () => pump(each))));
  const syncs = (await trace.detach()).filter(isSync).length;
  check(syncs > 0, 'no fdatasync under load');
  const ratio = acked / syncs;
  check(ratio >= 5, `${acked} messages of 100 at a time took ${syncs} fdatasyncs`);
  for (const publisher of publishers) await publisher.disconnect();
  return ratio;
}

/** The disk refuses: no acknowledgement, no crash, and the rest goes on. Then it takes again. */
async function testBroken(hub) {
  const [v5, v4] = [await connect(hub, 'broken-5', 5), await connect(hub, 'broken-4', 4)];
  const later = await connect(hub, 'later', 5); // acknowledgements of one client keep their order
  const clean = await connect(hub, 'clean', 5);
  const got = [];
  clean.onPublish = (packet) => got.push(Buffer.from(packet.payload).toString());
  await clean.subscribe(['c/#'], 1);
  const trace = await Trace.attach(hub.pid, BROKEN);
  let early = null;
  const first = v5.publish('p/broken', payload('first'), 1).then((answer) => {
    early ??= answer;
    return answer;
  });
  const other = v4.publish('p/broken', payload('other'), 1);
  check(
    await until(() => hub.says('ALARM store_failing'), 5_000),
    () => `the disk fails, and no alarm:\n${hub.lastLines()}`,
  );
  const refused = await timed(later.publish('p/broken', payload('refused'), 1), 3_000);
  check(refused.answer?.reasonCode === QUOTA_EXCEEDED, `not 0x97: ${refused.answer?.reasonCode}`);
  await clean.publish('c/0', payload('zero'), 0);
  const one = await timed(clean.publish('c/1', payload('one'), 1), 3_000);
  check(one.answer?.reasonCode === 0, 'QoS 1 between clean clients stopped');
  check(await until(() => got.length === 2, 3_000), `clean clients got ${got}`);
  const visitor = new Client(hub.port, 5);
  const connack = await timed(visitor.connect('visitor', false, EXPIRY_S), 3_000);
  check(connack.answer?.reasonCode === 0x88, `a durable CONNECT: ${connack.answer?.reasonCode}`);
  await sleep(1_500); // some more attempts
  check(early === null, `PUBACK ${early?.reasonCode} without an fdatasync`);
  check(hub.isServing, () => `the server died:\n${hub.lastLines()}`);
  const calls = await trace.detach();
  const failures = calls.filter((call) => isSync(call) && call.text.includes('EIO')).length;
  check(failures >= 2, `${failures} attempts in the trace`);
  const late = await timed(first, 5_000);
  check(late.answer?.reasonCode === 0, 'the held PUBACK does not come when the disk is well');
  await timed(other, 1_000);
  check(hub.says('alarm over: store_failing'), 'the alarm stays');
  for (const client of [v5, v4, later, clean]) await client.destroy();
  return failures;
}

/** Everything acknowledged so far is there after kill -9. */
async function testAfterwards(hub, wanted) {
  await hub.kill();
  await hub.startAndServe();
  const got = new Set();
  const reader = new Client(hub.port, 5);
  reader.onPublish = ({ payload: bytes }) => got.add(Buffer.from(bytes).toString());
  check((await reader.connect('away', false, EXPIRY_S)).sessionPresent, 'the session is lost');
  const isHere = () => wanted.every((text) => got.has(text));
  check(await until(isHere, 15_000), () => `acknowledged and lost, one of ${wanted}`);
  check(!got.has('refused'), 'what was refused with 0x97 came after all');
  await reader.destroy();
  await hub.kill();
}

/** Returns the longest wait for a PUBACK, milliseconds. */
async function testRelaxed() {
  const hub = await startHub('relaxed');
  const publisher = await connect(hub, 'relaxed', 4);
  for (let i = 0; i < 3; i++) await publisher.publish('p/relaxed', payload(`warm ${i}`), 1);
  await sleep(500);
  const trace = await Trace.attach(hub.pid, DELAYED);
  let longestMs = 0;
  for (let i = 0; i < 4; i++) {
    const { answer, ms } = await timed(publisher.publish('p/relaxed', payload(`${i}`), 1), 5_000);
    check(answer !== null, 'relaxed: no PUBACK');
    longestMs = Math.max(longestMs, ms);
    await sleep(3 * DELAY_MS);
  }
  const syncs = (await trace.detach()).filter(isSync);
  check(longestMs < DELAY_MS - SLACK_MS, `relaxed: PUBACK after ${longestMs} ms, as if it waited`);
  check(syncs.length > 0, 'relaxed: nothing is ever brought to the disk');
  const slow = syncs.filter((call) => call.endAt - call.startAt >= DELAY_MS / 1_000 - 0.01);
  check(slow.length > 0, 'relaxed: the fdatasyncs were not slow, so nothing was shown');
  await publisher.disconnect();
  await hub.kill();
  return longestMs;
}

await main('power', 90_000, async () => {
  needStrace();
  const hub = await startHub('always');
  await testOrder(hub);
  const ratio = await testGroups(hub);
  const failures = await testBroken(hub);
  await testAfterwards(hub, ['0', '1', '2', '3', '4', 'two', 'first']);
  const relaxedMs = await testRelaxed();
  return (
    `PUBACK waits ${DELAY_MS} ms for a slow fdatasync and the meta page; ${ratio.toFixed(0)} messages for each fdatasync ` +
    `under load; ${failures} failed fdatasyncs survived; relaxed: PUBACK within ${relaxedMs.toFixed(0)} ms`
  );
});
