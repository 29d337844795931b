// The scenarios about logins, as the parent sees them: what it costs to let a client in by how it says who it is, and how long a
// publisher waits for a durable PUBACK while others log in with passwords that take their time.

import { Histogram } from '../lib/histogram.mjs';
import { nowMs } from '../lib/monotonic.mjs';
import { Generator } from '../lib/processes.mjs';
import { percentiles } from '../lib/statistics.mjs';
import { storm } from './idle.mjs';
import { byQos, NOTHING_WRONG } from './integrity.mjs';
import { spoiled } from './login.mjs';
import { crowdOf } from './login-variants.mjs';
import { newPrefix, Span } from './measure.mjs';
import { sumOf } from './traffic.mjs';

/** Its publisher and subscriber are anonymous, and it waits for what was acknowledged. */
const DURABLE_GENERATOR = new URL('../durable/generator.mjs', import.meta.url);
const LEAD_MS = 100;
/** More than the run itself. */
const PATIENCE_MS = 60_000;
/** Server busy: v5, and v3, which has one code for all that may pass. */
const BUSY = { 5: 0x89, 4: 3 };

/** @param {import('./target.mjs').Contestant} contestant */
export async function runLogin(target, fleet, options, contestant) {
  const { n } = options;
  const loginFor = contestant.loginsOf(target.folder);
  const planFor = () => ({ ...options, ...target.place, prefix: newPrefix() });
  const logIn = (login) => fleet.first('logIn', { ...planFor(), login });
  const failures = [];
  // One alone first: what it proves may be remembered for all. Then all once, since the first ones are those that code is compiled for.
  const first = await logIn(loginFor(1));
  if (first !== 0) throw new Error(`${contestant.name}: nobody is let in, CONNACK ${first}`);
  await fleet.all('useLogin', { login: loginFor(n) });
  await fleet.all('storm', planFor());
  await fleet.all('leave');
  const login = loginFor(n);
  await fleet.all('useLogin', { login });
  const measured = await storm(target, fleet, planFor());
  await fleet.all('leave');
  await fleet.all('useLogin', { login: null });
  if (login !== null && (await logIn(spoiled(login))) === 0) {
    failures.push('a client was let in that does not know the password, or has no valid token');
  }
  return { ...measured, isStalled: false, integrity: { ...NOTHING_WRONG, failures } };
}

/** @param {import('./target.mjs').Contestant} contestant */
export async function runLoginStorm(target, fleet, options, contestant) {
  const { rate, duration, warmup, size } = options;
  const login = contestant.loginsOf(target.folder)(0);
  const generator = new Generator(DURABLE_GENERATOR);
  try {
    const messagesMax = Math.ceil(rate * (warmup + duration)) + 1;
    const shape = { subscribers: 1, publishers: 1, isToAll: false, isOnline: false };
    const plan = { ...shape, port: target.place.port, payloadBytes: size, messagesMax };
    await generator.run('prepare', { ...plan, prefix: newPrefix() });
    const pace = (seconds) =>
      generator.run('pace', { rate, timeMs: seconds * 1_000 }, seconds * 1_000 + PATIENCE_MS);
    if (warmup > 0) await pace(warmup);
    const span = new Span(target, fleet, { pids: [generator.pid] }).begin();
    if (login !== null) await startLogins(target, fleet, options, login);
    const paced = await pace(duration);
    const used = span.end();
    const logins = login === null ? null : await stopLogins(fleet, used.elapsedMs);
    const collected = await generator.run('collect', {}, PATIENCE_MS);
    await generator.run('finish');
    return {
      ...judge(paced, collected, used),
      logins,
      ...verdict(paced, collected, logins, options),
    };
  } finally {
    generator.stop();
  }
}

function startLogins(target, fleet, options, login) {
  const startMs = nowMs() + LEAD_MS;
  const crowd = crowdOf(options);
  const plan = { ...options, ...target.place, login, crowd, startMs, prefix: newPrefix() };
  return fleet.all('startLogins', plan);
}

async function stopLogins(fleet, elapsedMs) {
  const found = await fleet.all('stopLogins');
  const latencies = new Histogram();
  const refused = {};
  for (const one of found) {
    latencies.add(Histogram.from(one.latencies));
    for (const [code, count] of Object.entries(one.refused)) {
      refused[code] = (refused[code] ?? 0) + count;
    }
  }
  const done = sumOf(found, 'done');
  return {
    asked: sumOf(found, 'asked'),
    done,
    doneRate: (done / elapsedMs) * 1_000,
    /** By reason code. */
    refused,
    /** Without an answer at the end. */
    waiting: sumOf(found, 'waiting'),
    failures: found.flatMap((one) => one.failures),
    latency: latencies.percentiles(),
  };
}

function judge({ acknowledged, elapsedMs, latencies, lags }, { again }, used) {
  return {
    acknowledged,
    rate: (acknowledged / elapsedMs) * 1_000,
    again,
    serverCores: used.serverCores,
    generatorCores: used.generatorCores,
    others: used.others,
    latencies: [{ name: 'PUBACK', ...percentiles(latencies) }],
    sentLateMs: percentiles(lags).p99,
  };
}

function verdict({ acknowledged, latencies, lags }, { received, lost, again }, logins, options) {
  const failures = [];
  for (const [code, count] of Object.entries(logins?.refused ?? {})) {
    if (Number(code) === BUSY[options.version]) continue;
    failures.push(`${count} logins with the right password were refused: CONNACK ${code}`);
  }
  return {
    isStalled: acknowledged === 0,
    integrity: {
      ...NOTHING_WRONG,
      sent: lags.length,
      expected: acknowledged,
      received,
      lost: byQos(1, lost),
      duplicates: byQos(1, again),
      unanswered: lags.length - latencies.length,
      failures,
    },
  };
}
