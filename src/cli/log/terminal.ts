// Node waits for a terminal until it has taken every byte. One that nobody reads (Ctrl-S, a session that hangs, a container's log
// driver) would stop the server, so that it is treated as a pipe is: what it does not take waits here.

import fs from 'node:fs';
import type { LogOutput } from './line-writer.ts';

const { O_NOCTTY, O_NONBLOCK, O_RDWR } = fs.constants;

/** As Node's: `process.stdout` has a handle, which is not documented. */
interface TerminalOutput extends LogOutput {
  readonly fd: number;
}

interface TerminalHandle {
  setBlocking?(isBlocking: boolean): number;
}

export function unblocked(output: TerminalOutput): LogOutput {
  const { _handle: handle } = output as { readonly _handle?: TerminalHandle };
  if (output.isTTY && isOpenedAnew(output.fd)) handle?.setBlocking?.(false);
  return output;
}

/**
 * libuv opens a terminal anew, by its name, to have it to itself. Where it may not (a terminal of another user: `su`), it shares
 * it with the shell, which would have one that does not block from then on, and would wait for it by asking again and again.
 */
function isOpenedAnew(fd: number): boolean {
  try {
    const name = fs.readlinkSync(`/proc/self/fd/${fd}`);
    const own = fs.openSync(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    try {
      const [ours, theirs] = [fs.fstatSync(own), fs.fstatSync(fd)];
      return ours.dev === theirs.dev && ours.ino === theirs.ino;
    } finally {
      fs.closeSync(own);
    }
  } catch {
    return false;
  }
}
