// What an operator says of an endpoint that is asked over HTTP, with its defaults, and what is wrong with it. Plain http goes
// to this machine only, unless somebody says that it is meant so: passwords would travel where others can read them. Headers
// and the query of the URL may be secret, so neither is ever in a sentence.

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { isIP } from 'node:net';
import { type Logger, SILENT } from '../../core/logger.ts';
import { AddressRanges } from '../../lib/address.ts';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import { AccessError } from '../access-error.ts';

export interface HttpOptions {
  /** Its name in the configuration. */
  readonly name: string;
  readonly url: string;
  /** POST with a JSON body, or GET with a query. Default: POST. */
  readonly method?: 'POST' | 'GET';
  /** They go with every question. Secret. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Certificates in PEM that take the place of the well-known authorities; null: those. */
  readonly ca?: string | null;
  /** Plain http beyond loopback is meant so. Certificates are verified all the same. */
  readonly insecure?: boolean;
  /** Milliseconds that an exchange may take as a whole, and that a question may wait before it. Default: 5,000. */
  readonly timeoutMs?: number;
  /** Exchanges at a time. Default: 32. */
  readonly concurrency?: number;
  /** Questions that may wait. Default: 1,000. */
  readonly queueMax?: number;
  /** How long an answer counts; 0 = none is kept. Default: 60,000. */
  readonly cacheTtlMs?: number;
  /** Answers that are kept. Default: 10,000. */
  readonly cacheMax?: number;
  /** Failures in a row until nothing is asked for a while. Default: 5. */
  readonly circuitFailures?: number;
  /** That while. Default: 10,000. */
  readonly circuitOpenMs?: number;
  /** Bytes of an answer. Default: 65,536. */
  readonly answerBytesMax?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** The same, complete and found to be right. */
export interface HttpEndpoint extends Required<Omit<HttpOptions, 'url'>> {
  readonly url: URL;
  /** The URL without what may be secret in it, for sentences. */
  readonly place: string;
}

/** Headers that this program sets itself, or that say where a message ends. */
const OWN_HEADERS: readonly string[] = [
  'accept',
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

const LOOPBACK = new AddressRanges(['loopback']);

/** Throws AccessError with everything that is wrong. */
export function httpEndpoint(options: HttpOptions): HttpEndpoint {
  const { name, headers = {}, ca = null, insecure = false } = options;
  const url = parseUrl(options.url);
  const problems = [
    ...(url === null ? ['the URL is none: https://host/path is expected'] : urlProblems(url)),
    ...(url?.protocol === 'http:' ? plainProblems(url, ca, insecure) : []),
    ...Object.entries(headers).flatMap(([header, value]) => headerProblems(header, value)),
  ];
  if (url === null || problems.length > 0) {
    throw new AccessError(
      problems.map((problem) => ({ file: null, line: null, message: `${name}: ${problem}` })),
    );
  }
  return {
    method: 'POST',
    timeoutMs: 5_000,
    concurrency: 32,
    queueMax: 1_000,
    cacheTtlMs: 60_000,
    cacheMax: 10_000,
    circuitFailures: 5,
    circuitOpenMs: 10_000,
    answerBytesMax: 65_536,
    clock: SYSTEM_CLOCK,
    logger: SILENT,
    ...definedOf(options),
    headers,
    ca,
    insecure,
    url,
    place: `${url.origin}${url.pathname}`,
  };
}

/** Whether a host of a URL leads to this machine, as far as its text says. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return isIP(host) === 0 ? host === 'localhost' : LOOPBACK.has(host);
}

/** The certificates of a file, in PEM. Throws AccessError. */
export async function readCa(file: string): Promise<string> {
  const fail = (message: string, line: number | null = null): AccessError =>
    new AccessError([{ file, line, message }]);
  let text: string;
  try {
    text = await readFile(file, 'latin1');
  } catch (error) {
    throw fail(`cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  const found = [...text.matchAll(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g)];
  if (found.length === 0) throw fail('there is no certificate in it: PEM is expected');
  for (const { 0: pem, index } of found) {
    try {
      new X509Certificate(pem);
    } catch {
      const line = text.slice(0, index).split('\n').length;
      throw fail('the certificate that begins here cannot be read', line);
    }
  }
  return found.map(([pem]) => pem).join('\n');
}

/** Without what is undefined, which would hide a default. */
function definedOf(options: HttpOptions): HttpOptions {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as HttpOptions;
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function urlProblems({ protocol, username, password, hash }: URL): string[] {
  const problems: string[] = [];
  if (protocol !== 'https:' && protocol !== 'http:') {
    problems.push(`the URL begins with ${protocol}, and only https: and http: are known`);
  }
  if (username !== '' || password !== '') {
    problems.push(
      'the URL holds a user name or a password: take it out, and add the header Authorization',
    );
  }
  if (hash !== '') problems.push('the URL holds a #, which no server ever sees: take it out');
  return problems;
}

function plainProblems({ hostname }: URL, ca: string | null, insecure: boolean): string[] {
  const problems: string[] = [];
  if (ca !== null) problems.push('ca has no meaning with http: use https, or take it out');
  if (!insecure && !isLoopbackHost(hostname)) {
    problems.push(
      `http sends passwords and decisions to ${hostname} for everybody to read and to change: use https, or set insecure = true`,
    );
  }
  return problems;
}

function headerProblems(name: string, value: string): string[] {
  try {
    validateHeaderName(name);
  } catch {
    return [`headers has a name that is none: ${JSON.stringify(name)}`];
  }
  if (OWN_HEADERS.includes(name.toLowerCase())) {
    return [`the header ${name} is set by the server itself: take it out`];
  }
  try {
    validateHeaderValue(name, value);
    return [];
  } catch {
    return [`the header ${name} has a value that no header can carry`]; // which may be secret
  }
}
