// The cast of the crash tests: publishers and persistent subscribers of every kind, with what happens to them by chance, and
// the end, when everything is drained and the books are compared. Who disturbs the server is somebody else's business.

import fs from 'node:fs';
import path from 'node:path';
import { Mortal, Publisher, Subscriber } from './clients.mjs';
import { check, freePort, Hub, processesWith, runHub, sleep, until } from './kit.mjs';
import { Ledger } from './ledger.mjs';
import { lookAtRetained } from './retained.mjs';

const QUIET_MS = 10_000;
const SETTLE_MAX_MS = 30_000;
/** So long after its end the server has dealt with a connection. */
export const SURE_MS = 1_500;
/** Mean milliseconds between the bursts of one publisher. */
const BURST_MS = 20;
/** Topics with retained messages, and the same for their publisher: each keeps its value long enough to be looked at. */
const RETAINED = 20;
const RETAINED_BURST_MS = 100;
/** Percent of connections that break when the server has made them, and before their client hears of it. */
const CONNACKS_LOST = 5;

/** How late the server may be. How busy this machine is must not decide whom it refuses; by hand: LOOP_LAG_MAX=20ms. */
const LOOP_LAG_MAX = process.env.LOOP_LAG_MAX ?? '0s';

/** What clients are told and rely on; what happens seldom is here twice. */
export const PROMISES = [
  'clean start',
  'clean start',
  'connack',
  'suback',
  'unsuback',
  'puback',
  'pubrec',
  'pubcomp',
  'pubrel',
  'publish 2',
  'retained',
  'retained',
];

/** No queue is ever full. `storage`: lines of the table, and what follows it. */
export function writeConfig(folder, storage = '') {
  const file = path.join(folder, 'hub.toml');
  fs.writeFileSync(
    file,
    `[limits]\nqueue_messages_max = 1_000_000\nqueue_bytes_max = "4GiB"\nloop_lag_max = "${LOOP_LAG_MAX}"\n` +
      `[storage]\n${storage}\n`,
  );
  return file;
}

/** The server, the clients and the books. */
export class Traffic {
  hub;
  ledger = new Ledger();
  random;
  /** The server may refuse what it cannot store. */
  mayRefuse = false;
  /** It may be overloaded, and send new clients away. */
  mayBeBusy = LOOP_LAG_MAX !== '0s';
  publishers = [];
  subscribers = [];
  looks = 0;
  #trap = null;
  #lastArrivalMs = 0;
  #some = [];
  #big = [];
  #flips = [];
  #churns = [];
  #mortals = [];
  #isOver = false;
  #acting = null;
  #pending = new Set();

  constructor(hub, random) {
    this.hub = hub;
    this.random = random;
    hub.onLine = (line) => this.#onLine(line);
  }

  /** The server is killed in the very moment in which a client is told this, see `PROMISES`. */
  setTrap(promise) {
    this.#trap = promise;
  }

