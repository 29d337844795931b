// The control socket of the data folder: a server opens it, commands talk to it. Whoever finds none there, or nobody who
// answers, finds no running server.

import { rm } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import type { Logger } from '../core/logger.ts';
import { ControlError, type ControlProblem, type ServerControl } from '../server/contract.ts';
import { withShortPath } from '../storage/store-folder/socket-path.ts';
import { withMode } from '../transport/socket-file.ts';
import { readVersion } from './version.ts';

const CONTROL_NAME = 'control.sock';

const TIMEOUT_MS = 60_000;
const ANSWER_BYTES_MAX = 268_435_456;
const LATE = 's were not enough; what was asked for may be done later';

/** Of a folder that this process has the lock of: what lies there was left by a server that is dead. Returns how to end it. */
export async function openControlSocket(
  folder: string,
  control: ServerControl,
  logger: Logger,
): Promise<() => Promise<void>> {
  const file = path.join(folder, CONTROL_NAME);
  await rm(file, { force: true });
  // Only now: commands that ask through the socket need no web server.
  const { ControlSocket } = await import('../admin/control-socket.ts');
  const socket = await ControlSocket.open({
    control,
    logger,
    version: readVersion(),
    bind: (listen) =>
      withShortPath(folder, async (short) =>
        withMode({ path: file, mode: 0o600 }, () => listen(path.join(short, CONTROL_NAME))),
      ),
  });
  return async () => {
    await rm(file, { force: true });
    await socket.close();
  };
}

/** No server runs on this data folder. */
export class NoServer extends Error {
  override readonly name = 'NoServer';

  constructor(folder: string) {
    super(`no server runs on the data folder ${folder}: start it, or name its folder with --data`);
  }
}

/**
 * Asks the server on this data folder; the answer is what its JSON says, undefined when there is none. Rejects with NoServer, or
 * with ControlError when the server says that it cannot be done.
 */
export async function askServer(
  folder: string,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  route: string,
  body?: unknown,
): Promise<unknown> {
  const text = body === undefined ? null : JSON.stringify(body);
  const { status, answer } = await withShortPath(folder, (short) =>
    exchange({ socketPath: path.join(short, CONTROL_NAME), method, route, text }),
  ).catch((error: NodeJS.ErrnoException) => {
    throw failureOf(error, folder);
  });
  const said = parsed(answer);
  if (status < 300 && said !== NONSENSE) return said;
  return throwSaid(folder, said);
}

function throwSaid(folder: string, said: unknown): never {
  const error = (said as Partial<Failed> | null)?.error;
  if (typeof error?.message === 'string') throw new ControlError(error.code, error.message);
  const file = path.join(folder, CONTROL_NAME);
  throw new ControlError('failed', `what answers at ${file} is no server of this kind`);
}

/** Asks the server on this data folder how it is. Rejects with NoServer, or with ControlError when nobody answers in time. */
export async function askHealth(
  folder: string,
  route: string,
  timeoutMs: number,
): Promise<{ readonly isOk: boolean; readonly text: string }> {
  const { status, answer } = await withShortPath(folder, (short) => {
    const socketPath = path.join(short, CONTROL_NAME);
    return exchange({ socketPath, method: 'GET', route, text: null, timeoutMs });
  }).catch((error: NodeJS.ErrnoException) => {
    throw failureOf(error, folder);
  });
  return { isOk: status === 200, text: answer };
}

export interface Reader {
  /** False: no more until `drained` resolves. */
  onLine(line: string): boolean;
  drained(): Promise<void>;
  /** Nobody wants any more of it. */
  readonly signal: AbortSignal;
}

/**
 * Asks for an answer that comes line by line, and resolves when it ends. Rejects like `askServer`, also when the server ends
 * before its answer.
 */
export async function readServer(
  folder: string,
  route: string,
  body: unknown,
  reader: Reader,
): Promise<void> {
  const text = JSON.stringify(body);
  await withShortPath(folder, async (short) => {
    const socketPath = path.join(short, CONTROL_NAME);
    const response = await opened({ socketPath, method: 'POST', route, text }, reader.signal);
    const status = response.statusCode ?? 500;
    if (status >= 300) throwSaid(folder, parsed(await wholeOf(response)));
    let rest = '';
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (!reader.onLine(line)) await reader.drained();
    }
  }).catch((error: NodeJS.ErrnoException) => {
    if (reader.signal.aborted) return;
    throw error instanceof ControlError ? error : failureOf(error, folder);
  });
}

function opened(question: Question, signal: AbortSignal): Promise<http.IncomingMessage> {
  const { socketPath, method, route, text } = question;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const options = { socketPath, method, path: route, headers, agent: false as const, signal };
    const request = http.request(options, resolve);
    request.on('error', reject);
    request.end(text ?? undefined);
  });
}

async function wholeOf(response: http.IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}

/** An answer that says why not. */
interface Failed {
  readonly error: { readonly code: ControlProblem; readonly message: string };
}

const NONSENSE = Symbol('no JSON');

function parsed(answer: string): unknown {
  if (answer === '') return undefined;
  try {
    return JSON.parse(answer);
  } catch {
    return NONSENSE;
  }
}

/** Nobody is there, or nobody who answers. */
function failureOf(error: NodeJS.ErrnoException, folder: string): Error {
  const file = path.join(folder, CONTROL_NAME);
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ECONNREFUSED':
      return new NoServer(folder);
    case 'EACCES':
    case 'EPERM':
      return new ControlError(
        'unavailable',
        `${file} may not be used by this user: run the command as the user that the server runs as`,
      );
    case 'ECONNRESET':
    case 'EPIPE':
      return new ControlError('unavailable', 'the server ended before it had answered');
    default:
      return new ControlError('unavailable', `the server does not answer: ${error.message}`);
  }
}

/**
 * Hands what the server says to `onText` as it comes, until it has said all or `signal` ends it. Rejects as `askServer` does.
 */
export async function followServer(
  folder: string,
  route: string,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await withShortPath(folder, (short) => {
    const socketPath = path.join(short, CONTROL_NAME);
    return new Promise<void>((resolve, reject) => {
      const request = http.request(
        { socketPath, path: route, agent: false, signal },
        (response) => {
          if (response.statusCode !== 200) {
            reject(
              new ControlError('unavailable', 'the server does not let the log be followed now'),
            );
            request.destroy();
            return;
          }
          response.setEncoding('utf8');
          response.on('data', onText);
          response.on('error', () => resolve()); // the server went, or somebody has seen enough
          response.on('end', resolve);
        },
      );
      request.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
      request.end();
    });
  }).catch((error: NodeJS.ErrnoException) => {
    throw error instanceof ControlError ? error : failureOf(error, folder);
  });
}

interface Question {
  readonly socketPath: string;
  readonly method: string;
  readonly route: string;
  readonly text: string | null;
  /** Default: what commands have. */
  readonly timeoutMs?: number;
}

function exchange({ socketPath, method, route, text, timeoutMs = TIMEOUT_MS }: Question) {
  return new Promise<{ status: number; answer: string }>((resolve, reject) => {
    const headers = text === null ? {} : { 'content-type': 'application/json' };
    // A connection that stays open would hold up a server that stops.
    const options = {
      ...{ socketPath, method, path: route, headers },
      ...{ agent: false, timeout: timeoutMs },
    };
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > ANSWER_BYTES_MAX) request.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 500, answer });
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${timeoutMs / 1_000} ${LATE}`)));
    request.on('error', reject);
    request.end(text ?? undefined);
  });
}
