#!/usr/bin/env node
// The command `iothub`, as a process: see run-command.ts for what it does.

import { ExitCode } from './exit-code.ts';
import { runCommandLine } from './run-command.ts';

/** How long an exit waits for what should have ended by itself. */
const LINGER_MS = 2_000;

/** Ends by itself, so that the last lines get out; whatever keeps the process alive longer is cut off. */
function exitWith(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

// Nobody reads stdout or stderr any more (EPIPE): no reason to stop serving.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

runCommandLine(process.argv.slice(2)).then(exitWith, (error: unknown) => {
  process.stderr.write(`IoTHub failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  exitWith(ExitCode.Runtime);
});
