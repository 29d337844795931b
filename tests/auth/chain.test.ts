import { describe, expect, test } from 'vitest';
import type {
  Authenticator,
  AuthStep,
  Client,
  ConnectRequest,
  Decision,
  Refused,
} from '../../src/auth/auth.ts';
import {
  AuthenticatorChain,
  type AuthenticatorChainOptions,
  type ChainMember,
} from '../../src/auth/chain.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { certificateOf, connectRequest, login } from '../kit/connect-request.ts';
import { LogBook } from '../kit/log-book.ts';
import { turns } from '../kit/until.ts';

const ACCEPTED: Decision = { reasonCode: ReasonCode.Success, username: 'ann' };
const WRONG: Refused = { reasonCode: ReasonCode.BadUserNameOrPassword };
/** What a stranger may learn. */
const TOLD = 'the user name or the password is wrong';

/** Answers what it is told and remembers whom it was asked about. */
class Answering implements Authenticator {
  readonly asked: ConnectRequest[] = [];
  readonly #answer: unknown;

  constructor(answer: unknown) {
    this.#answer = answer;
  }

  authenticate(request: ConnectRequest): Decision {
    this.asked.push(request);
    const answer = typeof this.#answer === 'function' ? this.#answer(request) : this.#answer;
    return answer as Decision;
  }
}

const answers = (answer: unknown): Answering => new Answering(answer);

function member(authenticator: Authenticator, fields: Partial<ChainMember> = {}): ChainMember {
  return { name: 'm', authenticator, timeoutMs: 5_000, ...fields };
}

function chainOf(
  authenticators: readonly (Authenticator | ChainMember)[],
  options: Partial<AuthenticatorChainOptions> = {},
) {
  const clock = new FakeClock();
  const book = new LogBook();
  const members = authenticators.map((one) => ('authenticator' in one ? one : member(one)));
  const chain = new AuthenticatorChain({
    members,
    anonymous: false,
    clock,
    logger: book,
    ...options,
  });
  return { chain, clock, book };
}

describe('in order', () => {
  test('the first that decides counts, and nobody after it is asked', async () => {
    const after = answers(ACCEPTED);
    const { chain } = chainOf([answers('next'), answers(WRONG), after]);
    expect(await chain.authenticate(login('ann', 'x'))).toMatchObject(WRONG);
    expect(after.asked).toHaveLength(0);
  });

  test('one that answers later is waited for, before the next is asked', async () => {
    let answer: (decision: Decision) => void = () => {};
    const first: Authenticator = {
      authenticate: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    };
    const second = answers(ACCEPTED);
    const { chain } = chainOf([first, second]);
    const decision = chain.authenticate(login('ann', 'x'));
    await turns(2);
    expect(second.asked).toHaveLength(0);
    answer('next');
    expect(await decision).toMatchObject(ACCEPTED);
    expect(second.asked).toHaveLength(1);
  });

  test('a client that has gone meanwhile is not asked about any further', async () => {
    const second = answers(ACCEPTED);
    const { chain } = chainOf([answers('next'), second]);
    const decision = chain.authenticate({ ...login('ann', 'x'), isGone: true });
    expect(await decision).toMatchObject({ reasonCode: ReasonCode.ServerUnavailable });
    expect(second.asked).toHaveLength(0);
  });

  test('groups of the configuration come to those of the authenticator, each once', async () => {
    const accepting = answers({ ...ACCEPTED, groups: ['a', 'b'], claims: { x: 1 } });
    const groupsOf = (username: string) => [`of ${username}`, 'b'];
    const { chain } = chainOf([accepting], { groupsOf });
    expect(await chain.authenticate(login('ann', 'x'))).toMatchObject({
      username: 'ann',
      groups: ['a', 'b', 'of ann'],
      claims: { x: 1 },
    });
  });

  test('an identity that has ended already does not come in', async () => {
    const clock = new FakeClock();
    const until = (expiresAtMs: number) => answers({ ...ACCEPTED, expiresAtMs });
    const ended = chainOf([until(clock.wallNow())], { clock }).chain;
    expect(await ended.authenticate(login('ann', 'x'))).toMatchObject({
      reasonCode: ReasonCode.NotAuthorized,
    });
    const running = chainOf([until(clock.wallNow() + 1)], { clock }).chain;
    expect(await running.authenticate(login('ann', 'x'))).toMatchObject(ACCEPTED);
  });

  test('closing it leaves its members to whoever made them', () => {
    let closed = 0;
    const { chain } = chainOf([{ authenticate: () => 'next', close: () => void closed++ }]);
    chain.close();
    chain.close();
    expect(closed).toBe(0);
  });
});

