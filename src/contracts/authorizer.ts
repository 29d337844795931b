// The contract that every authorizer must keep, for their authors: `iothub/contracts`. It needs no test runner of its own:
//
//   import { authorizerContract } from 'iothub/contracts';
//   for (const one of authorizerContract) test(one.title, () => one.run(makePlace));
//
// `makePlace` makes an authorizer and says what clients may and what not. A case that a place cannot show rejects with
// `CannotRun`: a runner that can skip from within a test may do that then, so that nobody takes it for passed.

import assert from 'node:assert/strict';
import type { Client } from '../auth/auth.ts';
import { matchesFilter } from '../protocol/filter.ts';
import type { QoS } from '../protocol/packet.ts';
import { type AccessCase, accessCase } from './access-case.ts';
import {
  clientOf,
  HOSTILE_FILTERS,
  HOSTILE_NAMES,
  HOSTILE_TOPICS,
  requestOf,
  topicsMatching,
} from './access-values.ts';
import type { AuthorizerPlace, ClientAction } from './authorizer-place.ts';
import {
  AuthorizerUnderTest,
  outcomeOf,
  questionsOf,
  shownAction,
} from './authorizer-under-test.ts';
import { CannotRun } from './place.ts';

const LEVELS: readonly QoS[] = [0, 1, 2];

function authorizerCase(
  title: string,
  body: (subject: AuthorizerUnderTest, place: AuthorizerPlace) => Promise<void>,
): AccessCase<AuthorizerPlace> {
  const subjectOf = async (place: AuthorizerPlace): Promise<AuthorizerUnderTest> =>
    new AuthorizerUnderTest(await place.authorizer());
  return accessCase(title, subjectOf, body);
}

const verdictCases = [
  authorizerCase('what is allowed is allowed', async (subject, { allowed }) => {
    requires(allowed, ['publish', 'subscribe']);
    for (const action of allowed) await is(subject, action, 'allow');
  }),

  authorizerCase('what is not allowed is not', async (subject, { denied }) => {
    requires(denied, ['publish', 'receive']);
    for (const action of denied) await is(subject, action, 'refuse');
  }),

  authorizerCase('who was asked about before makes no difference', async (subject, place) => {
    for (let round = 0; round < 3; round++) {
      for (const action of place.allowed) {
        for (const other of place.denied) await is(subject, other, 'refuse');
        await is(subject, action, 'allow');
      }
    }
  }),

  authorizerCase('of many questions at a time each gets its own answer', async (subject, place) => {
    const questions = [...place.allowed, ...place.denied, ...place.allowed, ...place.denied];
    const outcomes = await Promise.all(questions.map((action) => subject.outcome(action)));
    outcomes.forEach((outcome, i) => {
      const isAllowed = place.allowed.includes(questions[i]);
      assert.equal(outcome, isAllowed ? 'allow' : 'refuse', shownAction(questions[i]));
    });
  }),

  authorizerCase('how long an answer may be remembered is a time', async ({ authorizer }) => {
    const { rememberMs = 0 } = authorizer;
    assert.ok(typeof rememberMs === 'number' && rememberMs >= 0, `it is ${rememberMs}`);
  }),
];

const deliveryCases = [
  authorizerCase('what must not be received no subscription delivers', async (subject, place) => {
    for (const { client, action, topic } of place.denied) {
      if (action !== 'receive') continue;
      for (const filter of filtersAround(topic)) {
        for (const shareName of [null, 'group']) {
          const isDelivered = await subject.delivers(clientOf(client), filter, topic, shareName);
          const how = shareName === null ? filter : `$share/${shareName}/${filter}`;
          const who = JSON.stringify(client);
          assert.ok(!isDelivered, `${topic} is delivered to ${who} by ${how.slice(0, 80)}`);
        }
      }
    }
  }),

  authorizerCase(
    'of a subscription that is granted as a whole all is delivered',
    async (subject, place) => {
      if (!subject.asksAboutDeliveries) throw new CannotRun('it is not asked about deliveries');
      if (place.grantsForOthers === true) throw new CannotRun('it grants for others');
      for (const client of clientsOf(place)) {
        for (const filter of [...filtersOf(place), '#', '+', '+/+', '/#']) {
          const verdict = await subject.subscribe(client, filter);
          if (typeof verdict !== 'object' || !verdict.isWhole) continue;
          for (const topic of topicsMatching(filter)) {
            const outcome = outcomeOf(subject.receive(client, topic));
            assert.equal(outcome, 'allow', `${topic} of the whole of ${filter}`);
          }
        }
      }
    },
  ),

  authorizerCase('a shared subscription is no way around', async (subject, { denied }) => {
    for (const { client, action, topic } of denied) {
      if (action !== 'subscribe') continue;
      const verdict = await subject.subscribe(clientOf(client), topic, 0, 'group');
      assert.notEqual(outcomeOf(verdict), 'allow', `$share/group/${topic}`);
    }
  }),

  authorizerCase('$SYS is for whom a rule names it', async (subject, place) => {
    if (place.allowed.some(({ topic }) => topic.startsWith('$'))) {
      throw new CannotRun('somebody may see it here');
    }
    const topic = '$SYS/broker/uptime';
    for (const client of clientsOf(place)) {
      assert.notEqual(outcomeOf(await subject.publish(client, topic, 0, false)), 'allow');
      for (const filter of [topic, '$SYS/#', '$SYS/broker/+']) {
        assert.ok(!(await subject.delivers(client, filter, topic)), `${filter} delivers it`);
      }
    }
  }),
];

