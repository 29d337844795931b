// `iothub sessions purge`: which sessions it ended, or would end, a line each.

import { purge, type ToolOptions } from '../../storage/store-folder/tools.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { PurgeLine } from '../options.ts';
import { say } from './store.ts';

export async function purgeCommand(options: ToolOptions, line: PurgeLine): Promise<ExitCode> {
  const purged = await purge(options, line.offlineForMs, line.dryRun);
  if (line.json) {
    say(JSON.stringify({ isDryRun: line.dryRun, sessions: purged }));
    return ExitCode.Ok;
  }
  for (const { clientId, disconnectedAt, queuedMessages } of purged) {
    const name = escapeHarmful(JSON.stringify(clientId));
    say(`${name}  offline since ${disconnectedAt}, ${queuedMessages} messages queued`);
  }
  const what = purged.length === 1 ? '1 session' : `${purged.length} sessions`;
  say(line.dryRun ? `${what} would be ended` : `${what} ended`);
  return ExitCode.Ok;
}