describe('anonymous', () => {
  const nothing = connectRequest();

  test.each([true, false])('is who shows nothing, where it is allowed: %s', async (anonymous) => {
    const accepting = answers(ACCEPTED);
    const { chain } = chainOf([accepting], { anonymous });
    const decision = chain.authenticate(nothing);
    expect(decision).toMatchObject(
      anonymous
        ? { reasonCode: ReasonCode.Success, username: null }
        : { reasonCode: ReasonCode.NotAuthorized },
    );
    expect(accepting.asked).toHaveLength(0);
  });

  test.each([
    ['a user name', login('ann', null)],
    ['an empty user name', login('', null)],
    ['a password', login(null, 'x')],
    ['an empty password', login(null, '')],
    ['both', login('ann', 'x')],
  ])('is nobody who shows %s that is not accepted', async (_, request) => {
    const { chain } = chainOf([answers('next')], { anonymous: true });
    expect(await chain.authenticate(request)).toMatchObject({
      reasonCode: ReasonCode.BadUserNameOrPassword,
      reasonString: TOLD,
    });
  });

  test.each([certificateOf({ username: 'sensor-1' }), certificateOf({ clientId: 'sensor-1' })])(
    'is nobody whose certificate has a name that is not accepted',
    async (certificate) => {
      const { chain } = chainOf([answers('next')], { anonymous: true });
      const request = connectRequest({ certificate, username: certificate.username });
      expect(await chain.authenticate(request)).toMatchObject({
        reasonCode: ReasonCode.NotAuthorized,
      });
    },
  );

  test('is also who shows a certificate that names nobody', async () => {
    const { chain } = chainOf([], { anonymous: true });
    const request = connectRequest({ certificate: certificateOf() });
    expect(await chain.authenticate(request)).toMatchObject({
      reasonCode: ReasonCode.Success,
      username: null,
    });
  });

  test('a member that wants to see such clients decides before the rule, others are not asked', async () => {
    const other = answers(ACCEPTED);
    for (const anonymous of [true, false]) {
      const refusing = member(answers(WRONG), { seesAnonymous: true });
      const { chain } = chainOf([other, refusing], { anonymous });
      expect(await chain.authenticate(nothing)).toMatchObject(WRONG);
      const passing = member(answers('next'), { seesAnonymous: true });
      const ruled = chainOf([other, passing], { anonymous });
      const code = anonymous ? ReasonCode.Success : ReasonCode.NotAuthorized;
      expect(await ruled.chain.authenticate(nothing)).toMatchObject({ reasonCode: code });
    }
    expect(other.asked).toHaveLength(0);
  });
});

test('an unknown user and a wrong password are told the same, and the log the truth', async () => {
  const refusing = answers({
    ...WRONG,
    reasonString: 'there is ann, but not with this password',
  });
  const known = await chainOf([refusing]).chain.authenticate(login('ann', 'x'));
  const unknown = await chainOf([answers('next')]).chain.authenticate(login('bob', 'x'));
  const told = (decision: Decision) => ({ ...(decision as Refused), detail: null });
  expect(told(known)).toEqual(told(unknown));
  expect((known as Refused).detail).toBe('there is ann, but not with this password');
});

