// Authorizers one after the other: who is asked, who counts, and that nothing opens when one of them fails.

import { describe, expect, test } from 'vitest';
import {
  AuthorizerChain,
  type AuthorizerChainOptions,
  type AuthorizerMember,
} from '../../../src/auth/acl/authorizer-chain.ts';
import { ClaimsAuthorizer } from '../../../src/auth/acl/claims.ts';
import { RulesAuthorizer } from '../../../src/auth/acl/rules.ts';
import { type Authorizer, type Explanation, UNDECIDED } from '../../../src/auth/auth.ts';
import { type Cancellable, FakeClock } from '../../../src/lib/clock.ts';
import { LogBook } from '../../kit/log-book.ts';
import { client, connectRequest } from './clients.ts';

const ALLOWED = 0x00;
const DENIED = 0x87;
const UNAVAILABLE = 0x88;
const WHOLE = { qosMax: 2, isWhole: true } as const;
const PARTLY = { qosMax: 2, isWhole: false } as const;
const bob = client('bob');

/** Answers everything the same; typed as anything, since plain JavaScript may answer anything. */
function always(answer: unknown, rest: Partial<Authorizer> = {}): Authorizer {
  return {
    authorizePublish: () => answer as number as 0,
    authorizeSubscribe: () => answer as number as 0,
    ...rest,
  };
}

/** One that looks at deliveries as well. */
function looking(answer: unknown, delivery: unknown = answer, rest = {}): Authorizer {
  return always(answer, { authorizeReceive: () => delivery as number as 0, ...rest });
}

function rulesAuthorizer(...rules: [effect: 'allow' | 'deny', topic: string][]): RulesAuthorizer {
  return new RulesAuthorizer({
    name: 'rules',
    rules: rules.map(([effect, topic]) => ({
      ...{ effect, actions: ['publish', 'subscribe'], topics: [topic] },
    })),
  });
}

/** Knows how many timers are left. */
class CountingClock extends FakeClock {
  readonly running = new Set<Cancellable>();

  override every(intervalMs: number, callback: () => void): Cancellable {
    const timer = super.every(intervalMs, callback);
    this.running.add(timer);
    return {
      cancel: () => {
        timer.cancel();
        this.running.delete(timer);
      },
    };
  }
}

function make(...authorizers: readonly Authorizer[]) {
  return makeWith({}, ...authorizers);
}

function makeWith(
  options: Pick<AuthorizerChainOptions, 'suback'>,
  ...authorizers: readonly Authorizer[]
) {
  const clock = new CountingClock();
  const book = new LogBook();
  const members: AuthorizerMember[] = authorizers.map((authorizer, i) => ({
    ...{ name: `m${i}`, authorizer, timeoutMs: 5_000 },
  }));
  return { clock, book, chain: new AuthorizerChain({ ...options, members, clock, logger: book }) };
}

const publish = ({ chain }: ReturnType<typeof make>) => chain.authorizePublish(bob, 'a', 0, false);
const subscribe = ({ chain }: ReturnType<typeof make>, filter = 'a/#') =>
  chain.authorizeSubscribe(bob, filter, 1, null);

describe('who decides', () => {
  test.each([
    ['the first that is not undecided', [UNDECIDED, DENIED, ALLOWED], DENIED],
    ['also with an allow', [UNDECIDED, ALLOWED, DENIED], ALLOWED],
    ['with its own code', [UNDECIDED, 0x97], 0x97],
    ['nobody: refused', [UNDECIDED, UNDECIDED], DENIED],
    ['nobody there: refused', [], DENIED],
  ])('%s', (_, answers, expected) => {
    expect(publish(make(...answers.map((answer) => always(answer))))).toBe(expected);
  });

  test('it answers at once while its members do, and with a promise from the first on that does not', async () => {
    const late = make(always(UNDECIDED), always(Promise.resolve(UNDECIDED)), always(ALLOWED));
    expect(publish(late)).toBeInstanceOf(Promise);
    expect(await publish(late)).toBe(ALLOWED);
    expect(await subscribe(late)).toEqual(WHOLE);
    const early = make(always(DENIED), always(Promise.resolve(ALLOWED)));
    expect(publish(early)).toBe(DENIED);
  });

  test('promises of others count as well', async () => {
    class Thenable {
      // biome-ignore lint/suspicious/noThenProperty: it is what this is about
      then(resolve: (value: number) => void): void {
        resolve(DENIED);
      }
    }
    expect(await publish(make(always(new Thenable()), always(ALLOWED)))).toBe(DENIED);
  });
});

