// The command line of `iothub completion`.

import { Argument, type Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export interface CompletionLine {
  readonly command: 'completion';
  readonly shell: Shell;
}

const EPILOGUE = `
Examples:
  source <(iothub completion bash)      in ~/.bashrc
  source <(iothub completion zsh)       in ~/.zshrc, after compinit
  iothub completion fish | source       in ~/.config/fish/config.fish`;

export function addCompletionCommand(
  program: Command,
  found: (line: CompletionLine) => void,
): void {
  program
    .command('completion')
    .description('print a script with which a shell completes commands and flags')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText('after', EPILOGUE)
    .action((shell: Shell) => found({ command: 'completion', shell }));
}
