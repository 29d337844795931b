// What tests of tokens need: tokens of any kind, signed or forged; an authenticator for them; an endpoint that serves keys, or
// does what no endpoint should.

import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, type JWK, SignJWT } from 'jose';
import { expect, onTestFinished } from 'vitest';
import type { Accepted, ConnectRequest, Decision, Refused } from '../../../src/auth/auth.ts';
import {
  JwtAuthenticator,
  type JwtAuthenticatorOptions,
} from '../../../src/auth/jwt/authenticator.ts';
import { type JwtKeys, loadJwtKeys } from '../../../src/auth/jwt/keys.ts';
import type { JwtKeyOptions, LoadJwtKeysOptions } from '../../../src/auth/jwt/load-keys.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { connectRequest } from '../../kit/connect-request.ts';

export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'mqtt';
/** Seconds since 1970 at the start of a fake clock. */
export const NOW = 1_700_000_000;
/** For HS256. */
export const SECRET = Buffer.from('a-secret-of-thirty-two-bytes-long');

/** Claims that are accepted. */
export const CLAIMS = { iss: ISSUER, aud: AUDIENCE, sub: 'u', exp: NOW + 3_600 } as const;

export const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 });
export const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });

export function pemOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

export async function jwkOf(key: KeyObject, members: Partial<JWK> = {}): Promise<JWK> {
  return { ...(await exportJWK(key)), ...members };
}

/** A token with these claims beside, or instead of, those that are accepted; undefined takes one out. */
export async function token(
  claims: Readonly<Record<string, unknown>> = {},
  header: { readonly alg?: string; readonly kid?: string } = {},
  key: KeyObject | Uint8Array = SECRET,
): Promise<string> {
  return await new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(key);
}

export function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** A token of these very texts, with the right signature. */
export function rawToken(
  header: string,
  payload: string | Buffer,
  secret: Uint8Array = SECRET,
): string {
  const input = `${encode(header)}.${Buffer.from(payload).toString('base64url')}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** The same with an RSA key (RS256). */
export function rawRsaToken(header: string, payload: string, key: KeyObject): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

export function request(parts: Partial<ConnectRequest> = {}): ConnectRequest {
  return connectRequest({ keepAlive: 0, remotePort: 4711, ...parts });
}

export interface Setup {
  readonly clock?: FakeClock;
  readonly load?: Partial<LoadJwtKeysOptions>;
  readonly former?: JwtKeys;
}

/** An authenticator with these keys; by default the secret. It is closed when the test ends. */
export async function authenticator(
  options: Partial<JwtAuthenticatorOptions> = {},
  keys: readonly JwtKeyOptions[] = [{ algorithms: ['HS256'], secret: SECRET }],
  { clock = new FakeClock(), load = {}, former }: Setup = {},
): Promise<JwtAuthenticator> {
  const loaded = await loadJwtKeys({ name: 'jwt', keys, clock, ...load }, former);
  const made = new JwtAuthenticator({
    name: 'jwt',
    keys: loaded,
    clock,
    issuer: ISSUER,
    audience: [AUDIENCE],
    ...options,
  });
  onTestFinished(() => made.close());
  return made;
}

/** What becomes of a client with this token in its password. */
export async function login(
  made: JwtAuthenticator,
  text: string,
  parts: Partial<ConnectRequest> = {},
): Promise<Decision> {
  return await made.authenticate(request({ password: Buffer.from(text), ...parts }));
}

export async function expectAccepted(
  made: JwtAuthenticator,
  text: string,
  parts: Partial<ConnectRequest> = {},
): Promise<Accepted> {
  const decision = await login(made, text, parts);
  expect(decision).toMatchObject({ reasonCode: 0 });
  return decision as Accepted;
}

/** It is refused with this code, for this reason, and nobody is shown the token. */
export async function expectRefused(
  made: JwtAuthenticator,
  text: string,
  reasonCode: number,
  detail: string | RegExp,
  parts: Partial<ConnectRequest> = {},
): Promise<Refused> {
  const decision = await login(made, text, parts);
  expect(decision).toMatchObject({ reasonCode });
  const refused = decision as Refused;
  expect(refused.detail).toMatch(detail);
  expect(JSON.stringify(refused).length).toBeLessThan(600);
  for (const part of text.split('.').filter(({ length }) => length > 8)) {
    expect(JSON.stringify(refused)).not.toContain(part);
  }
  return refused;
}

type Handler = (response: http.ServerResponse, request: http.IncomingMessage) => void;

/** An endpoint on loopback that does as it is told. */
export class KeyEndpoint {
  readonly url: string;
  handler: Handler;
  /** Requests that came. */
  requests = 0;

  private constructor(port: number, handler: Handler) {
    this.url = `http://127.0.0.1:${port}/keys`;
    this.handler = handler;
  }

  static async start(handler: Handler): Promise<KeyEndpoint> {
    const server = http.createServer((request, response) => {
      endpoint.requests++;
      endpoint.handler(response, request);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const endpoint = new KeyEndpoint((server.address() as AddressInfo).port, handler);
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return endpoint;
  }
}

export function serving(...keys: JWK[]): Handler {
  return answering(JSON.stringify({ keys }));
}

export function answering(
  body: string,
  status = 200,
  headers: Record<string, string> = {},
): Handler {
  return (response) => void response.writeHead(status, headers).end(body);
}
