import { describe, expect, onTestFinished, test } from 'vitest';
import { UNDECIDED } from '../../../src/auth/auth.ts';
import { HttpAuthorizer } from '../../../src/auth/http/authorizer.ts';
import type { HttpOptions } from '../../../src/auth/http/endpoint.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import { certificateOf, clientOf, connectRequest } from '../../kit/connect-request.ts';
import { HttpEndpointServer, type Respond } from '../../kit/http-endpoint.ts';
import { LogBook } from '../../kit/log-book.ts';

async function asking(answer: Respond | object, options: Partial<HttpOptions> = {}) {
  const respond: Respond =
    typeof answer === 'function' ? (answer as Respond) : () => ({ json: answer });
  const endpoint = await HttpEndpointServer.start(respond);
  const clock = new FakeClock();
  const book = new LogBook();
  const authorizer = new HttpAuthorizer({
    ...{ name: 'hook', url: endpoint.url, clock, logger: book },
    ...options,
  });
  onTestFinished(() => authorizer.close());
  return { endpoint, authorizer, clock, book };
}

const CLIENT = clientOf({ clientId: 'dev-7', username: 'ann', groups: ['g', 'h'] });
const WHO = {
  clientId: 'dev-7',
  username: 'ann',
  groups: ['g', 'h'],
  protocolVersion: 5,
  remoteAddress: '127.0.0.1',
};
const { NotAuthorized, ServerBusy, ServerUnavailable, Success } = ReasonCode;

describe('a question', () => {
  test('about a PUBLISH', async () => {
    const { authorizer, endpoint } = await asking({ result: 'allow' });
    expect(await authorizer.authorizePublish(CLIENT, 'a/b', 1, true)).toBe(Success);
    const about = { topic: 'a/b', qos: 1, retain: true };
    expect(endpoint.lastBody).toEqual({ question: 'publish', ...WHO, ...about });
  });

  test('about a SUBSCRIBE', async () => {
    const { authorizer, endpoint } = await asking({ result: 'allow' });
    const whole = { qosMax: 2, isWhole: true };
    expect(await authorizer.authorizeSubscribe(CLIENT, 'a/#', 2, null)).toEqual(whole);
    const about = { topicFilter: 'a/#', qos: 2, shareName: null };
    expect(endpoint.lastBody).toEqual({ question: 'subscribe', ...WHO, ...about });
    await authorizer.authorizeSubscribe(CLIENT, 'a/#', 2, 'group');
    expect(endpoint.lastBody).toMatchObject({ topicFilter: 'a/#', shareName: 'group' });
  });

  test('about a connection', async () => {
    const { authorizer, endpoint } = await asking({ result: 'allow' });
    const request = connectRequest({ certificate: certificateOf({ username: 'x' }) });
    expect(await authorizer.authorizeConnect(CLIENT, request)).toBe(Success);
    expect(endpoint.lastBody).toEqual({
      question: 'connect',
      ...WHO,
      listener: 'mqtt://127.0.0.1:1883',
      transport: 'tcp',
      certificateSubject: 'CN=sensor-1',
      certificateUsername: 'x',
      certificateClientId: null,
    });
  });

  test('by GET has a group each in the query', async () => {
    const { authorizer, endpoint } = await asking({ result: 'allow' }, { method: 'GET' });
    await authorizer.authorizePublish(CLIENT, 'a/b c', 0, false);
    expect(endpoint.asked[0].url).toBe(
      '/auth?question=publish&clientId=dev-7&username=ann&groups=g&groups=h&protocolVersion=5&remoteAddress=127.0.0.1&topic=a%2Fb+c&qos=0&retain=false',
    );
  });

  test('about deliveries is not asked', async () => {
    const { authorizer } = await asking({ result: 'allow' });
    expect('authorizeReceive' in authorizer).toBe(false);
  });
});

