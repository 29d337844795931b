// What an embedder's own code throws harms nobody: no uncaught exception, and the server still stops.

import { expect, test } from 'vitest';
import type { Authenticator, Authorizer } from '../../src/auth/auth.ts';
import type { Logger } from '../../src/core/logger.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { settle, startServer } from '../kit/wire.ts';

function broken(): never {
  throw new Error('broken on purpose');
}

test('an authorizer that throws on a will loses that will, counted, and nothing else', async () => {
  let isAsked = false;
  const authorizer: Authorizer = {
    authorizePublish() {
      if (isAsked) return broken();
      isAsked = true; // at CONNECT
      return ReasonCode.Success;
    },
    authorizeSubscribe: () => ReasonCode.Success,
  };
  const broker = await startServer({ authorizer });
  const { server } = broker;
  const client = broker.open();
  await client.send("10 13 0004 'MQTT' 04 06 0000 0001 'a' 0001 't' 0001 'w'"); // Will Flag
  await client.expect('20 02 00 00');
  await client.drop();
  expect(server.stats()).toMatchObject({ connections: 0, sessions: 0 });
  expect(server.stats().dropped.not_authorized).toBe(1);
  await server.stop();
});

test('an authentication that throws when it is aborted still gives its connection back', async () => {
  const authenticator: Authenticator = {
    authenticate: () => ({ reasonCode: ReasonCode.Success, username: null }),
    begin: () => ({
      step: () => ({ reasonCode: ReasonCode.ContinueAuthentication, data: null }),
      abort: broken,
    }),
  };
  const broker = await startServer({ authenticator });
  const client = broker.open();
  await client.send("10 12 0004 'MQTT' 05 02 0000 04 15 0001 'T' 0001 'a'");
  expect(await client.packets()).toHaveLength(1); // AUTH
  await client.drop();
  expect(broker.server.stats().connections).toBe(0);
  await broker.server.stop();
});

test('a logger that throws costs its lines only', async () => {
  const logger: Logger = {
    debug: broken,
    info: broken,
    warn: broken,
    error: broken,
    child: () => logger,
  };
  const broker = await startServer({ logger });
  const client = await broker.v3('a');
  await client.send('c0 00');
  await client.expect('d0 00');
  await client.drop();
  await settle();
  expect(broker.server.stats()).toMatchObject({ connections: 0, sessions: 0 });
  await broker.server.stop();
});