const hostileCases = [
  authorizerCase('hostile clients are answered', async (subject, place) => {
    for (const name of HOSTILE_NAMES) {
      const client = clientOf({ clientId: name, username: name, groups: [name] });
      await subject.connect(client, requestOf({ clientId: name, username: name }));
      for (const { topic, action } of place.denied) {
        for (const question of questionsOf({ client, topic, action })) {
          await subject.judge(client, question);
        }
      }
      await askAll(subject, client, ['contract/x'], ['contract/#']);
    }
  }),

  authorizerCase(
    'whose name is a wildcard does not get the topics of others',
    async (subject, place) => {
      const { topicOfUser } = place;
      if (topicOfUser === undefined) throw new CannotRun('no rule has a name in it');
      const topic = topicOfUser('ann');
      for (const username of [
        '+',
        '#',
        '',
        '/',
        'ann/',
        '/ann',
        'ann\0',
        'an+',
        '+/+',
        '%u',
        '*',
      ]) {
        const client = clientOf({ clientId: 'other', username });
        const verdict = await subject.publish(client, topic, 0, false);
        const who = JSON.stringify(username);
        assert.notEqual(outcomeOf(verdict), 'allow', `${who} may publish to ${topic}`);
        for (const filter of filtersAround(topic).concat(topicOfUser(username))) {
          if (!matchesFilter(topic, filter)) continue;
          const isDelivered = await subject.delivers(client, filter, topic);
          assert.ok(!isDelivered, `${topic} is delivered to ${who} by ${filter}`);
        }
      }
    },
  ),

  authorizerCase('hostile topics and filters are answered', async (subject, place) => {
    for (const client of clientsOf(place)) {
      await askAll(subject, client, HOSTILE_TOPICS, HOSTILE_FILTERS);
    }
  }),

  authorizerCase('a client without a user name is one, too', async (subject, place) => {
    const client = clientOf({ username: null });
    await subject.connect(client, requestOf({}));
    const topics = [...place.allowed, ...place.denied].map(({ topic }) => topic);
    await askAll(subject, client, topics, topics);
  }),
];

const explainCases = [
  authorizerCase('explaining says the same as deciding', async (subject, place) => {
    if (subject.authorizer.explain === undefined) throw new CannotRun('it does not explain');
    for (const action of [...place.allowed, ...place.denied]) {
      const client = clientOf(action.client);
      for (const question of questionsOf(action)) {
        const explained = await subject.explain(client, question);
        assert.ok(explained !== null && explained.source !== '' && explained.reason !== '');
        assert.ok(!explained.reason.includes('\n'), 'a reason is one line');
        const isDelivery = action.action === 'receive';
        if (isDelivery && !subject.asksAboutDeliveries) continue;
        const outcome = isDelivery
          ? outcomeOf(subject.receive(client, question.topic))
          : await subject.judge(client, question);
        assert.equal(explained.outcome, outcome, shownAction(action));
      }
    }
  }),
];

const endCases = [
  authorizerCase('it can be closed twice, and while it is asked', async (subject, place) => {
    const asked = [...place.allowed, ...place.denied].map((action) => subject.outcome(action));
    await Promise.all([subject.close(), subject.close()]);
    await subject.close();
    await Promise.allSettled(asked); // answers or errors, but an end
  }),
];

export const authorizerContract: readonly AccessCase<AuthorizerPlace>[] = [
  ...verdictCases,
  ...deliveryCases,
  ...hostileCases,
  ...explainCases,
  ...endCases,
];

function requires(
  actions: readonly ClientAction[],
  kinds: readonly ClientAction['action'][],
): void {
  for (const kind of kinds) {
    const isThere = actions.some(({ action }) => action === kind);
    assert.ok(isThere, `the place names no ${kind} here: at least one is needed`);
  }
}

async function is(
  subject: AuthorizerUnderTest,
  action: ClientAction,
  expected: 'allow' | 'refuse',
): Promise<void> {
  assert.equal(await subject.outcome(action), expected, shownAction(action));
}

/** Every kind of question; what counts is that all are answered, in their shape. */
async function askAll(
  subject: AuthorizerUnderTest,
  client: Client,
  topics: readonly string[],
  filters: readonly string[],
): Promise<void> {
  for (const topic of topics) {
    for (const qos of LEVELS) await subject.publish(client, topic, qos, qos === 1);
    subject.receive(client, topic);
    await subject.explain(client, { action: 'publish', topic, qos: 0, retain: false });
    await subject.explain(client, { action: 'receive', topic, qos: 0, retain: false });
  }
  for (const filter of filters) {
    for (const qos of LEVELS) await subject.subscribe(client, filter, qos);
    await subject.subscribe(client, filter, 0, 'group');
    await subject.explain(client, { action: 'subscribe', topic: filter, qos: 0, retain: false });
  }
}

/** Each once. */
function clientsOf({ allowed, denied }: AuthorizerPlace): Client[] {
  const clients = new Map(
    [...allowed, ...denied].map(({ client }) => [JSON.stringify(client), clientOf(client)]),
  );
  return [...clients.values()];
}

function filtersOf({ allowed, denied }: AuthorizerPlace): string[] {
  return [...allowed, ...denied].map(({ topic }) => topic);
}

/** The topic itself, and filters that match it: wider and wider. */
function filtersAround(topic: string): string[] {
  const levels = topic.split('/');
  const wider = levels.map((_, i) => [...levels.slice(0, i), '#'].join('/'));
  const single = levels.map((_, i) => levels.map((level, j) => (i === j ? '+' : level)).join('/'));
  const every = levels.map(() => '+').join('/');
  return [topic, `${topic}/#`, ...single, every, ...wider].filter((filter) =>
    matchesFilter(topic, filter),
  );
}
