// What an operator reads of clients that may not do something: who, what, and the rule that decided, in which file and line.

import { expect, test } from 'vitest';
import type { AccessRule } from '../../src/auth/acl/access-rule.ts';
import { RulesAuthorizer } from '../../src/auth/acl/rules.ts';
import type { Authorizer } from '../../src/auth/auth.ts';
import { CONNACK, expectRefused } from '../kit/answers.ts';
import { LogBook } from '../kit/log-book.ts';
import { byName, connectAs } from '../kit/rules.ts';
import { startServer } from '../kit/wire.ts';

const RULES: readonly AccessRule[] = [
  { effect: 'deny', actions: ['connect'], clientIds: ['evil'] },
  { effect: 'allow', actions: ['connect'], users: ['ann'] },
  { effect: 'deny', actions: ['publish', 'subscribe'], topics: ['secret/#'] },
  { effect: 'allow', actions: ['publish', 'subscribe'], topics: ['#'] },
];

async function start(authorizer: Authorizer = rules()) {
  const logger = new LogBook();
  const broker = await startServer({ authenticator: byName, authorizer, logger });
  const denials = () =>
    logger.lines.filter(({ message }) => message.startsWith('a client may not '));
  return { broker, denials };
}

function rules(): Authorizer {
  const placed = RULES.map((rule, i) => ({ ...rule, file: 'iothub.toml', line: 10 * (i + 1) }));
  return new RulesAuthorizer({ name: 'rules', rules: placed });
}

test('a PUBLISH and a SUBSCRIBE that a rule denies', async () => {
  const { broker, denials } = await start();
  const client = await broker.connect(connectAs('ann', 'c'), CONNACK);
  await client.send("32 0d 0008 'secret/a' 0001 00"); // PUBLISH, QoS 1
  await client.expect('40 03 0001 87');
  await client.send("82 0e 0002 00 0008 'secret/+' 00"); // SUBSCRIBE
  await client.expect('90 04 0002 00 87');
  const rule = 'effect = "deny", actions = ["publish","subscribe"], topics = ["secret/#"]';
  const who = { clientId: 'c', username: 'ann', by: 'rules', rule, at: 'iothub.toml:30' };
  expect(denials()).toEqual([
    {
      level: 'info',
      message: 'a client may not publish this',
      fields: { ...who, topic: 'secret/a', why: 'the first rule that fits denies it' },
    },
    {
      level: 'info',
      message: 'a client may not subscribe to this',
      fields: { ...who, topic: 'secret/+', why: 'it denies all that matches the filter' },
    },
  ]);
});

test('a CONNECT, with the rule that denies it or the word that there is none', async () => {
  const { broker, denials } = await start();
  for (const [username, clientId] of [
    ['ann', 'evil'],
    ['bob', 'c'],
  ]) {
    const client = broker.open();
    await client.send(connectAs(username, clientId));
    await expectRefused(client, 0x87);
  }
  const message = 'a client may not connect';
  expect(denials()).toMatchObject([
    { message, fields: { clientId: 'evil', username: 'ann', by: 'rules', at: 'iothub.toml:10' } },
    { message, fields: { clientId: 'c', username: 'bob', by: 'rules', rule: null, at: null } },
  ]);
  expect(denials()[1].fields.why).toBe('no rule for connect fits user "bob" with client id "c"');
});

test('the will of a CONNECT', async () => {
  const { broker, denials } = await start();
  const client = broker.open();
  // CONNECT with a will and a user name; the payload of the will is empty
  await client.send("10 20 0004 'MQTT' 05 86 0000 00 0001 'c' 00 0008 'secret/w' 0000 0003 'ann'");
  await expectRefused(client, 0x87);
  expect(denials()).toMatchObject([
    {
      message: 'a client may not publish this',
      fields: { clientId: 'c', username: 'ann', topic: 'secret/w', at: 'iothub.toml:30' },
    },
  ]);
});

test('who does not say why is no harm', async () => {
  const broken: Authorizer = {
    authorizeConnect: () => 0x87,
    authorizePublish: () => 0x87,
    authorizeSubscribe: () => 0x87,
    explainConnect: () => {
      throw new Error('explain that');
    },
  };
  const { broker, denials } = await start(broken);
  const client = broker.open();
  await client.send(connectAs('ann', 'c'));
  await expectRefused(client, 0x87);
  expect(denials()).toMatchObject([{ fields: { clientId: 'c', username: 'ann' } }]);
});