describe('a member that fails', () => {
  const broken = (): never => {
    throw new Error('broken on purpose');
  };

  test.each<[string, unknown]>([
    ['throws', broken],
    ['rejects', () => Promise.reject(new Error('broken on purpose'))],
    ['throws what is no error', () => Promise.reject(Object.create(null))],
    ['is a promise that throws', Object.fromEntries([['then', broken]])],
    ['answers nothing', undefined],
    ['answers null', null],
    ['answers true', true],
    ['answers a sentence', 'accepted'],
    ['answers a list', []],
    ['answers no reason code', { username: 'ann' }],
    ['answers a reason code of text', { reasonCode: '0', username: 'ann' }],
    ['answers a code that is none', { reasonCode: 0x123 }],
    ['answers a code below 0x80', { reasonCode: ReasonCode.ContinueAuthentication }],
    ['answers a code of other packets', { reasonCode: ReasonCode.KeepAliveTimeout }],
    ['lets in without a user name', { reasonCode: 0 }],
    ['lets a number in', { reasonCode: 0, username: 7 }],
    ['lets a NUL in', { reasonCode: 0, username: 'ann\0' }],
    ['lets half a character in', { reasonCode: 0, username: 'ann\ud800' }],
    ['lets in with too long a name', { reasonCode: 0, username: 'é'.repeat(32_768) }],
    ['gives groups that are none', { ...ACCEPTED, groups: 'admin' }],
    ['gives a group that is no text', { ...ACCEPTED, groups: ['a', null] }],
    ['gives claims that are none', { ...ACCEPTED, claims: ['a'] }],
    ['gives permissions that are none', { ...ACCEPTED, permissions: {} }],
    ['gives half a permission', { ...ACCEPTED, permissions: [{ effect: 'allow' }] }],
    ['ends at no time', { ...ACCEPTED, expiresAtMs: Number.NaN }],
    ['ends at a text', { ...ACCEPTED, expiresAtMs: '2030-01-01' }],
    ['has a field that throws', Object.defineProperty({}, 'reasonCode', { get: broken })],
    ['refuses without words', { reasonCode: ReasonCode.NotAuthorized, reasonString: {} }],
  ])('refuses with 0x88 and says so: %s', async (_, answer) => {
    const after = answers(ACCEPTED);
    const { chain, book } = chainOf([member(answers(answer), { name: 'odd' }), after]);
    const decision = await chain.authenticate(login('ann', 'x'));
    expect(decision).toMatchObject({ reasonCode: ReasonCode.ServerUnavailable });
    expect((decision as Refused).detail).toMatch(/^the authenticator odd failed: \S/);
    expect((decision as Refused).reasonString).toBeUndefined();
    expect(after.asked).toHaveLength(0);
    expect(book.lines).toMatchObject([
      {
        level: 'warn',
        fields: { authenticator: 'odd', clientId: 'c' },
        message: 'an authenticator failed: the client is refused',
      },
    ]);
  });

  test('refuses when it does not answer in time, and what it says later is dropped', async () => {
    let answer: (decision: Decision) => void = () => {};
    let reject: (error: Error) => void = () => {};
    const late: Authenticator = {
      authenticate: () =>
        new Promise((resolve, rejects) => {
          answer = resolve;
          reject = rejects;
        }),
    };
    const { chain, clock } = chainOf([member(late, { timeoutMs: 700 })]);
    const end = [() => answer(ACCEPTED), () => reject(new Error('late'))];
    for (const say of end) {
      let decision: Decision | null = null;
      const decided = Promise.resolve(chain.authenticate(login('ann', 'x'))).then((made) => {
        decision = made;
      });
      await turns(2);
      clock.advance(699);
      await turns(2);
      expect(decision).toBeNull();
      clock.advance(1);
      await decided;
      expect(decision).toMatchObject({
        reasonCode: ReasonCode.ServerUnavailable,
        detail: 'the authenticator m failed: it did not answer within 700 ms',
      });
      say();
      await turns(2);
    }
  });

  test('is not hurried when it ends by itself', async () => {
    let answer: (decision: Decision) => void = () => {};
    const queued: Authenticator = {
      endsByItself: true,
      authenticate: () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    };
    const { chain, clock } = chainOf([member(queued, { timeoutMs: 700 })]);
    const decision = chain.authenticate(login('ann', 'x'));
    clock.advance(60_000);
    await turns(2);
    answer(ACCEPTED);
    expect(await decision).toMatchObject(ACCEPTED);
  });

  test('is a line once in ten seconds, and its number', async () => {
    const { chain, clock, book } = chainOf([answers(broken)]);
    for (let i = 0; i < 100; i++) await chain.authenticate(login('ann', 'x'));
    expect(book.lines).toHaveLength(1);
    clock.advance(10_200);
    expect(book.lines[1]?.fields).toMatchObject({ again: 99 });
  });

  test('never has the password in what is said of it', async () => {
    const telling = answers(({ password }: ConnectRequest) => {
      throw new Error(`no row for password '${Buffer.from(password ?? []).toString()}'`);
    });
    const { chain, book } = chainOf([telling]);
    const decision = await chain.authenticate(login('ann', 'opensesame'));
    expect(JSON.stringify([decision, book.lines])).not.toContain('opensesame');
  });
});