  onPromise(promise) {
    if (promise !== this.#trap) return;
    this.#trap = null;
    void this.hub.kill();
  }

  losesConnack() {
    return this.#acting !== null && !this.#isOver && this.random.chance(CONNACKS_LOST);
  }

  static async on(folder, configFile, random) {
    const port = await freePort();
    const hub = new Hub(port, path.join(folder, 'data'), ['--config', configFile]);
    return new Traffic(hub, random);
  }

  onArrival() {
    this.#lastArrivalMs = performance.now();
  }

  /** The server runs. Resolves when every subscription is granted. */
  async begin() {
    this.#engagePublishers();
    this.#engageSubscribers();
    for (const subscriber of this.subscribers) subscriber.comeOnline();
    const isSettled = () => this.subscribers.every((each) => each.isReady && each.isSettled);
    check(await until(isSettled, SETTLE_MAX_MS), () => `nobody could subscribe\n${this.account()}`);
    for (const big of this.#big) big.drop(true);
    for (const publisher of this.publishers) {
      publisher.comeOnline();
      publisher.start(publisher.id === 'pub-retained' ? RETAINED_BURST_MS : BURST_MS);
    }
    for (const mortal of this.#mortals) mortal.comeOnline();
    this.#acting = this.#act();
  }

  /** Everything that happens by chance stops, and what is unfinished is brought to its end on a server that runs. */
  async settle() {
    this.#isOver = true;
    await this.#acting;
    await Promise.all(this.#pending);
    for (const mortal of this.#mortals) mortal.drop(true);
    for (const publisher of this.publishers) {
      publisher.finish();
      publisher.comeOnline();
    }
    const isDone = () => this.publishers.every((publisher) => publisher.isDone);
    const unfinished = () =>
      this.publishers.map((each) => `${each.id}: ${each.unfinished}, ready ${each.isReady}`);
    check(
      await until(isDone, SETTLE_MAX_MS),
      () => `publishers are not done: ${unfinished().join('; ')}\n${this.account()}`,
    );
    for (const subscriber of this.subscribers) {
      subscriber.slownessMs = 0;
      subscriber.isDeaf = false;
      subscriber.drop();
      subscriber.comeOnline();
    }
  }

  /** Until everything owed has arrived, or nothing comes any more. */
  async drain() {
    this.onArrival();
    for (;;) {
      const isHere = this.ledger.missing().length === 0;
      const isSettled = this.subscribers.every((each) => each.isReady && each.isSettled);
      const quietMs = performance.now() - this.#lastArrivalMs;
      if (isHere && isSettled && quietMs > 500) return;
      if (quietMs > QUIET_MS) return;
      await sleep(100);
    }
  }

  /** Stops the server properly; the store must be whole, and a server on it must have nothing left for anybody. */
  async finish() {
    this.mayRefuse = true; // they are told that it stops
    const { folder } = this.hub;
    const code = await this.hub.stop();
    check(code === 0, () => `the server stopped with ${code}:\n${this.hub.lastLines()}`);
    const verified = await runHub(['store', 'verify', '--data', folder]);
    const said = verified.stdout + verified.stderr;
    check(verified.code === 0, () => `store verify: ${verified.code}, ${said}`);
    await this.hub.startAndServe();
    const areBack = () => this.subscribers.every((each) => each.isReady && each.isSettled);
    check(await until(areBack, SETTLE_MAX_MS), () => `not all are back\n${this.account()}`);
    this.looks += await lookAtRetained(this);
    await sleep(500);
    await this.hub.stop();
    for (const subscriber of this.subscribers) subscriber.stayAway();
    for (const publisher of this.publishers) publisher.stayAway();
    const stats = await runHub(['store', 'stats', '--json', '--data', folder]);
    const { queuedMessages, inflightMessages } = JSON.parse(stats.stdout);
    check(queuedMessages === 0 && inflightMessages === 0, () => {
      this.ledger.close();
      return `everything is drained, and the store still has ${stats.stdout}${this.account()}`;
    });
    const left = processesWith(folder);
    check(left.length === 0, () => `processes are left: ${left.join('; ')}`);
  }

  /** Throws Failure with the account when anything is wrong. */
  judge() {
    this.ledger.close();
    check(this.ledger.violations.length === 0, () => this.account());
  }

  account() {
    const { ledger } = this;
    return `${ledger.account()}\n${ledger.summary()}\nlog:\n${this.hub.lastLines()}`;
  }

  /** Also while others act. */
  look() {
    const looking = lookAtRetained(this).then((count) => {
      this.looks += count;
    });
    this.#do(looking);
    return looking;
  }

  #engagePublishers() {
    const topics = (number, levels) =>
      levels.flatMap((qos) =>
        ['a', 'b'].map((name) => ({ name: `p/${number}/q${qos}/${name}`, qos })),
      );
    const retained = Array.from({ length: RETAINED }, (_, number) => ({
      name: `r/${number}`,
      qos: 1 + (number % 2),
      retain: true,
    }));
    this.publishers = [
      new Publisher(this, 'pub-1', 4, { topics: topics(1, [1]) }),
      new Publisher(this, 'pub-2', 5, { topics: topics(2, [2]) }),
      new Publisher(this, 'pub-3', 4, { topics: topics(3, [1, 2]), window: 40 }),
      new Publisher(this, 'pub-4', 5, { topics: topics(4, [1, 2]), window: 40 }),
      new Publisher(this, 'pub-5', 4, { topics: topics(5, [1]), isClean: true }),
      new Publisher(this, 'pub-retained', 5, { topics: retained }),
    ];
  }

  #engageSubscribers() {
    const engage = (id, version, filters, options = {}) => {
      const subscriber = new Subscriber(this, id, version, options);
      for (const [filter, qos] of filters) subscriber.subscribe(filter, qos);
      this.subscribers.push(subscriber);
      return subscriber;
    };
    const all = (qos) => [['p/#', qos]];
    engage('sub-online-5', 5, [...all(2), ['w/#', 2]]);
    engage('sub-online-4', 4, all(1));
    this.#some.push(
      engage('sub-some-5', 5, [
        ['p/+/q2/#', 2],
        ['w/#', 1],
      ]),
      engage('sub-some-4', 4, all(2)),
    );
    engage('sub-slow-4', 4, [['p/4/#', 1]], { slownessMs: 150 });
    engage('sub-slow-5', 5, [['p/2/#', 2]], { receiveMaximum: 4, slownessMs: 80 });
    this.#big.push(engage('sub-big-5', 5, all(2)), engage('sub-big-4', 4, all(1)));
    for (const [number, version] of [5, 4, 5].entries()) {
      const member = engage(`share-g-${number}`, version, [['$share/g/p/#', 2]], { group: 'g' });
      member.books.isExactGroup = true;
      this.#some.push(member);
    }
    for (const [number, version] of [4, 5].entries()) {
      this.#some.push(engage(`share-h-${number}`, version, [['$share/h/p/#', 1]], { group: 'h' }));
    }
    this.#flips = [engage('flip-5', 5, [['p/2/#', 2]]), engage('flip-4', 4, [['p/1/#', 1]])];
    this.#churns = [
      engage('churn-5', 5, all(2)),
      engage('churn-4', 4, all(2)),
      engage('churn-4b', 4, all(1)),
    ];
    this.#mortals = [
      new Mortal(this, 'mortal-5', 5, 2),
      new Mortal(this, 'mortal-4', 4, 1),
      new Mortal(this, 'mortal-5b', 5, 1),
    ];
  }

