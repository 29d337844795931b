// What is said over the socket of a data folder: lines of JSON. Whoever connects is told who has the folder; it may then send
// one request, and gets one answer. A connection carries one request, a line has a limit, and silence ends it.

import net from 'node:net';
import path from 'node:path';
import { withShortPath } from './socket-path.ts';
import { StoreError, type StoreProblem } from './store-error.ts';

export const LOCK_NAME = 'lock.sock';

/** Who has a folder. */
export interface Holder {
  readonly pid: number;
  readonly version: string;
  /** ISO 8601, UTC */
  readonly startedAt: string;
  /** `server`, or the command that works on the folder. */
  readonly purpose: string;
}

/** What a request carries, and what it is answered with: whatever JSON can say. */
export type RequestHandler = (args: Readonly<Record<string, unknown>>) => Promise<unknown>;

const LINE_CHARACTERS_MAX = 1_048_576;
/** An answer may list millions of sessions. */
const ANSWER_CHARACTERS_MAX = 268_435_456;
/** How long somebody who is connected may say nothing. */
const SILENCE_MAX_MS = 5_000;
/** How long a holder may take to say who it is: its event loop may be busy for a while. */
const GREETING_MAX_MS = 2_000;

/** Answers one connection. */
export function serve(
  socket: net.Socket,
  holder: Holder,
  handlers: ReadonlyMap<string, RequestHandler>,
): void {
  socket.on('error', () => socket.destroy()); // it is gone: nobody to tell
  socket.setTimeout(SILENCE_MAX_MS, () => socket.destroy());
  socket.write(`${JSON.stringify(holder)}\n`);
  const onLine = (line: string): void => {
    socket.setTimeout(0);
    answer(line, handlers).then(
      (text) => socket.end(`${text}\n`),
      () => socket.destroy(),
    );
  };
  readLine(socket, onLine, () => socket.destroy());
}

async function answer(
  line: string,
  handlers: ReadonlyMap<string, RequestHandler>,
): Promise<string> {
  try {
    const { request, args = {} } = JSON.parse(line) as { request: string; args?: object };
    const handler = handlers.get(request);
    if (handler === undefined) {
      throw new StoreError('failed', `it does not know the request ${JSON.stringify(request)}`);
    }
    return JSON.stringify({ result: (await handler({ ...args })) ?? null });
  } catch (error) {
    const problem: StoreProblem = error instanceof StoreError ? error.problem : 'failed';
    const message = error instanceof Error ? error.message : String(error);
    return JSON.stringify({ problem, message });
  }
}

/** Calls back with the first line, or with its absence when the connection ends or the line is too long. */
function readLine(
  socket: net.Socket,
  onLine: (line: string) => void,
  onNone: () => void,
  charactersMax = LINE_CHARACTERS_MAX,
): void {
  let text = '';
  const onEnd = (): void => onNone();
  const onData = (chunk: string): void => {
    const endInChunk = chunk.indexOf('\n');
    const end = endInChunk < 0 ? -1 : text.length + endInChunk;
    text += chunk;
    if (end < 0 && text.length <= charactersMax) return;
    socket.off('data', onData);
    socket.off('close', onEnd);
    if (end < 0) {
      onNone();
      return;
    }
    const rest = text.slice(end + 1);
    socket.pause();
    if (rest !== '') socket.unshift(rest);
    onLine(text.slice(0, end));
  };
  socket.setEncoding('utf8');
  socket.on('data', onData);
  socket.on('close', onEnd);
}

/** `dead`: a socket whose process has ended, or no socket at all. */
export type Life = 'alive' | 'dead' | 'absent';

/** Whether somebody listens on a socket in a folder. */
export async function lifeOf(folder: string, name: string): Promise<Life> {
  const found = await connect(folder, name);
  if (typeof found === 'string') return found;
  found.destroy();
  return 'alive';
}

const NOT_ALIVE: Readonly<Record<string, Exclude<Life, 'alive'>>> = {
  ENOENT: 'absent',
  ECONNREFUSED: 'dead',
  ECONNRESET: 'dead', // it stopped listening before it took us
  ENOTSOCK: 'dead',
  EPROTOTYPE: 'dead',
};

/** A connection to a socket in a folder, or why there is none. */
function connect(folder: string, name: string): Promise<net.Socket | Exclude<Life, 'alive'>> {
  return withShortPath(folder, (short) => {
    return new Promise((resolve, reject) => {
      const socket = net.connect(path.join(short, name), () => {
        socket.off('error', onError);
        socket.on('error', () => socket.destroy());
        resolve(socket);
      });
      const onError = (error: NodeJS.ErrnoException): void => {
        const { code = '' } = error;
        socket.destroy();
        if (code in NOT_ALIVE) resolve(NOT_ALIVE[code]);
        // EAGAIN: so many wait to be accepted that there must be somebody
        else if (code === 'EAGAIN') resolve(socket);
        else reject(error);
      };
      socket.on('error', onError);
    });
  });
}

/** The holder's first line; SILENT when none comes in time. */
function readHolder(socket: net.Socket): Promise<Holder> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(SILENT);
    socket.setTimeout(GREETING_MAX_MS, () => socket.destroy());
    readLine(
      socket,
      (line) => resolve(parseHolder(line) ?? SILENT),
      () => resolve(SILENT),
    );
  });
}

function parseHolder(line: string): Holder | null {
  try {
    const { pid, version, startedAt, purpose } = JSON.parse(line) as Holder;
    return typeof pid === 'number' ? { pid, version, startedAt, purpose } : null;
  } catch {
    return null;
  }
}

/** Somebody who does not answer: frozen, or busy. */
const SILENT: Holder = { pid: 0, version: '', startedAt: '', purpose: 'server' };

/** Who has the folder; null = nobody. `pid` 0 = somebody who does not answer. */
export async function findHolder(folder: string): Promise<Holder | null> {
  const socket = await connect(folder, LOCK_NAME);
  if (typeof socket === 'string') return null;
  const holder = await readHolder(socket);
  socket.destroy();
  return holder;
}

/** Asks the one who has the folder; null when nobody has it. It takes as long as it takes. Throws StoreError. */
export async function askHolder(
  folder: string,
  request: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly result: unknown } | null> {
  const socket = await connect(folder, LOCK_NAME);
  if (typeof socket === 'string') return null;
  const holder = await readHolder(socket);
  if (holder.pid === 0 || socket.destroyed) {
    socket.destroy();
    throw new StoreError('failed', `the server of ${folder} does not answer`);
  }
  const line = await new Promise<string | null>((resolve) => {
    socket.setTimeout(0);
    readLine(socket, resolve, () => resolve(null), ANSWER_CHARACTERS_MAX);
    socket.write(`${JSON.stringify({ request, args })}\n`);
    socket.resume();
  });
  socket.destroy();
  if (line === null) {
    throw new StoreError(
      'failed',
      `the server of ${folder} (pid ${holder.pid}) ended before it answered`,
    );
  }
  const { result, problem, message } = JSON.parse(line) as {
    result?: unknown;
    problem?: StoreProblem;
    message?: string;
  };
  if (problem === undefined) return { result };
  throw new StoreError(problem, `the server of ${folder} (pid ${holder.pid}) says: ${message}`);
}
