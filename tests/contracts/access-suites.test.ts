// The suites for access control themselves: each mistake that an author may make fails the case that is about it.

import { describe, expect, test } from 'vitest';
import type {
  AuthExchange,
  Authenticator,
  Authorizer,
  AuthStep,
  Client,
  ConnectRequest,
  Decision,
} from '../../src/auth/auth.ts';
import type { AccessCase } from '../../src/contracts/access-case.ts';
import { topicsMatching } from '../../src/contracts/access-values.ts';
import { authenticatorContract } from '../../src/contracts/authenticator.ts';
import type { AuthenticatorPlace } from '../../src/contracts/authenticator-place.ts';
import { authorizerContract } from '../../src/contracts/authorizer.ts';
import type { AuthorizerPlace } from '../../src/contracts/authorizer-place.ts';
import { CannotRun } from '../../src/contracts/index.ts';
import { matchesFilter } from '../../src/protocol/filter.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { login } from '../kit/connect-request.ts';
import { ListAuthenticator } from '../kit/list-authenticator.ts';
import { ListAuthorizer } from '../kit/list-authorizer.ts';

const GOOD = [
  { request: login('ann', 'opensesame'), username: 'ann' },
  { request: login('bob', 'hunter22'), username: 'bob' },
];

/** Ann is removed from the list, if it is one that can be told so. */
function authenticatorPlace(
  authenticator: Authenticator & { remove?(username: string): void },
): AuthenticatorPlace {
  return {
    authenticator: () => authenticator,
    withdraw: () => {
      authenticator.remove?.('ann');
      return authenticator;
    },
    good: GOOD,
    bad: [login('ann', 'hunter22'), login('eve', 'opensesame')],
    enhanced: ListAuthenticator.enhanced,
  };
}

function authorizerPlace(authorizer: Authorizer): AuthorizerPlace {
  const [ann, bob] = ['ann', 'bob'].map((username): Partial<Client> => ({ username }));
  return {
    authorizer: () => authorizer,
    allowed: [
      { client: ann, action: 'publish', topic: 'users/ann/a' },
      { client: ann, action: 'subscribe', topic: 'users/ann/#' },
    ],
    denied: [
      { client: bob, action: 'publish', topic: 'users/ann/a' },
      { client: bob, action: 'receive', topic: 'users/ann/a' },
      { client: bob, action: 'subscribe', topic: 'users/ann/a' },
    ],
    topicOfUser: (username) => `users/${username}/a`,
  };
}

/** The titles of the cases that fail. */
async function failures<P>(cases: readonly AccessCase<P>[], makePlace: () => P): Promise<string[]> {
  const titles: string[] = [];
  for (const { title, run } of cases) {
    await run(makePlace).catch((error: unknown) => {
      if (!(error instanceof CannotRun)) titles.push(title);
    });
  }
  return titles;
}

type Ask = (request: ConnectRequest) => Decision | Promise<Decision>;

/** The list, with another way to answer. */
function answering(change: (ask: Ask) => Ask): () => Authenticator {
  return () => {
    const list = new ListAuthenticator(GOOD, true);
    const ask = change((request) => list.authenticate(request));
    return { authenticate: ask, begin: (...given) => list.begin(...given) };
  };
}

type Begin = (...given: Parameters<ListAuthenticator['begin']>) => AuthExchange | null;

function beginning(change: (begin: Begin) => Begin): () => Authenticator {
  return () => {
    const list = new ListAuthenticator(GOOD, true);
    const begin = change((...given) => list.begin(...given));
    return { authenticate: (request) => list.authenticate(request), begin };
  };
}

type Review = (client: Client) => Client | null | Promise<Client | null>;

function reviewing(change: (review: Review) => Review): () => Authenticator {
  return () => {
    const list = new ListAuthenticator(GOOD, true);
    return {
      authenticate: (request) => list.authenticate(request),
      begin: (...given) => list.begin(...given),
      review: change(async (client) => list.review(client)),
      remove: (username: string) => list.remove(username),
    } as Authenticator;
  };
}

const accepted = (username: string | null): Decision => ({
  reasonCode: ReasonCode.Success,
  username,
});
const textOf = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString();

test('titles are told apart, and nothing fails that is right', async () => {
  for (const cases of [authenticatorContract, authorizerContract]) {
    const titles = cases.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
  }
  const list = () => authenticatorPlace(new ListAuthenticator(GOOD, true));
  expect(await failures(authenticatorContract, list)).toEqual([]);
  const authorizer = () => authorizerPlace(new ListAuthorizer(true));
  expect(await failures(authorizerContract, authorizer)).toEqual([]);
});

