// Runs the built commands without a process each, where many are needed: those that talk to a server, or to the store of one
// that is stopped.

import path from 'node:path';
import { vi } from 'vitest';
import { type Outcome, ROOT } from './command.ts';

type Run = (line: unknown, version: string) => Promise<number>;

/** Where the commands are that are no matter of access. */
const RUNS: Readonly<Record<string, readonly [file: string, name: string]>> = {
  users: ['commands/users.js', 'runUsers'],
  drops: ['commands/drops.js', 'runDrops'],
};

/** A function of a built file. */
async function built<T>(file: string, name: string): Promise<T> {
  const exports = (await import(path.join(ROOT, 'dist/cli', file))) as Record<string, T>;
  return exports[name];
}

/** `iothub users`, `drops`, `acl`, `ban` or `reload` with these arguments; not two at a time. */
export async function inProcess(...args: string[]): Promise<Outcome> {
  const parse = await built<(argv: readonly string[]) => { command: string }>(
    'options.js',
    'parseCommandLine',
  );
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    }),
  );
  try {
    const line = parse(args);
    const [file, name] = RUNS[line.command] ?? ['commands/access.js', 'runAccess'];
    const run = await built<Run>(file, name);
    return { exitCode: await run(line, '0.0.0'), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