describe('an answer', () => {
  test.each([
    ['deny', NotAuthorized],
    ['ignore', UNDECIDED],
    ['perhaps', ServerUnavailable],
  ])('of "%s" is a verdict', async (result, verdict) => {
    const { authorizer } = await asking({ result });
    expect(await authorizer.authorizePublish(CLIENT, 'a', 0, false)).toBe(verdict);
    expect(await authorizer.authorizeSubscribe(CLIENT, 'a', 0, null)).toBe(verdict);
    expect(await authorizer.authorizeConnect(CLIENT, connectRequest())).toBe(verdict);
  });

  test('may lower the QoS of a subscription, and of nothing else', async () => {
    const { authorizer, book } = await asking({ result: 'allow', qosMax: 1 });
    const lowered = { qosMax: 1, isWhole: true };
    expect(await authorizer.authorizeSubscribe(CLIENT, 'a', 2, null)).toEqual(lowered);
    expect(await authorizer.authorizePublish(CLIENT, 'a', 2, false)).toBe(ServerUnavailable);
    expect(book.lines).toMatchObject([{ fields: { problem: expect.stringContaining('unknown') } }]);
    const wrong = await asking({ result: 'allow', qosMax: '1' });
    expect(await wrong.authorizer.authorizeSubscribe(CLIENT, 'a', 2, null)).toBe(ServerUnavailable);
  });

  test('with what goes with a login is none', async () => {
    const { authorizer } = await asking({ result: 'allow', username: 'bob' });
    expect(await authorizer.authorizePublish(CLIENT, 'a', 0, false)).toBe(ServerUnavailable);
  });

  test('that does not come because there are too many questions is "busy"', async () => {
    const { authorizer } = await asking(() => new Promise(() => {}), {
      ...{ concurrency: 1, queueMax: 1 },
    });
    void authorizer.authorizePublish(CLIENT, 'a', 0, false);
    void authorizer.authorizePublish(CLIENT, 'b', 0, false);
    expect(await authorizer.authorizePublish(CLIENT, 'c', 0, false)).toBe(ServerBusy);
    expect(await authorizer.authorizeSubscribe(CLIENT, 'c', 0, null)).toBe(ServerBusy);
  });

  test('is remembered for each question, as long as the server may', async () => {
    const { authorizer, endpoint, clock } = await asking({ result: 'allow' });
    expect(authorizer.rememberMs).toBe(60_000);
    const questions = [
      () => authorizer.authorizePublish(CLIENT, 'a', 0, false),
      () => authorizer.authorizePublish(CLIENT, 'a', 0, true),
      () => authorizer.authorizePublish(CLIENT, 'a', 1, false),
      () => authorizer.authorizePublish(CLIENT, 'b', 0, false),
      () => authorizer.authorizePublish({ ...CLIENT, groups: ['g'] }, 'a', 0, false),
      () => authorizer.authorizePublish({ ...CLIENT, username: null }, 'a', 0, false),
      () => authorizer.authorizeSubscribe(CLIENT, 'a', 0, null),
      () => authorizer.authorizeSubscribe(CLIENT, 'a', 0, 'null'),
    ];
    for (const ask of questions) await ask();
    expect(endpoint.asked).toHaveLength(questions.length);
    for (const ask of questions) expect(ask()).not.toBeInstanceOf(Promise);
    clock.advance(60_000);
    for (const ask of questions) await ask();
    expect(endpoint.asked).toHaveLength(2 * questions.length);
  });
});

describe('an explanation', () => {
  const question = { action: 'publish', topic: 'a', qos: 0, retain: false } as const;

  test.each([
    [{ result: 'allow' }, 'allow', 'the endpoint said "allow"'],
    [{ result: 'allow', reason: 'it is a friend' }, 'allow', 'it is a friend'],
    [{ result: 'deny', reason: 'it is not' }, 'deny', 'it is not'],
    [{ result: 'ignore' }, 'undecided', 'the endpoint said "ignore"'],
    [{ result: 'perhaps' }, 'deny', /its result is not "allow", "deny" or "ignore"$/],
  ])('has the outcome and the reason of the endpoint: %o', async (answer, outcome, reason) => {
    const { authorizer } = await asking(answer);
    for (const action of ['publish', 'subscribe'] as const) {
      expect(await authorizer.explain(CLIENT, { ...question, action })).toEqual({
        ...{ outcome, source: 'hook', rule: null, file: null, line: null },
        reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
      });
    }
  });

  test('says that deliveries are not asked about', async () => {
    const { authorizer, endpoint } = await asking({ result: 'allow' });
    const explained = await authorizer.explain(CLIENT, { ...question, action: 'receive' });
    expect(explained).toMatchObject({ outcome: 'undecided', source: 'hook' });
    expect(endpoint.asked).toHaveLength(0);
  });
});

test('with a file of authorities it is loaded, and what is wrong is an AccessError', async () => {
  const options = { name: 'hook', url: 'https://127.0.0.1/' };
  const missing = HttpAuthorizer.load(options, '/does/not/exist.pem');
  await expect(missing).rejects.toThrow('/does/not/exist.pem: cannot be read: ENOENT');
  const plain = HttpAuthorizer.load({ name: 'hook', url: 'http://auth.example/' });
  await expect(plain).rejects.toMatchObject({ name: 'AccessError' });
  (await HttpAuthorizer.load(options)).close();
});
