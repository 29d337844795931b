// The command line of `iothub token`.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { tokenNameProblem } from '../auth/tokens/token.ts';
import { parseDuration } from '../config/quantity.ts';
import { TOKEN_ROLES, type TokenRole } from '../server/contract/tokens.ts';
import { type DataOption, dataOf, jsonCommand, parseName } from './tool-options.ts';

export interface TokenLine {
  readonly command: 'token';
  readonly data: string;
  readonly json: boolean;
  readonly task:
    | { readonly action: 'list' }
    | {
        readonly action: 'add';
        readonly name: string;
        readonly role: TokenRole;
        /** null = it does not expire. */
        readonly expiresInMs: number | null;
      }
    | { readonly action: 'remove'; readonly name: string };
}

interface TokenOptions extends DataOption {
  readonly json?: boolean;
  readonly role: TokenRole;
  readonly expires?: number;
}

const EPILOGUE = `
A token is printed once, when it is made; the store holds only its hash. It goes
into the header "Authorization: Bearer TOKEN", never into a URL. viewer sees how
the server is doing, operator acts on clients and messages and sees payloads,
admin changes who may do what. A running server is asked; without one tokens are
changed in its store.

Exit codes: 0 done, 1 failed (no such token, or there is one already), 2 wrong
command line, 74 the store cannot be used, 75 the data folder is in use.`;

export function addTokenCommands(program: Command, found: (line: TokenLine) => void): void {
  const token = program
    .command('token')
    .description('manage the tokens of the admin API')
    .addHelpText('after', EPILOGUE);
  const line = (task: TokenLine['task'], options: TokenOptions, command: Command): void =>
    found({ command: 'token', data: dataOf(options, command), json: options.json === true, task });
  jsonCommand(token, 'list', 'list all tokens, without themselves').action(
    (options: TokenOptions, command: Command) => line({ action: 'list' }, options, command),
  );
  jsonCommand(token, 'add', 'make a token, and print it')
    .argument('<name>', 'how it is called: who or what has it', parseTokenName)
    .addOption(
      new Option('--role <role>', 'what it may do').choices([...TOKEN_ROLES]).makeOptionMandatory(),
    )
    .option('--expires <duration>', 'it ends after so long, as "90d"; without it never', parseFor)
    .action((name: string, options: TokenOptions, command: Command) => {
      const { role, expires: expiresInMs = null } = options;
      line({ action: 'add', name, role, expiresInMs }, options, command);
    });
  jsonCommand(token, 'remove', 'end a token')
    .argument('<name>', 'how it is called', parseName)
    .action((name: string, options: TokenOptions, command: Command) =>
      line({ action: 'remove', name }, options, command),
    );
}

function parseTokenName(text: string): string {
  const problem = tokenNameProblem(text);
  if (problem === null) return text;
  throw new InvalidArgumentError(`${problem.replace(/^the/, 'The')}.`);
}

function parseFor(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null && milliseconds > 0 && milliseconds <= 1e13) return milliseconds;
  throw new InvalidArgumentError('A duration is written as "12h", "30d" or "365d".');
}
