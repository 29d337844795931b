// One question to an endpoint and its answer: bounded in time as a whole, and in bytes. Redirects are answers like any other.
// Whatever is not a complete answer ends with the connection it came by, so that nothing of it can be taken for the next one.

import http from 'node:http';
import https from 'node:https';
import type { HttpEndpoint } from './endpoint.ts';

/** What goes out, complete. */
export interface HttpQuestion {
  readonly url: URL;
  /** null: none, as with GET. */
  readonly body: string | null;
}

export type HttpAnswer =
  | { readonly status: number; readonly body: Uint8Array }
  /** No complete answer: a sentence without anything secret. */
  | { readonly problem: string };

const BROKEN_OFF = 'the answer broke off';

/** Never rejects. `signal` ends it early. */
export async function exchange(
  endpoint: HttpEndpoint,
  agent: http.Agent,
  question: HttpQuestion,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { clock, timeoutMs } = endpoint;
  const controller = new AbortController();
  const end = (problem: string): void => controller.abort(problem);
  const onAbort = (): void => end('the server stops asking');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const timer = clock.every(timeoutMs, () => end(`no complete answer within ${timeoutMs} ms`));
  try {
    for (;;) {
      const answer = await attempt(endpoint, agent, question, controller.signal);
      if (answer !== 'stale') return answer;
    }
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

/** `stale`: the connection was an old one that the endpoint had closed meanwhile; another is to be tried. */
function attempt(
  endpoint: HttpEndpoint,
  agent: http.Agent,
  { url, body }: HttpQuestion,
  signal: AbortSignal,
): Promise<HttpAnswer | 'stale'> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve({ problem: signal.reason });
      return;
    }
    const { request: send } = url.protocol === 'https:' ? https : http;
    const request = send(url, {
      agent,
      method: endpoint.method,
      headers: headersOf(endpoint, body),
    });
    let hasAnswered = false;
    let isDone = false;
    const finish = (answer: HttpAnswer | 'stale'): void => {
      if (isDone) return;
      isDone = true;
      signal.removeEventListener('abort', onAbort);
      if (answer === 'stale' || 'problem' in answer) request.destroy();
      resolve(answer);
    };
    const onAbort = (): void => finish({ problem: signal.reason });
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('error', (error: NodeJS.ErrnoException) => {
      const { code = 'the connection failed' } = error;
      const isClosed = code === 'ECONNRESET' || code === 'EPIPE';
      const isStale = isClosed && request.reusedSocket && !hasAnswered;
      finish(isStale ? 'stale' : { problem: code });
    });
    request.on('response', (response) => {
      hasAnswered = true;
      readBody(response, endpoint.answerBytesMax, finish);
    });
    // Last of all, and after an upgrade that nobody asked for the only one.
    request.on('close', () =>
      finish({ problem: hasAnswered ? BROKEN_OFF : 'the connection ended without an answer' }),
    );
    request.end(body ?? undefined);
  });
}

function readBody(
  response: http.IncomingMessage,
  bytesMax: number,
  finish: (answer: HttpAnswer) => void,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > bytesMax) finish({ problem: `the answer has more than ${bytesMax} bytes` });
    else chunks.push(chunk);
  });
  response.on('error', () => finish({ problem: BROKEN_OFF }));
  response.on('end', () => {
    if (!response.complete) finish({ problem: BROKEN_OFF });
    else finish({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) });
  });
}

function headersOf({ headers }: HttpEndpoint, body: string | null): http.OutgoingHttpHeaders {
  return {
    'User-Agent': 'iothub',
    ...headers,
    Accept: 'application/json',
    'Cache-Control': 'no-store',
    ...(body === null
      ? {}
      : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
  };
}