  /** One thing after the other, by chance. */
  async #act() {
    const { random } = this;
    while (!this.#isOver) {
      await sleep(random.between(10, 60));
      const dice = random.below(100);
      if (dice < 20) this.#goAway(random.pick(this.#some));
      else if (dice < 26) random.pick([...this.subscribers, ...this.publishers]).drop();
      else if (dice < 30) random.pick([...this.subscribers, ...this.publishers]).takeOver();
      else if (dice < 34) this.#turnDeaf(random.pick(this.subscribers));
      else if (dice < 55) this.#flip(random.pick(this.#flips));
      else if (dice < 65) this.#churn(random.pick(this.#churns));
      else if (dice < 85) this.#endLife(random.pick(this.#mortals));
      else if (dice < 87) this.#showUp(random.pick(this.#big));
    }
  }

  /** Runs on while others act; `settle` waits for it. */
  #do(work) {
    const done = work.finally(() => this.#pending.delete(done));
    this.#pending.add(done);
  }

  #goAway(client) {
    if (client.isGone) return;
    if (this.random.chance(50)) client.drop(true);
    else client.leave();
    const awayMs = this.random.between(100, 2_500);
    this.#do(sleep(awayMs).then(() => client.comeOnline()));
  }

  /** One that is away nearly always is there for a moment. */
  #showUp(client) {
    if (!client.isGone) return;
    client.comeOnline();
    this.#do(sleep(this.random.between(30, 300)).then(() => client.drop(true)));
  }

  #turnDeaf(client) {
    if (!client.isReady) return;
    client.isDeaf = true;
    const deafMs = this.random.between(50, 500);
    this.#do(
      sleep(deafMs).then(() => {
        client.isDeaf = false;
        client.drop();
        if (this.#big.includes(client)) client.drop(true);
      }),
    );
  }

  #flip(client) {
    if (!client.isReady || !client.isSettled) return;
    const [filter, qos] = client.version === 5 ? ['p/2/#', 2] : ['p/1/#', 1];
    if (client.isSubscribed(filter)) client.unsubscribe(filter);
    else client.subscribe(filter, qos);
  }

  /** Ends a session and begins another. */
  #churn(client) {
    if (!client.isReady || !client.isSettled) return;
    if (client.version === 5 && this.random.chance(50)) this.#do(this.#quit(client));
    else this.#do(this.#renew(client));
  }

  async #quit(client) {
    client.quit();
    if (await this.#isSurelyOver()) client.onSurelyEnded();
    client.subscribe('p/#', 2);
    client.comeOnline();
  }

  async #renew(client) {
    client.renew();
    client.subscribe('p/#', 2);
    if (client.version === 5) return;
    await until(() => client.isGone || this.#isOver, 3_000);
    client.comeOnline();
  }

  #endLife(mortal) {
    if (!mortal.isReady) return;
    this.#do(this.random.chance(60) ? this.#die(mortal) : this.#depart(mortal));
  }

  async #die(mortal) {
    const will = mortal.die();
    if (await this.#isSurelyOver()) will.ackedAt = this.ledger.now;
    mortal.comeOnline();
  }

  async #depart(mortal) {
    const will = mortal.depart();
    if (await this.#isSurelyOver()) will.refused = 'its client said goodbye';
    mortal.comeOnline();
  }

  /** Whether the server lives for a while from now on: then it has seen a connection end, and stored what follows. */
  async #isSurelyOver() {
    const { starts, isServing } = this.hub;
    await sleep(SURE_MS);
    return isServing && this.hub.isServing && this.hub.starts === starts && !this.mayRefuse;
  }

  #onLine({ msg = '', level }) {
    if (this.mayRefuse && /store_failing|the store works again/.test(msg)) return;
    if (this.mayBeBusy && /overload/.test(msg)) return;
    const isBad = /ALARM|nobody expected|failed|assert|cannot be read|damaged/i.test(msg);
    if (isBad || level === 'none') this.ledger.violation(`the server says: ${msg}`);
  }
}