describe('a member that fails refuses with 0x88, and nobody behind it is asked', () => {
  const throwing = () => {
    throw new Error('broken');
  };
  const rejecting: Authorizer = {
    authorizePublish: () => Promise.reject(new Error('gone')),
    authorizeSubscribe: () => Promise.reject(new Error('gone')),
  };
  test.each<[string, Authorizer, string]>([
    ['throws', { authorizePublish: throwing, authorizeSubscribe: throwing }, 'broken'],
    ['rejects', rejecting, 'gone'],
    ['answers nothing', always(undefined), 'its answer is none: undefined'],
    ['answers true', always(true), 'its answer is none: boolean'],
    ['answers a text', always('allow'), 'its answer is none: string'],
    ['answers no integer', always(0.5), 'its answer is none: number'],
    ['answers too much', always(256), 'its answer is none: number'],
    ['promises an object', always(Promise.resolve({})), 'its answer is none: object'],
  ])('one that %s', async (_, authorizer, error) => {
    const made = make(authorizer, always(ALLOWED));
    expect(await publish(made)).toBe(UNAVAILABLE);
    expect(await subscribe(made)).toBe(UNAVAILABLE);
    expect(made.book.lines).toEqual([
      {
        ...{ level: 'warn', fields: { authorizer: 'm0', error } },
        message: 'an authorizer failed: what it was asked about is refused',
      },
    ]);
  });

  test('one that grants nonsense', () => {
    for (const grant of [{ qosMax: 3, isWhole: true }, { qosMax: 1 }, [], null]) {
      expect(subscribe(make(always(grant)))).toBe(UNAVAILABLE);
    }
    expect(publish(make(always(WHOLE)))).toBe(UNAVAILABLE); // a grant is for SUBSCRIBE
  });

  test('one that does not answer in its time', async () => {
    const made = make(always(new Promise(() => {})), always(ALLOWED));
    const answer = publish(made);
    made.clock.advance(4_999);
    made.clock.advance(1);
    expect(await answer).toBe(UNAVAILABLE);
    expect(made.book.lines[0].fields).toMatchObject({ error: 'it did not answer within 5000 ms' });
  });

  test('one that answers in time leaves no timer, and nothing is logged', async () => {
    let answerLate: (verdict: number) => void = () => {};
    const made = make(always(new Promise((resolve) => (answerLate = resolve))));
    const answer = publish(made);
    made.clock.advance(4_999);
    answerLate(ALLOWED);
    expect(await answer).toBe(ALLOWED);
    expect(made.clock.running.size).toBe(0);
    made.clock.advance(60_000);
    expect(made.book.lines).toEqual([]);
  });

  test('one that fails for every message is a line once in a while', async () => {
    const made = make(always('x'));
    for (let i = 0; i < 1_000; i++) publish(made);
    made.clock.advance(60_000);
    expect(made.book.lines.length).toBe(2);
    expect(made.book.lines[1].fields).toMatchObject({ again: 999 });
    await made.chain.close();
    expect(made.clock.running.size).toBe(0);
  });

  test('in deliveries, where a promise is no answer either', () => {
    for (const answer of ['x', null, Promise.resolve(ALLOWED)]) {
      const { chain } = make(looking(UNDECIDED, answer), looking(ALLOWED));
      expect(chain.authorizeReceive?.(bob, 'a')).toBe(UNAVAILABLE);
    }
    const late = make(looking(0, 0, { authorizeReceive: () => Promise.reject(new Error('late')) }));
    expect(late.chain.authorizeReceive?.(bob, 'a')).toBe(UNAVAILABLE); // and its rejection is nobody's
    const { chain } = make(looking(UNDECIDED, 0, { authorizeReceive: throwing }), looking(ALLOWED));
    expect(chain.authorizeReceive?.(bob, 'a')).toBe(UNAVAILABLE);
  });
});

