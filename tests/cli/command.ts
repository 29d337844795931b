// Runs the built command as people and service managers do: `node dist/cli/main.js`.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from '../kit/folder.ts';

export const ROOT = path.resolve(import.meta.dirname, '../..');
const ENTRY = path.join(ROOT, 'dist/cli/main.js');

export interface Outcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of Node's to its end, with this on its standard input. */
export async function runNode(
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  input: string | Uint8Array = '',
): Promise<Outcome> {
  const child = spawn(process.execPath, args, { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => {}); // it need not read it
  child.stdin.end(input);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    stderr += String(chunk);
  });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, stdout, stderr };
}

/** This process's environment without what would configure the server: seeds of tests have such names, too. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('IOTHUB_')),
  );
}

/** A server of a test has no admin API, unless it says where: all of them would want the same port. */
function alone(args: readonly string[]): readonly string[] {
  const isServer = args.length === 0 || args[0] === 'start' || args[0].startsWith('-');
  const isSaid = args.some((arg) => /^--(?:no-)?admin\b/.test(arg));
  return isServer && !isSaid ? ['--no-admin', ...args] : args;
}

/** Runs the command to its end. */
export function iothub(...args: string[]): Promise<Outcome> {
  return iothubWith({}, ...args);
}

/** The same with this on its standard input. */
export function iothubFed(input: string | Uint8Array, ...args: string[]): Promise<Outcome> {
  return runNode([ENTRY, ...alone(args)], { env: environment() }, input);
}

/** The same with these variables. */
export function iothubWith(
  variables: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<Outcome> {
  return runNode([ENTRY, ...alone(args)], { env: { ...environment(), ...variables } });
}

export interface RunOptions {
  /** Files that the process may have open. */
  readonly openFilesMax?: number;
  /** The configuration says where it listens. */
  readonly isPlaced?: boolean;
}

/** A server that runs in a process of its own, on a port that the system chose; its data go with the test, unless a folder is named. */
export class RunningServer {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  readonly #reader: AsyncIterableIterator<string>;

  constructor(...given: (string | RunOptions)[]) {
    const args = given.filter((arg) => typeof arg === 'string');
    const { openFilesMax, isPlaced = false } = given.find((arg) => typeof arg === 'object') ?? {};
    const data = args.includes('--data') ? [] : ['--data', temporaryFolder()];
    const port = isPlaced || args.includes('--listener') ? [] : ['--port', '0'];
    const limit = openFilesMax === undefined ? '' : `ulimit -n ${openFilesMax} && `;
    const command = [process.execPath, ENTRY, ...alone([...port, ...data, ...args])];
    const child = spawn('bash', ['-c', `${limit}exec "$@"`, 'bash', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // A machine that is busy with other tests makes it late, which is no reason to refuse clients here.
      env: { ...environment(), IOTHUB_LIMITS__LOOP_LAG_MAX: '0s' },
    });
    this.child = child;
    this.exit = once(child, 'exit').then(([exitCode]) => exitCode as number | null);
    this.#reader = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Reads the log up to the first line that matches. */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const { value, done } = await this.#reader.next();
      if (done) throw new Error(`no line matched ${pattern}:\n${this.lines.join('\n')}`);
      this.lines.push(value);
      const match = pattern.exec(value);
      if (match !== null) return match;
    }
  }

  /** Waits until it serves; returns the port. */
  async port(): Promise<number> {
    return Number((await this.line(/serves MQTT .* on .*:(\d+)/))[1]);
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
