// What the command lines of all tools for a data folder share.

import { type Command, InvalidArgumentError } from 'commander';

export interface DataOption {
  readonly data?: string;
}

/** Of `jsonCommand`. */
export interface JsonOption extends DataOption {
  readonly json?: boolean;
}

const DEFAULT_DATA = './data';

/** A command that takes the data folder, also when it was named before the command. */
export function toolCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--data <folder>', `the data folder (default: ${DEFAULT_DATA})`, parseName);
}

/** The same, and what it says may be JSON. */
export function jsonCommand(parent: Command, name: string, description: string): Command {
  return toolCommand(parent, name, description).option('--json', 'say it as one line of JSON');
}

export function dataOf(options: DataOption, command: Command): string {
  return options.data ?? command.optsWithGlobals<DataOption>().data ?? DEFAULT_DATA;
}

export function parseName(text: string): string {
  if (text !== '' && !text.includes('\0')) return text;
  throw new InvalidArgumentError('It must not be empty.');
}