describe('deliveries', () => {
  test('nobody looks at them: nobody is asked, and a grant is whole', () => {
    const made = make(always(UNDECIDED), always(PARTLY));
    expect(made.chain.authorizeReceive).toBeUndefined();
    expect(subscribe(made)).toEqual(WHOLE);
  });

  test('only those are asked that look at them, and the first that decides counts', () => {
    const receive = (...all: Authorizer[]) => make(...all).chain.authorizeReceive?.(bob, 'a');
    expect(receive(always(ALLOWED), looking(0, UNDECIDED), looking(0, DENIED))).toBe(DENIED);
    expect(receive(always(DENIED), looking(0, ALLOWED), looking(0, DENIED))).toBe(ALLOWED);
    expect(receive(always(ALLOWED), looking(0, UNDECIDED))).toBe(DENIED);
  });

  test('the grant of one that does not look at them is whole', () => {
    expect(subscribe(make(always(ALLOWED), looking(DENIED)))).toEqual(WHOLE);
    expect(subscribe(make(always({ qosMax: 1, isWhole: false }), looking(DENIED)))).toEqual({
      ...WHOLE,
      qosMax: 1,
    });
  });

  test('the grant of one that does is what it says', () => {
    expect(subscribe(make(looking(PARTLY)))).toEqual(PARTLY);
    expect(subscribe(make(looking(WHOLE)))).toEqual(WHOLE);
    expect(subscribe(make(looking(ALLOWED)))).toEqual(PARTLY); // a bare code: each delivery is asked about
  });

  test('but not whole where one before it may deny some of them', () => {
    const granting = looking(WHOLE);
    const denying = (mayDeny: boolean) => looking(UNDECIDED, DENIED, { mayDeny: () => mayDeny });
    expect(subscribe(make(denying(true), granting))).toEqual(PARTLY);
    expect(subscribe(make(denying(false), granting))).toEqual(WHOLE);
    expect(subscribe(make(looking(UNDECIDED, DENIED), granting))).toEqual(PARTLY); // nobody knows
    expect(subscribe(make(always(UNDECIDED), granting))).toEqual(WHOLE);
    expect(subscribe(make(granting, denying(true)))).toEqual(WHOLE); // it comes too late
  });

  test('a denial is not lost to one that looks at SUBSCRIBE alone', () => {
    const made = make(rulesAuthorizer(['deny', 'a/secret/#']), always(ALLOWED));
    expect(subscribe(made, 'a/#')).toBe(DENIED);
    expect(subscribe(made, 'a/b/#')).toEqual(WHOLE);
    expect(subscribe(made, 'a/secret/x')).toBe(DENIED);
  });

  test('nor is that of one of which nobody knows what it would deny', () => {
    expect(subscribe(make(looking(UNDECIDED, DENIED), always(ALLOWED)))).toBe(DENIED);
    const never = looking(UNDECIDED, UNDECIDED, { mayDeny: () => false });
    expect(subscribe(make(never, always(ALLOWED)))).toEqual(WHOLE);
    const failing = looking(UNDECIDED, UNDECIDED, {
      mayDeny: () => {
        throw new Error('the test says so');
      },
    });
    expect(subscribe(make(failing, always(ALLOWED)))).toBe(DENIED);
    expect(subscribe(make(always(ALLOWED), looking(UNDECIDED, DENIED)))).toEqual(WHOLE);
  });

  test('rules and the claims of a token work together', () => {
    const topicFilters = ['#'];
    const who = client('bob', 'c1', {
      permissions: [{ effect: 'allow', actions: ['subscribe'], topicFilters }],
    });
    const { chain } = make(
      rulesAuthorizer(['deny', 'secret/#']),
      new ClaimsAuthorizer({ name: 'token' }),
    );
    expect(chain.authorizeSubscribe(who, '#', 0, null)).toEqual(PARTLY);
    expect(chain.authorizeSubscribe(who, 'a/#', 0, null)).toEqual(WHOLE);
    expect(chain.authorizeReceive?.(who, 'secret/x')).toBe(DENIED);
    expect(chain.authorizeReceive?.(who, 'a')).toBe(ALLOWED);
  });
});

