// Scripts with which shells complete the command `iothub`, made from the definitions of its commands, so that they know what it knows. A
// script finds the command that is being typed, then offers its subcommands and flags, the choices of a flag, or files.

import type { Command, Option } from 'commander';
import type { Shell } from './completion-line.ts';

/** What may follow a flag that takes a value. */
type Values = readonly string[] | 'files' | 'folders' | 'anything';

interface Node {
  /** `iothub`, `iothub store`, `iothub store stats` */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly meaning: string }[];
  readonly values: readonly { readonly flags: readonly string[]; readonly values: Values }[];
  readonly takesFiles: boolean;
}

/** The script for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = nodesOf(program, program.name());
  switch (shell) {
    case 'bash':
      return bash(nodes);
    case 'zsh':
      return zsh(nodes);
    case 'fish':
      return fish(nodes);
  }
}

function nodesOf(command: Command, path: string): Node[] {
  const options = [...command.createHelp().visibleOptions(command)];
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const subcommands = command.commands.map((one) => ({
    word: one.name(),
    meaning: one.description(),
  }));
  const known = new Set(subcommands.map(({ word }) => word));
  const node: Node = {
    path,
    words: [
      ...subcommands,
      ...choices.filter((word) => !known.has(word)).map((word) => ({ word, meaning: '' })),
      ...options.flatMap((option) =>
        flagsOf(option).map((word) => ({ word, meaning: option.description })),
      ),
    ],
    values: options
      .filter((option) => option.required)
      .map((option) => ({ flags: flagsOf(option), values: valuesOf(option) })),
    takesFiles: command.registeredArguments.some((argument) => isFile(argument.name())),
  };
  return [node, ...command.commands.flatMap((one) => nodesOf(one, `${path} ${one.name()}`))];
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => flag !== undefined);
}

function valuesOf({ argChoices, flags }: Option): Values {
  if (argChoices !== undefined) return argChoices;
  const name = /<([^>]*)>/.exec(flags)?.[1] ?? '';
  if (name === 'folder') return 'folders';
  return isFile(name) ? 'files' : 'anything';
}

function isFile(name: string): boolean {
  return ['file', 'folder', 'path'].includes(name);
}

/** What finds the command that is typed: `path`, from the words before the one at hand. */
function pathCases(nodes: readonly Node[], indent: string): string {
  const paths = nodes.slice(1).map(({ path }) => quoted(path));
  return `${indent}case "$path $word" in
${indent}  ${paths.join(' | ')}) path="$path $word" ;;
${indent}esac`;
}

/** A line for each flag with values, by command: `on` says what is done with them. */
function valueCases(nodes: readonly Node[], on: (values: Values) => string): string {
  const lines = nodes.flatMap(({ path, values }) =>
    values.map(({ flags, values: offered }) => {
      const patterns = flags.map((flag) => quoted(`${path} ${flag}`));
      return `    ${patterns.join(' | ')}) ${on(offered)}; return ;;`;
    }),
  );
  return `  case "$path $previous" in\n${lines.join('\n')}\n  esac`;
}

function bash(nodes: readonly Node[]): string {
  const words = nodes.map(({ path, words: offered, takesFiles }) => {
    const list = quoted(offered.map(({ word }) => word).join(' '));
    const files = takesFiles ? '; COMPREPLY+=($(compgen -f -- "$current"))' : '';
    return `    ${quoted(path)}) COMPREPLY=($(compgen -W ${list} -- "$current"))${files} ;;`;
  });
  const offer = (values: Values): string => {
    if (values === 'files') return 'COMPREPLY=($(compgen -f -- "$current"))';
    if (values === 'folders') return 'COMPREPLY=($(compgen -d -- "$current"))';
    if (values === 'anything') return 'COMPREPLY=()';
    return `COMPREPLY=($(compgen -W ${quoted(values.join(' '))} -- "$current"))`;
  };
  return `# Completion of iothub in bash: source <(iothub completion bash)
_iothub() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path=iothub word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
${pathCases(nodes, '    ')}
  done
${valueCases(nodes, offer)}
  case "$path" in
${words.join('\n')}
  esac
}
complete -o filenames -F _iothub iothub
`;
}

function zsh(nodes: readonly Node[]): string {
  const words = nodes.map(({ path, words: offered, takesFiles }) => {
    const list = offered.map(({ word }) => quoted(word)).join(' ');
    return `    ${quoted(path)}) compadd -- ${list}${takesFiles ? '; _files' : ''} ;;`;
  });
  const offer = (values: Values): string => {
    if (values === 'files') return '_files';
    if (values === 'folders') return '_files -/';
    return values === 'anything' ? ':' : `compadd -- ${values.map(quoted).join(' ')}`;
  };
  return `#compdef iothub
# Completion of iothub in zsh: source <(iothub completion zsh), after compinit
_iothub() {
  local previous=\${words[CURRENT-1]} path=iothub word i
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
${pathCases(nodes, '    ')}
  done
${valueCases(nodes, offer)}
  case "$path" in
${words.join('\n')}
  esac
}
compdef _iothub iothub
`;
}

function fish(nodes: readonly Node[]): string {
  const paths = nodes.slice(1).map(({ path }) => quoted(path));
  const lines = nodes.flatMap(({ path, words, values, takesFiles }) => {
    const at = `complete -c iothub -n ${quoted(`test (__iothub_path) = ${quoted(path)}`)}`;
    const offered = words
      .filter(({ word }) => !word.startsWith('-'))
      .map(({ word, meaning }) => `${at} -a ${quoted(word)} -d ${quoted(meaning)}`);
    const flags = words.filter(({ word }) => word.startsWith('-'));
    return [
      `${at} ${takesFiles ? '-F' : '-f'}`,
      ...offered,
      ...flags.map(({ word, meaning }) => {
        const taken = values.find((one) => one.flags.includes(word))?.values ?? null;
        return `${at} ${fishFlag(word)}${fishValues(taken)} -d ${quoted(meaning)}`;
      }),
    ];
  });
  return `# Completion of iothub in fish: iothub completion fish | source
function __iothub_path
  set -l path iothub
  for word in (commandline -opc)[2..-1]
    switch "$path $word"
      case ${paths.join(' ')}
        set path "$path $word"
    end
  end
  echo $path
end
${lines.join('\n')}
`;
}

function fishFlag(word: string): string {
  return word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
}

function fishValues(values: Values | null): string {
  if (values === null) return '';
  if (values === 'files' || values === 'folders') return ' -r -F';
  return values === 'anything' ? ' -x' : ` -x -a ${quoted(values.join(' '))}`;
}

/** For all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