describe('of an authenticator', () => {
  test.each<[string, () => Authenticator, string]>([
    [
      'lets everybody in',
      answering(
        () =>
          ({ username }) =>
            accepted(username),
      ),
      'a client that is not known is not let in',
    ],
    [
      'lets nobody in',
      answering(() => () => 'next'),
      'a client that is known is let in, as who it is',
    ],
    [
      'takes everybody for another',
      answering((ask) => async (request) => {
        const decision = await ask(request);
        return decision !== 'next' && decision.reasonCode === 0 ? accepted('root') : decision;
      }),
      'a client that is known is let in, as who it is',
    ],
    [
      'lets in who shows nothing',
      answering((ask) => (request) => (request.username === null ? accepted(null) : ask(request))),
      'who shows nothing is nobody, if anything',
    ],
    [
      'knows v5 only',
      answering((ask) => (request) => (request.protocolVersion === 5 ? ask(request) : 'next')),
      'the version of the protocol makes no difference',
    ],
    [
      'remembers who was let in by name alone',
      answering((ask) => {
        const known = new Set<string | null>();
        return async (request) => {
          if (known.has(request.username)) return accepted(request.username);
          const decision = await ask(request);
          if (decision !== 'next' && decision.reasonCode === 0) known.add(request.username);
          return decision;
        };
      }),
      'who was asked about before makes no difference',
    ],
    [
      'mixes those who come at a time',
      answering((ask) => {
        let last: string | null = null;
        return async (request) => {
          last = request.username;
          const decision = await ask(request);
          return decision !== 'next' && decision.reasonCode === 0 ? accepted(last) : decision;
        };
      }),
      'of many who come at a time each gets its own answer',
    ],
    [
      'answers with what is no decision',
      answering((ask) => (request) => {
        return request.username?.includes('\0') ? (true as never) : ask(request);
      }),
      'hostile names and passwords are answered, and let nobody in',
    ],
    [
      'throws at hostile names',
      answering((ask) => (request) => {
        encodeURIComponent(request.username ?? '');
        return ask(request);
      }),
      'hostile names and passwords are answered, and let nobody in',
    ],
    [
      'does not look at a password that is empty',
      answering((ask) => (request) => {
        return request.password?.length === 0 ? accepted(request.username) : ask(request);
      }),
      'nearly the right password is the wrong one',
    ],
    [
      'trims passwords',
      answering((ask) => (request) => {
        const password = Buffer.from(textOf(request.password).trim());
        return ask({ ...request, password: request.password === null ? null : password });
      }),
      'nearly the right password is the wrong one',
    ],
    [
      'trims names',
      answering((ask) => async (request) => {
        return ask({ ...request, username: request.username?.trim() ?? null });
      }),
      'nearly the right name is another one',
    ],
    [
      'wipes the password',
      answering((ask) => async (request) => {
        const copy = request.password === null ? null : Uint8Array.from(request.password);
        const decision = await ask({ ...request, password: copy });
        request.password?.fill(0);
        return decision;
      }),
      'a request stays as it was',
    ],
    [
      'tells the log the password',
      answering((ask) => async (request) => {
        const decision = await ask(request);
        if (decision === 'next' || decision.reasonCode === 0) return decision;
        return { ...decision, detail: `not ${textOf(request.password)}` } as Decision;
      }),
      'an answer does not hold the password',
    ],
    [
      'tells which names there are',
      answering((ask) => async (request) => {
        const decision = await ask(request);
        if (decision === 'next' || decision.reasonCode === 0) return decision;
        const reasonString = request.username === 'ann' ? 'wrong password' : 'unknown';
        return { ...decision, reasonString } as Decision;
      }),
      'by a refusal nobody learns which names there are',
    ],
    [
      'throws when a client has gone',
      answering((ask) => (request) => {
        if (request.isGone) throw new Error('gone');
        return ask(request);
      }),
      'a client that has gone harms nobody',
    ],
    [
      'offers every method',
      beginning((begin) => (_, request, username) => begin('NUMBER', request, username)),
      'a method that nobody knows is not offered',
    ],
    ['offers none', beginning(() => () => null), 'who knows how to is proven, as who he is'],
    [
      'shares one exchange among all',
      beginning((begin) => {
        let shared: AuthExchange | null = null;
        return (...given) => {
          shared ??= begin(...given);
          return shared;
        };
      }),
      'runs that happen at a time do not mix',
    ],
    [
      'throws at what no client would send',
      beginning((begin) => (...given) => {
        const exchange = begin(...given);
        if (exchange === null) return null;
        return { step: (data) => exchange.step(data?.subarray() ?? (JSON.parse('') as null)) };
      }),
      'whatever else the client sends proves nobody',
    ],
    [
      'throws when it is aborted',
      beginning((begin) => (...given) => {
        const exchange = begin(...given);
        if (exchange === null) return null;
        const abort = (): never => {
          throw new Error('aborted');
        };
        return { step: (data) => exchange.step(data), abort };
      }),
      'an exchange may be aborted at any time',
    ],
    [
      'makes somebody else of a client',
      beginning((begin) => (method, request) => begin(method, request, null)),
      'doing it again keeps the identity, or is refused',
    ],
    [
      'lets nobody stay',
      reviewing(() => () => null),
      'who was let in may stay while nothing changes',
    ],
    [
      'lets nobody stay who was proven',
      reviewing(() => () => null),
      'who was proven may stay while nothing changes',
    ],
    [
      'gives other groups for no reason',
      reviewing((review) => async (client) => {
        const reviewed = await review(client);
        return reviewed && { ...reviewed, groups: ['others'] };
      }),
      'who was let in may stay while nothing changes',
    ],
    [
      'lets everybody stay',
      reviewing(() => (client) => client),
      'who would not be let in any more may not stay',
    ],
    [
      'lets nobody stay after a change',
      reviewing((review) => {
        let reviews = 0;
        return async (client) => (reviews++ > 0 ? null : review(client));
      }),
      'who would not be let in any more may not stay',
    ],
    [
      'makes somebody else of who stays',
      reviewing(() => (client) => ({ ...client, username: 'root' })),
      'hostile clients are reviewed, and stay who they are',
    ],
    [
      'reviews with what is neither a client nor null',
      reviewing(() => () => undefined as never),
      'hostile clients are reviewed, and stay who they are',
    ],
    [
      'throws at hostile names in a review',
      reviewing((review) => (client) => {
        if ((client.username ?? '').includes('\n')) throw new Error('a line break');
        return review(client);
      }),
      'hostile clients are reviewed, and stay who they are',
    ],
    [
      'cannot be closed twice',
      () => {
        const list = new ListAuthenticator(GOOD, true);
        let isClosed = false;
        const close = (): void => {
          if (isClosed) throw new Error('closed already');
          isClosed = true;
        };
        return { authenticate: (request) => list.authenticate(request), close };
      },
      'it can be closed twice, and while it is asked',
    ],
  ])('one that %s fails', async (_, make, title) => {
    const failed = await failures(authenticatorContract, () => authenticatorPlace(make()));
    expect(failed).toContain(title);
  });

  test('a step that has no end fails', async () => {
    const endless: AuthStep = { reasonCode: ReasonCode.ContinueAuthentication, data: null };
    const make = beginning((begin) => (...given) => {
      return begin(...given) === null ? null : { step: () => endless };
    });
    const failed = await failures(authenticatorContract, () => authenticatorPlace(make()));
    expect(failed).toContain('whatever else the client sends proves nobody');
  });

  test('a place that names nobody is no place', async () => {
    const list = () => authenticatorPlace(new ListAuthenticator(GOOD, true));
    const none = () => ({ ...list(), good: [], bad: [], enhanced: undefined });
    const failed = await failures(authenticatorContract, none);
    expect(failed).toContain('a client that is known is let in, as who it is');
    expect(failed).toContain('a client that is not known is not let in');
  });
});

