// `iothub completion`: prints the script for a shell.

import { completionScript } from '../completion.ts';
import type { CompletionLine } from '../completion-line.ts';
import { ExitCode } from '../exit-code.ts';
import { commandTree } from '../options.ts';

export function completion({ shell }: CompletionLine): ExitCode {
  process.stdout.write(
    completionScript(
      commandTree(() => {}),
      shell,
    ),
  );
  return ExitCode.Ok;
}