describe('enhanced authentication', () => {
  const request = connectRequest({ authenticationMethod: 'M', username: 'ann' });
  const PROVEN: AuthStep = { reasonCode: ReasonCode.Success, username: 'ann' };

  /** Offers the method `M`, and answers every step alike. */
  function offering(step: unknown, method = 'M'): Authenticator {
    return {
      authenticate: () => 'next',
      begin: (named) =>
        named === method
          ? { step: () => (typeof step === 'function' ? step() : step) as AuthStep }
          : null,
    };
  }

  test('goes to the first member that knows the method', async () => {
    const { chain } = chainOf(
      [answers('next'), offering(WRONG, 'L'), offering(PROVEN), offering(WRONG)],
      { groupsOf: () => ['g'] },
    );
    const exchange = chain.begin('M', request, null);
    expect(await exchange?.step(null)).toMatchObject({ ...PROVEN, groups: ['g'] });
    expect(chain.begin('N', request, null)).toBeNull();
  });

  test('is asked for also where anonymous clients may come', async () => {
    const { chain } = chainOf([offering(WRONG)], { anonymous: true });
    expect(await chain.begin('M', request, null)?.step(null)).toMatchObject(WRONG);
    expect(chainOf([], { anonymous: true }).chain.begin('M', request, null)).toBeNull();
  });

  test('challenges pass as they are, and so does what comes with the end', async () => {
    const data = Uint8Array.of(1, 2);
    const challenge = { reasonCode: ReasonCode.ContinueAuthentication, data };
    const challenging = chainOf([offering(challenge)]).chain.begin('M', request, null);
    expect(await challenging?.step(null)).toEqual(challenge);
    const proving = chainOf([offering({ ...PROVEN, data })]).chain.begin('M', request, null);
    expect(await proving?.step(null)).toMatchObject({ ...PROVEN, data });
  });

  test('does not make somebody else of a client that does it again', async () => {
    const { chain } = chainOf([offering(PROVEN)]);
    expect(await chain.begin('M', request, 'ann')?.step(null)).toMatchObject(PROVEN);
    expect(await chain.begin('M', request, 'bob')?.step(null)).toMatchObject({
      reasonCode: ReasonCode.NotAuthorized,
    });
  });

  const broken = (): never => {
    throw new Error('broken on purpose');
  };

  test.each<[string, Authenticator]>([
    ['begin throws', { authenticate: () => 'next', begin: broken }],
    ['begin returns what is none', { authenticate: () => 'next', begin: () => ({}) as never }],
    ['a step throws', offering(broken)],
    ['a step rejects', offering(() => Promise.reject(new Error('broken on purpose')))],
    ['a step is nothing', offering(undefined)],
    ['a step is "next"', offering('next')],
    ['a challenge has text for data', offering({ reasonCode: 0x18, data: 'x' })],
    ['it proves nobody', offering({ reasonCode: 0 })],
  ])('that fails refuses with 0x88: %s', async (_, authenticator) => {
    const { chain, book } = chainOf([authenticator, offering(PROVEN)]);
    const exchange = chain.begin('M', request, null);
    expect(await exchange?.step(null)).toMatchObject({ reasonCode: ReasonCode.ServerUnavailable });
    expect(() => exchange?.abort?.()).not.toThrow();
    expect(book.lines).toHaveLength(1);
  });

  test('that hangs is refused in time; an abort that throws harms nobody', async () => {
    const hanging: Authenticator = {
      authenticate: () => 'next',
      begin: () => ({ step: () => new Promise<AuthStep>(() => {}), abort: broken }),
    };
    const { chain, clock } = chainOf([member(hanging, { timeoutMs: 700 })]);
    const exchange = chain.begin('M', request, null);
    const step = exchange?.step(null);
    clock.advance(700);
    expect(await step).toMatchObject({ reasonCode: ReasonCode.ServerUnavailable });
    expect(() => exchange?.abort?.()).not.toThrow();
  });
});

