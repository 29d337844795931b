// The alarm about keys of tokens that cannot be fetched: up while it is true of what is in force, and of nothing else.

import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { HttpEndpointServer } from '../kit/http-endpoint.ts';
import { AccessHub } from './access-hub.ts';

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEYS = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256' }] };

let issuer: HttpEndpointServer;
let isUp: boolean;
let hub: AccessHub;

beforeEach(async () => {
  isUp = false;
  issuer = await HttpEndpointServer.start(() => (isUp ? { json: KEYS } : { status: 500 }));
  hub = new AccessHub();
});

function jwt(name: string, ...paths: string[]): string {
  const head = `[[authenticators]]\nname = "${name}"\ntype = "jwt"\nissuer = "i"\naudience = ["a"]\n`;
  const keys = paths.map(
    (path) =>
      `[[authenticators.keys]]\nalgorithms = ["ES256"]\nurl = "http://127.0.0.1:${issuer.port}${path}"\n`,
  );
  return head + keys.join('');
}

function alarms(): string[] {
  return hub.server.alarms.active.map(({ name }) => name);
}

test('goes up at start, and is over by a reload that gets them', async () => {
  await hub.start(jwt('people', '/keys'));
  expect(alarms()).toEqual(['jwt_keys:people']);
  await hub.reloads();
  expect(alarms()).toEqual(['jwt_keys:people']);
  isUp = true;
  await hub.reloads();
  expect(alarms()).toEqual([]);
  isUp = false;
  await hub.reloads();
  expect(alarms()).toEqual(['jwt_keys:people']);
});

test('is over when nobody is asked for such tokens any more', async () => {
  await hub.start(jwt('people', '/keys'), jwt('others', '/others'));
  expect(alarms().sort()).toEqual(['jwt_keys:others', 'jwt_keys:people']);
  hub.configure(jwt('people', '/keys'));
  await hub.reloads();
  expect(alarms()).toEqual(['jwt_keys:people']);
});

test('does not go up for a configuration that is only tried, or refused', async () => {
  isUp = true;
  await hub.start(jwt('people', '/keys'));
  isUp = false;
  hub.configure(jwt('people', '/keys'), jwt('others', '/others'));
  await hub.reloads({ dryRun: true });
  hub.configure(jwt('people', '/keys'), '[[authorizers]]\ntype = "acl-file"\nfile = "nowhere"\n');
  await hub.reloads();
  expect(alarms()).toEqual(['reload_failed']);
});

test('stays up while the keys of one address of several are missing', async () => {
  issuer.respond = ({ url }) => (url === '/good' || isUp ? { json: KEYS } : { status: 500 });
  await hub.start(jwt('people', '/good', '/bad'));
  expect(alarms()).toEqual(['jwt_keys:people']);
  hub.configure(jwt('people', '/bad', '/good'));
  await hub.reloads();
  expect(alarms()).toEqual(['jwt_keys:people']);
});
