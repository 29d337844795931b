// One request to a collector, and what its answer means by OTLP: which failures are passing and which are not, how long it wants
// to be left alone, what it did not take of a request that it took. Redirects are not followed: headers may be secret.

import type { Clock } from '../../lib/clock.ts';
import type { TracingOptions } from './options.ts';

export type CollectorAnswer =
  | {
      readonly kind: 'taken';
      /** So many of the spans it did not take; what it has to say, '' for nothing. */
      readonly rejected: number;
      readonly message: string;
    }
  /** `afterMs`: it says when; null: it does not. */
  | { readonly kind: 'later'; readonly problem: string; readonly afterMs: number | null }
  | { readonly kind: 'refused'; readonly problem: string };

/** The answers after which the same may be sent again. */
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Bytes of an answer that are read. */
const ANSWER_MAX = 65_536;
/** Characters of what a collector says that are shown. */
const MESSAGE_MAX = 300;

/** What goes with every request. Throws TypeError for what no header can be. */
export function requestHeaders(headers: TracingOptions['headers']): Headers {
  const all = new Headers(headers);
  all.set('content-type', 'application/json');
  all.set('accept', 'application/json');
  return all;
}

/** Never rejects. `abort` ends it, and is what ends it when the time is over; whoever else does ends tracing. */
export async function post(
  { endpoint, timeoutMs }: Pick<TracingOptions, 'endpoint' | 'timeoutMs'>,
  headers: Headers,
  body: string,
  abort: AbortController,
  clock: Clock,
): Promise<CollectorAnswer> {
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, timeoutMs);
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: abort.signal,
    });
    const { status } = response;
    if (status >= 200 && status < 300) return takenOf(await textOf(response));
    await response.body?.cancel();
    const problem = `it answers with status ${status}`;
    if (!PASSING.has(status)) return { kind: 'refused', problem };
    const afterMs = retryAfterMs(response.headers.get('retry-after'), clock.wallNow());
    return { kind: 'later', problem, afterMs };
  } catch (error) {
    const cut = isLate ? `no answer within ${timeoutMs} ms` : 'no answer by the end of tracing';
    return { kind: 'later', problem: abort.signal.aborted ? cut : problemOf(error), afterMs: null };
  } finally {
    clearTimeout(deadline);
  }
}

/** Seconds, or a date; null for what is neither. */
function retryAfterMs(text: string | null, wallNowMs: number): number | null {
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const dateMs = Date.parse(text);
  return Number.isNaN(dateMs) ? null : Math.max(0, dateMs - wallNowMs);
}

/** Its first bytes: nobody makes the server keep more. '' for one that breaks off, or does not end in time. Never rejects. */
async function textOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  try {
    while (text.length < ANSWER_MAX) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value, { stream: true });
    }
    await reader.cancel();
  } catch {
    // Its status has come: sent again, the spans would be there twice.
  }
  return '';
}

/** Whatever a collector says with its 200, it has the spans: what cannot be read says nothing. */
function takenOf(text: string): CollectorAnswer {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    said = null;
  }
  const part = fieldOf(said, 'partialSuccess');
  const rejected = Number(fieldOf(part, 'rejectedSpans') ?? 0); // a 64-bit integer: a text, or a number
  const message = fieldOf(part, 'errorMessage');
  return {
    kind: 'taken',
    rejected: Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0,
    message: typeof message === 'string' ? message.slice(0, MESSAGE_MAX) : '',
  };
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** The text of an error may hold a header. */
function problemOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : null;
  return `no answer: ${cause?.code ?? 'the request failed'}`;
}
