// The same traffic on a store whose commits fail, come late, or end with the death of the server: what is not stored need not
// be acknowledged, and nothing that is may be lost. Then on a store that acknowledges what it has not stored, to see that such
// a loss is found. Usage: node tests/crash/faults.mjs [seconds]; SEED repeats.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, main, SEED, sleep, temporaryFolder } from './kit.mjs';
import { Traffic, writeConfig } from './traffic.mjs';

const SECONDS = Number(process.argv[2] ?? 15);
const LIE_MS = 800;
const MODULE = fileURLToPath(new URL('faulty-storage.mjs', import.meta.url));

function configure(folder, options) {
  const lines = Object.entries(options).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return writeConfig(
    folder,
    `type = ${JSON.stringify(MODULE)}\n[storage.options]\n${lines.join('\n')}`,
  );
}

async function onFaults(random) {
  const folder = temporaryFolder('faults');
  const flag = path.join(folder, 'faults');
  const data = path.join(folder, 'data');
  const config = configure(folder, { folder: data, seed: SEED, flag });
  const traffic = await Traffic.on(folder, config, random);
  const { hub } = traffic;
  await hub.startAndServe();
  await traffic.begin();
  traffic.mayRefuse = true;
  fs.writeFileSync(flag, '');
  const endMs = performance.now() + SECONDS * 1_000;
  let kills = 0;
  let deaths = 0;
  while (performance.now() < endMs) {
    const nap = sleep(random.between(300, 1_500)).then(() => null);
    const how = await Promise.race([nap, hub.exited]);
    if (how !== null) {
      check(how === 'SIGKILL', () => `the server ended with ${how}:\n${hub.lastLines()}`);
      deaths++;
      hub.start();
    } else if (random.chance(40)) {
      await hub.kill();
      kills++;
      hub.start();
    }
  }
  fs.rmSync(flag);
  const ended = await hub.ready();
  if (ended !== null) await hub.startAndServe();
  await traffic.settle();
  await hub.kill();
  await hub.startAndServe();
  await traffic.drain();
  traffic.mayRefuse = false;
  await traffic.look();
  await traffic.finish();
  traffic.judge();
  return `${kills} kills and ${deaths} deaths within a commit; ${traffic.ledger.summary()}`;
}

/** The number of losses found. */
async function onLies(random) {
  const folder = temporaryFolder('lies');
  const data = path.join(folder, 'data');
  const config = configure(folder, { folder: data, seed: SEED, flag: '', lies: true });
  const traffic = await Traffic.on(folder, config, random);
  const { hub, ledger } = traffic;
  await hub.startAndServe();
  await traffic.begin();
  for (let i = 0; i < 2; i++) {
    await sleep(LIE_MS);
    await hub.kill();
    await hub.startAndServe();
  }
  await traffic.settle();
  await traffic.drain();
  await hub.kill();
  ledger.close();
  return ledger.violations.filter((text) => /\blost\b|forgotten/.test(text)).length;
}

await main('faults', (SECONDS + 100) * 1_000, async (random) => {
  const result = await onFaults(random);
  const losses = await onLies(random);
  check(losses > 0, 'a store that acknowledges too early was not found out');
  return `${result}; ${losses} losses found on a store that lies`;
});
