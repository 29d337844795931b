// Clients that wait for the answer of an endpoint while a reload replaces who asks it: the old one is ended with its questions, and
// they are asked again by the new one. Nobody is refused, lost or let in for that.

import { beforeEach, expect, test } from 'vitest';
import { CONNACK } from '../kit/answers.ts';
import { type Answer, type Asked, HttpEndpointServer } from '../kit/http-endpoint.ts';
import { byName, connectAs, connectAsV3 } from '../kit/rules.ts';
import { until } from '../kit/until.ts';
import type { WireClient } from '../kit/wire.ts';
import { AccessHub } from './access-hub.ts';

const ALLOW: Answer = { json: { result: 'allow' } };
const DENY: Answer = { json: { result: 'deny' } };

let endpoint: HttpEndpointServer;
let hub: AccessHub;

beforeEach(async () => {
  endpoint = await HttpEndpointServer.start();
  hub = new AccessHub();
});

function http(chain: 'authenticators' | 'authorizers', more = ''): string {
  return `[[${chain}]]\ntype = "http"\nurl = "${endpoint.url}"\ncircuit_failures = 2\n${more}\n`;
}

/** The endpoint leaves questions like that open from now on; how many there are. */
function hold(question: string): { readonly count: number } {
  const held = { count: 0 };
  endpoint.respond = ({ body }: Asked) => {
    if (!body.includes(`"question":"${question}"`)) return ALLOW;
    held.count++;
    return new Promise<Answer>(() => {});
  };
  return held;
}

/** What a client gets that has asked for something the endpoint does not answer, once a reload has brought one that does. */
async function afterReload(
  question: string,
  ask: () => Promise<WireClient>,
  answer: Answer,
  ...toml: string[]
): Promise<WireClient> {
  const held = hold(question);
  const client = await ask();
  await until(() => held.count === 1);
  endpoint.respond = ({ body }) => (body.includes(`"question":"${question}"`) ? answer : ALLOW);
  hub.configure(...toml);
  expect(await hub.reloads()).toMatchObject({ ended: 0, muted: 0, problems: [] });
  await until(() => endpoint.asked.filter(({ body }) => body.includes(question)).length >= 2);
  return client;
}

async function opened(connect: string): Promise<WireClient> {
  const client = hub.open();
  await client.send(connect);
  return client;
}

test.each([
  ['let in', ALLOW, 0x00],
  ['refused', DENY, 0x86],
])('a CONNECT is asked about again, and %s', async (_, answer, code) => {
  await hub.start(http('authenticators'));
  const ask = () => opened(connectAs('ann', 'c'));
  const other = http('authenticators', 'cache_max = 5');
  const client = await afterReload('authenticate', ask, answer, other);
  await until(() => client.isClosed || [...hub.server.connectedClients()].length === 1);
  expect((await client.packet())[3]).toBe(code);
});

test.each([
  ['is sent', ALLOW, '40 02 0001', '40 03 0001 10'],
  ['is not', DENY, '40 02 0001', '40 03 0001 87'],
])('a PUBLISH is asked about again, and %s', async (_, answer, v3, v5) => {
  const names = hub.authenticator('names', () => byName);
  await hub.start(names, http('authorizers'));
  const [old, now] = [await opened(connectAsV3('ann', 'a')), await opened(connectAs('bob', 'b'))];
  await old.packets();
  await now.expect(CONNACK);
  const ask = async (): Promise<WireClient> => {
    await old.send("32 05 0001 't' 0001");
    return old;
  };
  const other = http('authorizers', 'cache_max = 5');
  await afterReload('publish', ask, answer, names, other);
  await until(() => hub.server.metrics.publishReceived[1] === 1);
  await old.expect(v3);
  expect(hub.server.stats().dropped.not_authorized).toBe(answer === ALLOW ? 0 : 1);
  await now.send("32 06 0001 't' 0001 00");
  await until(() => endpoint.asked.filter(({ body }) => body.includes('"bob"')).length > 1);
  await now.expect(v5);
});

test('a SUBSCRIBE is asked about again', async () => {
  const names = hub.authenticator('names', () => byName);
  await hub.start(names, http('authorizers'));
  const client = await opened(connectAs('ann', 'a'));
  await client.expect(CONNACK);
  const ask = async (): Promise<WireClient> => {
    await client.send("82 07 0001 00 0001 't' 01");
    return client;
  };
  await afterReload('subscribe', ask, ALLOW, names, http('authorizers', 'cache_max = 5'));
  await client.expect('90 04 0001 00 01');
});