describe('connect', () => {
  const connect = (...all: Authorizer[]) =>
    make(...all).chain.authorizeConnect?.(bob, connectRequest());

  test('nobody looks at it: nobody is asked', () => {
    expect(connect(always(ALLOWED))).toBeUndefined();
  });

  test('the first that decides counts, one that does not look has no opinion', async () => {
    const by = (verdict: unknown) => always(UNDECIDED, { authorizeConnect: () => verdict as 0 });
    expect(connect(always(ALLOWED), by(UNDECIDED), by(DENIED), by(ALLOWED))).toBe(DENIED);
    expect(connect(by(UNDECIDED), always(ALLOWED))).toBe(DENIED);
    expect(await connect(by(Promise.resolve(UNDECIDED)), by(ALLOWED))).toBe(ALLOWED);
    expect(connect(by('yes'), by(ALLOWED))).toBe(UNAVAILABLE);
    expect(connect(by(undefined), by(ALLOWED))).toBe(UNAVAILABLE);
  });
});

describe('rememberMs', () => {
  test.each([
    [[undefined, undefined], undefined],
    [[undefined, 500, 200], 200],
    [[0, 500], 0],
  ])('%o: %o', (times, expected) => {
    const all = times.map((rememberMs) => always(ALLOWED, { rememberMs }));
    expect(make(...all).chain.rememberMs).toBe(expected);
  });
});

describe('explain', () => {
  const question = { action: 'publish', topic: 'a', qos: 0, retain: false } as const;
  const explaining = (outcome: Explanation['outcome'], reason: string) =>
    looking(UNDECIDED, UNDECIDED, {
      explain: async () => ({ outcome, source: '', rule: 'r', file: 'f', line: 1, reason }),
    });

  test('is that of the first that decides, under its name in the configuration', async () => {
    const { chain } = make(explaining('undecided', 'x'), explaining('deny', 'y'));
    expect(await chain.explain(bob, question)).toEqual({
      ...{ outcome: 'deny', source: 'm1', rule: 'r', file: 'f', line: 1, reason: 'y' },
    });
  });

  test('one that cannot explain itself is asked for its verdict', async () => {
    for (const [answer, outcome] of [
      [ALLOWED, 'allow'],
      [0x97, 'deny'],
    ] as const) {
      const { chain } = make(always(UNDECIDED), always(Promise.resolve(answer)));
      expect(await chain.explain(bob, question)).toMatchObject({
        outcome,
        source: 'm1',
        rule: null,
      });
    }
    const { chain } = make(always(PARTLY));
    expect(await chain.explain(bob, { ...question, action: 'subscribe' })).toMatchObject({
      outcome: 'allow',
    });
  });

  test('nobody decides: that refuses', async () => {
    const { chain } = make(always(UNDECIDED), explaining('undecided', 'x'));
    expect(await chain.explain(bob, question)).toMatchObject({
      ...{ outcome: 'deny', source: 'm0, m1', rule: null },
    });
  });

  test('about deliveries those say nothing that do not look at them', async () => {
    const { chain } = make(always(ALLOWED), looking(UNDECIDED, DENIED));
    const receive = { ...question, action: 'receive' } as const;
    expect(await chain.explain(bob, receive)).toMatchObject({ outcome: 'deny', source: 'm1' });
  });

  test('one that fails refuses, and so says the explanation', async () => {
    const explain = () => {
      throw new Error('broken');
    };
    const { chain } = make(always(ALLOWED, { explain }));
    expect(await chain.explain(bob, question)).toMatchObject({
      ...{ outcome: 'deny', source: 'm0', reason: 'it failed, which refuses: broken' },
    });
  });

  test('a SUBSCRIBE that is refused for an earlier denial', async () => {
    const { chain } = make(rulesAuthorizer(['deny', 'a/secret/#']), always(ALLOWED));
    const asked = { ...question, action: 'subscribe', topic: 'a/#' } as const;
    expect(await chain.explain(bob, asked)).toMatchObject({
      ...{ outcome: 'deny', source: 'm1' },
      reason:
        '"m0" may deny some of what matches the filter, and "m1", which allows it, does not look at deliveries',
    });
  });

  test('about connect', async () => {
    const rules = new RulesAuthorizer({
      name: 'rules',
      rules: [{ effect: 'deny', actions: ['connect'], users: ['bob'], file: 'f', line: 3 }],
    });
    const request = connectRequest();
    expect(await make(always(0), rules).chain.explainConnect(bob, request)).toMatchObject({
      ...{ outcome: 'deny', source: 'm1', file: 'f', line: 3 },
    });
    const { chain } = make(always(0), rules);
    expect(await chain.explainConnect(client('x'), request)).toMatchObject({ outcome: 'deny' });
    expect(await make(always(0)).chain.explainConnect(bob, request)).toMatchObject({
      outcome: 'allow',
    });
  });
});

