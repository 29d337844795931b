// What is said of a wrong command line: one sentence, and where the help is that has the answer.

import type { Command } from 'commander';
import { nearest } from '../config/nearest.ts';

/** Each command says what is wrong in one sentence, and names its own help. */
export function sayInOneSentence(command: Command, path: string): void {
  command.configureOutput({ outputError: (text, write) => write(oneSentence(text, path)) });
  for (const one of command.commands) sayInOneSentence(one, `${path} ${one.name()}`);
}

/** Ends the command line: there is no such command. */
export function failUnknown(program: Command, name: string): never {
  const known = ['start', 'help', ...program.commands.map((command) => command.name())];
  const near = nearest(name, known);
  const hint = near === null ? '' : ` (Did you mean ${near}?)`;
  return program.error(`error: unknown command '${name}'${hint}`, { exitCode: 2 });
}

function oneSentence(text: string, path: string): string {
  const sentence = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .replace(/([^.?])$/, '$1.');
  return `iothub: ${sentence} See ${path} --help.\n`;
}
