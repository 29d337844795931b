// Sessions that end and begin while CONNACK does not get through, on a server that lives: what the clients of these tests make of
// that must be right before they may judge one that is killed. Usage: node tests/crash/sessions.mjs; SEED repeats.

import path from 'node:path';
import { Publisher, Subscriber } from './clients.mjs';
import { check, freePort, Hub, main, sleep, temporaryFolder, until } from './kit.mjs';
import { Ledger } from './ledger.mjs';
import { SURE_MS } from './traffic.mjs';

const DEADLINE_MS = 60_000;
const WAIT_MS = 10_000;
const MESSAGES = 20;
const TOPICS = ['a', 'b'].map((name) => ({ name: `p/${name}`, qos: 2 }));

/** Publishes until the subscribers have got so many more, and all is acknowledged. */
async function publish({ ledger }, publisher) {
  const enough = ledger.arrivals + MESSAGES;
  publisher.start(5);
  check(await until(() => ledger.arrivals >= enough, WAIT_MS), () => ledger.account());
  publisher.finish();
  check(await until(() => publisher.isDone, WAIT_MS), () => ledger.account());
}

/** All of it is there again, and granted. */
async function comeBack({ ledger }, client) {
  client.comeOnline();
  const isBack = () => client.isReady && client.isSettled;
  check(await until(isBack, WAIT_MS), () => `${client.id} is not back\n${ledger.account()}`);
}

/**
 * A session ends with QoS 2 messages that are not released; of the next one the first CONNACK is lost, so that it is present when
 * its client comes again, and its packet ids are those of the first one.
 */
async function loseConnackAfterQuit(world, publisher) {
  const client = new Subscriber(world, 'quitter', 5);
  client.subscribe('p/#', 2);
  await comeBack(world, client);
  client.isDeaf = true;
  await publish(world, publisher);
  client.quit();
  await sleep(SURE_MS);
  client.isDeaf = false;
  client.onSurelyEnded();
  client.subscribe('p/#', 2);
  world.connacksToLose = 1;
  await comeBack(world, client);
  check(world.connacksToLose === 0, 'no CONNACK was lost');
  await publish(world, publisher);
  await until(() => world.ledger.missing().length === 0, WAIT_MS);
  client.stayAway();
}

await main('sessions', DEADLINE_MS, async (random) => {
  const hub = new Hub(await freePort(), path.join(temporaryFolder('sessions'), 'data'));
  const ledger = new Ledger();
  const world = {
    hub,
    ledger,
    random,
    mayRefuse: false,
    connacksToLose: 0,
    losesConnack: () => world.connacksToLose > 0 && world.connacksToLose-- > 0,
  };
  await hub.startAndServe();
  const publisher = new Publisher(world, 'publisher', 5, { topics: TOPICS });
  publisher.comeOnline();
  check(await until(() => publisher.isReady, WAIT_MS), 'the publisher could not connect');
  await loseConnackAfterQuit(world, publisher);
  publisher.stayAway();
  world.mayRefuse = true;
  await hub.stop();
  ledger.close();
  check(ledger.violations.length === 0, () => ledger.account());
  return ledger.summary();
});