describe('a SUBSCRIBE that would be refused, and is granted as Mosquitto does,', () => {
  const granting = (...authorizers: Authorizer[]) =>
    makeWith({ suback: 'mosquitto' }, ...authorizers).chain;
  const question = { action: 'subscribe', topic: 'a/#', qos: 0, retain: false } as const;

  test.each([
    ['by a denial', rulesAuthorizer(['deny', '#'])],
    ['as no rule allows it', rulesAuthorizer(['allow', 'b'])],
  ])('%s: each delivery is asked about', async (_, rules) => {
    const chain = granting(rules);
    expect(chain.authorizeSubscribe(bob, 'a/#', 2, null)).toEqual(PARTLY);
    expect(chain.authorizeReceive?.(bob, 'a/b')).toBe(DENIED);
    expect(await chain.explain(bob, question)).toMatchObject({
      outcome: 'allow',
      reason: expect.stringMatching(
        /^every SUBSCRIBE is granted, as Mosquitto does, but no delivery/,
      ),
    });
  });

  test('is not granted by one that does not look at deliveries, nor by one that fails', async () => {
    const chain = granting(always(DENIED), rulesAuthorizer(['allow', '#']));
    expect(chain.authorizeSubscribe(bob, 'a/#', 2, null)).toBe(DENIED);
    expect(await chain.explain(bob, question)).toMatchObject({ outcome: 'deny' });
    expect(granting(always(UNDECIDED)).authorizeSubscribe(bob, 'a/#', 2, null)).toBe(DENIED);
    const failing = granting(looking(UNAVAILABLE));
    expect(failing.authorizeSubscribe(bob, 'a/#', 0, null)).toBe(UNAVAILABLE);
    expect(await failing.explain(bob, question)).toMatchObject({ outcome: 'deny' });
  });
});

test('close closes all, also when one fails', async () => {
  const closed: string[] = [];
  const made = make(
    always(ALLOWED, { close: () => Promise.reject(new Error('stuck')) }),
    always(ALLOWED, { close: () => void closed.push('m1') }),
  );
  await made.chain.close();
  expect(closed).toEqual(['m1']);
  expect(made.book.lines).toMatchObject([{ fields: { authorizer: 'm0', error: 'stuck' } }]);
});
