// A reload of nothing but the files that the configuration names, as whoever watches them asks for: the configuration itself is
// neither read nor needed.

import { unlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { AUDIENCE, ISSUER, token } from '../auth/jwt/kit.ts';
import { LoginClient } from '../kit/login-client.ts';
import { AccessHub } from './access-hub.ts';

const JWT = `[[authenticators]]\ntype = "jwt"\nissuer = "${ISSUER}"\naudience = ["${AUDIENCE}"]\n`;
const KEY = '[[authenticators.keys]]\nalgorithms = ["HS256"]\n';
const [THEN, NOW] = ['a'.repeat(64), 'b'.repeat(64)];

/** A client with a token of that secret, and what it is told. */
async function enter(hub: AccessHub, secret: string) {
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  const client = new LoginClient(hub.server.connect());
  client.show({ password: await token({ exp }, {}, Buffer.from(secret)) });
  return { client, code: await client.code() };
}

test('a secret of tokens in a file of its own counts as it is now', async () => {
  const hub = new AccessHub();
  hub.write('secret', THEN);
  await hub.start(JWT, KEY, 'secret_file = "secret"\n');
  const { client, code } = await enter(hub, THEN);
  expect(code).toBe(ReasonCode.Success);
  hub.write('secret', NOW);
  hub.configure('edited, and not ready');
  expect(await hub.reload.request('files')).toMatchObject({ ended: 1, problems: [] });
  expect(await client.disconnected()).toBe(ReasonCode.NotAuthorized);
  expect((await enter(hub, NOW)).code).toBe(ReasonCode.Success);
  expect((await enter(hub, THEN)).code).toBe(ReasonCode.BadUserNameOrPassword);
  hub.write('secret', '');
  const { problems } = await hub.reload.request('files');
  expect(problems).toEqual([expect.stringContaining('authenticators[0].keys[0].secret_file')]);
  expect((await enter(hub, NOW)).code).toBe(ReasonCode.Success);
});

test('files count, though the configuration, which holds secrets, is gone for a while', async () => {
  const hub = new AccessHub();
  const client = { clientId: 'c', username: 'a', protocolVersion: 5, remoteAddress: '' } as const;
  const isAllowed = async () => {
    const { authorizer } = hub.access.options;
    return (await authorizer?.authorizePublish(client, 'x', 0, false)) === ReasonCode.Success;
  };
  hub.write('acl', 'user a\ntopic x\n');
  const acl = '[[authorizers]]\ntype = "acl-file"\nfile = "acl"\n';
  await hub.start(JWT, KEY, `secret = "${THEN}"\n`, acl);
  expect(await isAllowed()).toBe(true);
  hub.write('acl', 'user b\ntopic x\n');
  unlinkSync(hub.file);
  expect(await hub.reload.request('files')).toMatchObject({ problems: [] });
  expect(await isAllowed()).toBe(false);
});
