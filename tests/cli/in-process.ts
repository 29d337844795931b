// Runs the built commands without a process each, which takes longer to start than most of them run: for those that talk to a
// server or to the store of one that is stopped, and for what is wrong with a line.

import path from 'node:path';
import { vi } from 'vitest';
import { type Outcome, ROOT } from './command.ts';

interface Built {
  runCommandLine(argv: readonly string[]): Promise<number>;
}

type Written = (error?: Error) => void;

/** `iothub` with these arguments, which say nothing that runs a server; not two at a time. */
export async function inProcess(...args: string[]): Promise<Outcome> {
  const file = path.join(ROOT, 'dist/cli/run-command.js');
  const { runCommandLine } = (await import(file)) as Built;
  const said = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text, encoding?, written?: Written) => {
      said[stream] += String(text);
      const callback = typeof encoding === 'function' ? encoding : written;
      callback?.();
      return true;
    }),
  );
  // Seeds of tests have such names, too, and would configure the server.
  const settings = Object.entries(process.env).filter(([name]) => name.startsWith('IOTHUB_'));
  for (const [name] of settings) delete process.env[name];
  try {
    return { exitCode: await runCommandLine(args), ...said };
  } finally {
    Object.assign(process.env, Object.fromEntries(settings));
    for (const spy of spies) spy.mockRestore();
  }
}