describe('a review of who is here', () => {
  const here: Client = { clientId: 'c', username: 'ann', protocolVersion: 5, remoteAddress: '' };
  /** Knows again who is in this group from now on, or nobody. */
  const reviewing = (answer: unknown): Authenticator => ({
    authenticate: () => ACCEPTED,
    review: () => answer as Client,
  });

  test('asks the member that let the client in, by its name', async () => {
    const other = reviewing(null);
    const { chain } = chainOf([
      member(other, { name: 'a' }),
      member(reviewing({ ...here, by: 'b', groups: ['new'] }), { name: 'b' }),
    ]);
    const client = { ...here, by: 'b', groups: ['old'], ownGroups: ['old'] };
    expect(await chain.review(client)).toMatchObject({ username: 'ann', groups: ['new'] });
    expect(await chain.review({ ...here, by: 'a' })).toBeNull();
  });

  test('knows nobody whom none of its members let in', async () => {
    const { chain } = chainOf([answers(ACCEPTED)]);
    expect(await chain.review({ ...here, by: 'gone' })).toBeNull();
    expect(await chain.review(here)).toBeNull();
  });

  test('lets anonymous clients stay where they may come', async () => {
    const client = { ...here, username: null, by: '' };
    expect(await chainOf([], { anonymous: true }).chain.review(client)).toBe(client);
    expect(await chainOf([]).chain.review(client)).toBeNull();
  });

  test('gives the groups of the configuration of now to whom its member does not review', async () => {
    const { chain } = chainOf([answers(ACCEPTED)], { groupsOf: () => ['now'] });
    const client = { ...here, by: 'm', groups: ['own', 'then'], ownGroups: ['own'] };
    expect(await chain.review(client)).toMatchObject({
      groups: ['own', 'now'],
      ownGroups: ['own'],
    });
  });

  test('does not take groups of the configuration for those that its member said', async () => {
    let asked: Client | null = null;
    const copying: Authenticator = {
      authenticate: () => ACCEPTED,
      review(client) {
        asked = client;
        return { ...client };
      },
    };
    const client = { ...here, by: 'm', groups: ['own', 'then'], ownGroups: ['own'] };
    const reviewed = await chainOf([copying], { groupsOf: () => ['now'] }).chain.review(client);
    expect(asked).toMatchObject({ groups: ['own'] });
    expect(reviewed).toMatchObject({ groups: ['own', 'now'], ownGroups: ['own'] });
  });

  test('ends whom its member cannot review: a throw, another user, nothing', async () => {
    const throwing: Authenticator = {
      authenticate: () => ACCEPTED,
      review: () => {
        throw new Error('broken on purpose');
      },
    };
    for (const one of [throwing, reviewing({ ...here, username: 'bob' }), reviewing(undefined)]) {
      const { chain, book } = chainOf([one]);
      expect(await chain.review({ ...here, by: 'm' })).toBeNull();
      expect(book.lines).toHaveLength(1);
    }
  });

  test('an accepted client says who let it in', async () => {
    const { chain } = chainOf([answers({ ...ACCEPTED, groups: ['own'], credential: 'x' })], {
      groupsOf: () => ['more'],
    });
    expect(await chain.authenticate(login('ann', 'x'))).toMatchObject({
      by: 'm',
      groups: ['own', 'more'],
      ownGroups: ['own'],
      credential: 'x',
    });
  });
});
