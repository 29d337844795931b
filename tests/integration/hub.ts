// The built server as its users run it, in a process of its own, and the programs that talk to it. Everything has a deadline, and
// whatever was started is ended by its pid when the test ends.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';

const DEADLINE_MS = 30_000;

export interface Hub {
  /** Of the first listener; 0 for a unix socket. */
  readonly port: number;
  /** Of the listeners in the order of the command line, with the ports they got: `ws://127.0.0.1:4711/mqtt`. */
  readonly urls: readonly string[];
  readonly process: ChildProcess;
  /** Log lines so far. */
  readonly log: readonly string[];
  /** Resolves with the first line of the log that contains `text`, when there are `count` of them. */
  says(text: string, count?: number): Promise<string>;
  /** Ends it with a signal; resolves with its exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string | null>;
}

/** Starts `node dist/cli/main.js` and waits until it serves: on a free loopback port, if `args` name no listener. */
export function startHub(...args: string[]): Promise<Hub> {
  const listeners = args.filter((arg) => arg === '--listener').length;
  const place = listeners === 0 ? ['--port', '0'] : [];
  return startServing(Math.max(1, listeners), [...place, ...args]);
}

/** The same with so many listeners, of which all is said in `args` or in the file that they name. It is killed by what `atEnd` gets. */
export async function startServing(
  listeners: number,
  args: readonly string[],
  atEnd: (kill: () => Promise<void>) => void = onTestFinished,
): Promise<Hub> {
  const data = args.includes('--data') ? [] : ['--data', temporaryFolder()];
  // Several run at a time, and all would want the port of the admin API.
  const own = args.includes('--admin') ? [] : ['--no-admin'];
  const child = spawn(process.execPath, ['dist/cli/main.js', ...own, ...data, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // A machine that is busy with other tests makes it late, which is no reason to refuse clients here.
    env: { ...process.env, IOTHUB_LIMITS__LOOP_LAG_MAX: '0s' },
  });
  atEnd(async () => {
    await end(child, 'SIGKILL');
  });
  const log: string[] = [];
  const urls: string[] = [];
  const readers = new Set<() => void>();
  let rest = '';
  await within(
    new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          log.push(line);
          const match = /serves MQTT .* on ([^"]+)"/.exec(line);
          if (match !== null) urls.push(match[1]);
        }
        if (urls.length >= listeners) resolve();
        for (const reader of readers) reader();
      });
    }),
    () => `the server serves; it says\n${log.join('\n')}`,
  );
  return {
    port: Number(/:(\d+)(?:\/|$)/.exec(urls[0])?.[1] ?? 0),
    urls,
    process: child,
    log,
    says: (text, count = 1) =>
      within(
        new Promise<string>((resolve) => {
          const look = () => {
            const said = log.filter((line) => line.includes(text));
            if (said.length >= count) resolve(said[0]);
          };
          readers.add(look);
          look();
        }),
        () => `the log says “${text}” (${count} ×); it says\n${log.join('\n')}`,
      ),
    stop: (signal = 'SIGTERM') => end(child, signal),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | string | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill(signal);
  const [code, by] = await within(ended, `the server ends by ${signal}`);
  return code ?? by;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly finished: Promise<Finished>;
  /** Resolves when standard output or standard error contains `text`. */
  prints(text: string): Promise<void>;
  /** Standard error so far. */
  stderr(): string;
  kill(signal?: NodeJS.Signals): void;
  /** Ends one that would run for ever; resolves when it is gone, with all that it started. */
  end(): Promise<void>;
}

/** Runs a program; it is killed when the test ends. A program that is not installed fails the test by name. */
export function run(command: string, args: readonly string[], input?: string): Running {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  const waiting: { text: string; resolve: () => void }[] = [];
  const hasPrinted = (text: string) => stdout.includes(text) || stderr.includes(text);
  const look = () => {
    for (const one of waiting) if (hasPrinted(one.text)) one.resolve();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    look();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const closed = new Promise<Finished>((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        new Error(`${command} cannot be run; scripts/ci-tools.sh installs it`, { cause: error }),
      ),
    );
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const finished = within(closed, `${command} ends`);
  finished.catch(() => {});
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return {
    finished,
    prints: (text) =>
      within(
        new Promise<void>((resolve, reject) => {
          if (hasPrinted(text)) resolve();
          else waiting.push({ text, resolve });
          finished.then(({ code }) => {
            if (hasPrinted(text)) resolve();
            else reject(new Error(`${command} ended with ${code}, without “${text}”: ${stderr}`));
          }, reject);
        }),
        `${command} prints ${text}`,
      ),
    stderr: () => stderr,
    kill: (signal = 'SIGTERM') => child.kill(signal),
    end: async () => {
      child.kill();
      await within(closed, `${command} ends by SIGTERM`);
    },
  };
}

/** The promise, or an error that names what did not happen in time. */
export function within<T>(
  promise: Promise<T>,
  what: string | (() => string),
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not in ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`));
    }, deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
