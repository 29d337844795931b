// The commands that work on a data folder: what they say, and their exit codes. The work is done in storage/store-folder.

import { StoreError } from '../../storage/store-folder/store-error.ts';
import type { ToolOptions } from '../../storage/store-folder/tools.ts';
import { escapeHarmful } from '../escape.ts';
import { type ExitCode, STORE_EXIT_CODES } from '../exit-code.ts';
import type { ToolLine } from '../options.ts';
import { purgeCommand } from './sessions.ts';
import { backup, compact, restore, stats, verify } from './store.ts';
import { exportCommand } from './store-export.ts';

/** Does what the line says. What goes wrong is one sentence on stderr. */
export async function runTool(line: ToolLine, version: string): Promise<ExitCode> {
  const group = line.command === 'purge' ? 'sessions' : 'store';
  const purpose = `iothub ${group} ${line.command}`;
  try {
    return await run(line, { folder: line.data, version, purpose });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    process.stderr.write(`${purpose}: ${escapeHarmful(error.message)}\n`);
    return STORE_EXIT_CODES[error.problem];
  }
}

function run(line: ToolLine, options: ToolOptions): Promise<ExitCode> {
  switch (line.command) {
    case 'stats':
      return stats(options, line.json);
    case 'verify':
      return verify(options, line.json);
    case 'export':
      return exportCommand(options, line.output);
    case 'compact':
      return compact(options, line.json);
    case 'backup':
      return backup(options, line);
    case 'restore':
      return restore(options, line);
    case 'purge':
      return purgeCommand(options, line);
  }
}
