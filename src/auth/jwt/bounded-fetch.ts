// Gets a small document from an address that may be slow, wrong or hostile: in bounded time and size, from that address and no
// other one. Plain http only reaches this machine, since whoever can change an answer on the way could put in a key.

import { AddressRanges } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';

const LOOPBACK = new AddressRanges(['loopback']);

export interface FetchLimits {
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

/** What is wrong with an address to get keys from and what would be right, or the address. */
export function parseKeyUrl(text: string): URL | string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return `${JSON.stringify(text)} is no URL: expected https://host/path`;
  }
  if (url.username !== '' || url.password !== '') {
    return 'the URL has a user name or password in it, which is not sent: take it out';
  }
  if (url.protocol === 'https:') return url;
  const where = displayUrl(url);
  if (url.protocol !== 'http:') return `${where} is no https: expected https://host/path`;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost' || LOOPBACK.has(host)) return url;
  return `${where} is plain http, where anybody on the way can put in a key: use https (http only reaches this machine: localhost, 127.0.0.1, [::1])`;
}

/** Without the query, which may hold something secret. */
export function displayUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** Throws an Error that says why there is nothing. `signal` ends it early. */
export async function fetchBounded(
  url: URL,
  limits: FetchLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const late = new AbortController();
  const timer = clock.every(limits.timeoutMs, () => late.abort());
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.any([signal, late.signal]),
      headers: { accept: 'application/jwk-set+json, application/json' },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      const isRedirect = response.status >= 300 && response.status < 400;
      const advice = isRedirect ? '; redirects are not followed: name the address itself' : '';
      throw new Error(`it answered with the status ${response.status}${advice}`);
    }
    return await readBody(response, limits.bytesMax);
  } catch (error) {
    if (late.signal.aborted) throw new Error(`it did not answer within ${limits.timeoutMs} ms`);
    throw new Error(sentenceOf(error));
  } finally {
    timer.cancel();
  }
}

async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw new Error(`its answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `fetch` hides what happened in the cause of its error. */
function sentenceOf(error: unknown): string {
  const { message, cause } = error as Error;
  if (!(cause instanceof Error)) return message;
  const { code } = cause as NodeJS.ErrnoException;
  return `it cannot be reached: ${cause.message === '' ? (code ?? message) : cause.message}`;
}