describe('of an authorizer', () => {
  /** The list, with some of it another way. */
  function changed(change: (list: ListAuthorizer) => Partial<Authorizer>): () => Authorizer {
    return () => {
      const list = new ListAuthorizer(true);
      return {
        authorizePublish: (client, topic) => list.authorizePublish(client, topic),
        authorizeSubscribe: (client, filter) => list.authorizeSubscribe(client, filter),
        authorizeReceive: (...given) => list.authorizeReceive(...given),
        explain: (...given) => list.explain(...given),
        ...change(list),
      };
    };
  }

  const whole = { qosMax: 2, isWhole: true } as const;
  const inPart = { qosMax: 2, isWhole: false } as const;
  const { NotAuthorized, Success } = ReasonCode;

  test.each<[string, () => Authorizer, string]>([
    ['allows all', changed(() => ({ authorizePublish: () => 0 })), 'what is not allowed is not'],
    [
      'allows nothing',
      changed(() => ({ authorizePublish: () => NotAuthorized })),
      'what is allowed is allowed',
    ],
    [
      'allows what is retained',
      changed((list) => ({
        authorizePublish: (client, topic, _, retain) =>
          retain ? Success : list.authorizePublish(client, topic),
      })),
      'what is not allowed is not',
    ],
    [
      'answers with what is no verdict',
      changed(() => ({ authorizePublish: () => true as never })),
      'what is allowed is allowed',
    ],
    [
      'remembers by topic alone',
      changed((list) => {
        const known = new Map<string, ReturnType<Authorizer['authorizePublish']>>();
        return {
          authorizePublish(client, topic) {
            const answer = known.get(topic) ?? list.authorizePublish(client, topic);
            known.set(topic, answer);
            return answer;
          },
        };
      }),
      'who was asked about before makes no difference',
    ],
    [
      'mixes questions that come at a time',
      changed((list) => {
        let last: Partial<Client> = {};
        return {
          async authorizePublish(client, topic) {
            last = client;
            await Promise.resolve();
            return list.owns({ username: last.username ?? null }, topic) ? Success : NotAuthorized;
          },
        };
      }),
      'of many questions at a time each gets its own answer',
    ],
    [
      'may be remembered for no time that there is',
      changed(() => ({ rememberMs: Number.NaN })),
      'how long an answer may be remembered is a time',
    ],
    [
      'grants every subscription as a whole',
      changed(() => ({ authorizeSubscribe: () => whole })),
      'what must not be received no subscription delivers',
    ],
    [
      'is asked about deliveries but grants # as a whole',
      changed((list) => ({
        authorizeSubscribe: (client, filter) =>
          filter === '#' ? whole : list.authorizeSubscribe(client, filter),
      })),
      'of a subscription that is granted as a whole all is delivered',
    ],
    [
      'does not look at shared subscriptions',
      changed((list) => ({
        authorizeSubscribe: (client, filter, _, shareName) =>
          shareName === null ? list.authorizeSubscribe(client, filter) : inPart,
      })),
      'a shared subscription is no way around',
    ],
    [
      'shows $SYS to everybody',
      changed((list) => ({
        authorizeSubscribe: (client, filter) =>
          filter.startsWith('$SYS') ? whole : list.authorizeSubscribe(client, filter),
      })),
      '$SYS is for whom a rule names it',
    ],
    [
      'throws at hostile clients',
      changed((list) => ({
        authorizePublish(client, topic) {
          encodeURIComponent(client.username ?? '');
          return list.authorizePublish(client, topic);
        },
      })),
      'hostile clients are answered',
    ],
    [
      'takes a name for a filter',
      changed(() => ({
        authorizePublish: ({ username }, topic) =>
          matchesFilter(topic, `users/${username}/#`) ? Success : NotAuthorized,
      })),
      'whose name is a wildcard does not get the topics of others',
    ],
    [
      'takes a name for a filter of what is delivered',
      changed(() => ({
        authorizeSubscribe: () => inPart,
        authorizeReceive: ({ username }, topic) =>
          matchesFilter(topic, `users/${username}/#`) ? Success : NotAuthorized,
      })),
      'whose name is a wildcard does not get the topics of others',
    ],
    [
      'throws at hostile topics',
      changed((list) => ({
        authorizeSubscribe(client, filter) {
          if (filter.length > 1_024) throw new Error('too long');
          return list.authorizeSubscribe(client, filter);
        },
      })),
      'hostile topics and filters are answered',
    ],
    [
      'answers about deliveries later',
      changed(() => ({ authorizeReceive: (async () => 0) as never })),
      'hostile topics and filters are answered',
    ],
    [
      'needs a user name',
      changed((list) => ({
        authorizePublish: (client, topic) =>
          list.authorizePublish({ ...client, username: (client.username as string).trim() }, topic),
      })),
      'a client without a user name is one, too',
    ],
    [
      'explains something else',
      changed((list) => ({
        explain: async (client, question) => ({
          ...(await list.explain(client, question)),
          outcome: 'undecided',
        }),
      })),
      'explaining says the same as deciding',
    ],
    [
      'explains in a paragraph',
      changed((list) => ({
        explain: async (client, question) => ({
          ...(await list.explain(client, question)),
          reason: 'one\ntwo',
        }),
      })),
      'explaining says the same as deciding',
    ],
    [
      'cannot be closed twice',
      changed(() => {
        let isClosed = false;
        return {
          close() {
            if (isClosed) throw new Error('closed already');
            isClosed = true;
          },
        };
      }),
      'it can be closed twice, and while it is asked',
    ],
  ])('one that %s fails', async (_, make, title) => {
    const failed = await failures(authorizerContract, () => authorizerPlace(make()));
    expect(failed).toContain(title);
  });
});

test('a place is disposed of also when a case fails, after the closing', async () => {
  const done: string[] = [];
  const makePlace = (): AuthenticatorPlace => ({
    ...authenticatorPlace({ authenticate: () => 'next', close: () => void done.push('closed') }),
    dispose: () => void done.push('disposed'),
  });
  await authenticatorContract[0].run(makePlace).catch(() => {});
  expect(done).toEqual(['closed', 'disposed']);
});

test('topics are made of a filter that matches them', () => {
  for (const filter of ['#', '+', '+/+', 'a/#', 'a/+/b', '/', '/#', '+/a/#', 'a']) {
    const topics = topicsMatching(filter);
    expect(topics.length).toBeGreaterThan(0);
    for (const topic of topics)
      expect(matchesFilter(topic, filter), `${filter} ${topic}`).toBe(true);
  }
});
