// Runs the built commands without a process each, where many are needed: those that talk to a server, or to the store of one
// that is stopped.

import path from 'node:path';
import { vi } from 'vitest';
import { type Outcome, ROOT } from './command.ts';

type Run = (line: unknown) => Promise<number>;

/** A function of a built file. */
async function built<T>(file: string, name: string): Promise<T> {
  const exports = (await import(path.join(ROOT, 'dist/cli', file))) as Record<string, T>;
  return exports[name];
}

/** `iothub` with these arguments, which begin with a command that runs no server; not two at a time. */
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
    const run = await built<Run>('run-command.js', 'runCommand');
    return { exitCode: await run(line), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
