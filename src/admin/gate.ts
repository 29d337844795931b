// What is looked at of a request before anybody asks who it is: a web page of somebody else's must not reach the API, neither
// through a name of its own that leads here (DNS rebinding: Host) nor from its place (Origin, Sec-Fetch-Site), and a path says one
// thing only. What a route may do hangs on the route that was found, never on the text of the path.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { clip } from '../lib/clip.ts';
import { RequestError } from './request-error.ts';

/** Where a token has no place: URLs are kept in logs and histories. */
const TOKEN_PARAMETERS: ReadonlySet<string> = new Set(['access_token', 'token', 'authorization']);
const HOST = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/;

/** Throws RequestError for a target that is no plain path of ours. */
export function checkTarget(url: string): void {
  if (!url.startsWith('/')) throw invalid('the target of a request is a path: /api/v1/…');
  const end = url.indexOf('?');
  const [path, query] = end < 0 ? [url, ''] : [url.slice(0, end), url.slice(end + 1)];
  if (!/^[\x21-\x7e]*$/.test(url) || /[\\#]|%00/i.test(path)) {
    throw invalid('there is a character in the path that has no place there: write it as %xx');
  }
  for (const part of path.slice(1).split('/')) {
    const name = decoded(part);
    if (name === '.' || name === '..') throw invalid('"." and ".." have no place in a path');
    if (name === '' && path !== '/') throw invalid('there is an empty name in the path');
  }
  for (const parameter of query.split('&')) {
    const [name] = decoded(parameter).split('=', 1);
    if (!TOKEN_PARAMETERS.has(name.toLowerCase())) continue;
    throw invalid(
      'a token is not taken from a URL, which logs keep: send the header "Authorization: Bearer …", and make another token',
    );
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('there is a % in the URL that is not followed by two digits of UTF-8');
  }
}

/** Names by which the listener may be asked, in lower case; addresses may always: no page can make one lead elsewhere. */
export type AllowedHosts = ReadonlySet<string>;

/** Throws RequestError unless the Host is one of ours. RFC 9110 §7.2 */
export function checkHost({ headers, rawHeaders }: IncomingMessage, allowed: AllowedHosts): void {
  const match = HOST.exec(headers.host ?? '');
  const count = rawHeaders.filter((text, i) => i % 2 === 0 && /^host$/i.test(text)).length;
  if (match === null || count !== 1) throw invalid('the request says no Host, or not one');
  const name = match[1].toLowerCase().replace(/\.$/, '');
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0 || allowed.has(name)) return;
  throw new RequestError(
    403,
    'forbidden',
    `${JSON.stringify(clip(name))} is not a name of this server: if it is, add it to allowed_hosts of [admin]`,
  );
}

/** Throws RequestError when a web page of another origin asks. */
export function checkOrigin({ headers }: IncomingMessage): void {
  const { origin, host = '' } = headers;
  const site = headers['sec-fetch-site'];
  const isOurs = origin === undefined || hostOf(origin) === host.toLowerCase();
  if (isOurs && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new RequestError(403, 'forbidden', 'web pages of other origins may not ask this server');
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) && origin !== 'null' ? new URL(origin).host : null;
}

/** The token of a request; null: it shows none. Throws RequestError for what is no Bearer token. RFC 6750 §2.1 */
export function bearerOf({ headers }: IncomingMessage): string | null {
  const { authorization } = headers;
  if (authorization === undefined) return null;
  const match = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*)$/i.exec(authorization);
  if (match === null) throw unauthorized('the header Authorization is not "Bearer …" with a token');
  return match[1];
}

export function unauthorized(message: string): RequestError {
  return new RequestError(401, 'unauthorized', message, {
    'www-authenticate': 'Bearer realm="iothub"',
  });
}

function invalid(message: string): RequestError {
  return new RequestError(400, 'invalid', message);
}
