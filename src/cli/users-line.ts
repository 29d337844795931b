// The command line of `iothub users`: what is to be done with which user of the database.

import { type Command, InvalidArgumentError } from 'commander';
import { groupsProblem, usernameProblem } from '../auth/users/user-record.ts';
import { type DataOption, dataOf, jsonCommand, parseName } from './tool-options.ts';

/** A password is typed, or comes on standard input; or it is made. */
export type NewPasswordSource = 'asked' | 'machine';

export type UsersTask =
  | { readonly action: 'list' }
  | {
      readonly action: 'add';
      readonly username: string;
      readonly groups: readonly string[];
      readonly source: NewPasswordSource;
    }
  | {
      readonly action: 'passwd';
      readonly username: string;
      readonly source: NewPasswordSource;
    }
  | {
      readonly action: 'groups';
      readonly username: string;
      /** null: they are only told. */
      readonly groups: readonly string[] | null;
    }
  | { readonly action: 'enable' | 'disable' | 'remove'; readonly username: string };

export interface UsersLine {
  readonly command: 'users';
  readonly data: string;
  readonly json: boolean;
  readonly task: UsersTask;
}

interface UsersOptions extends DataOption {
  readonly json?: boolean;
  readonly machine?: boolean;
  readonly group?: readonly string[];
  readonly none?: boolean;
}

const EPILOGUE = `
Without --machine the password is asked for twice, or read from standard input
where that is no terminal. --machine makes one of 256 random bits and prints it
once. Users log in with user name and password, or by SCRAM-SHA-256 (MQTT 5).

Exit codes: 0 done, 1 failed (no such user, or there is one already), 2 wrong
command line, 74 the store cannot be used, 75 the data folder is in use.`;

export function addUsersCommands(program: Command, found: (line: UsersLine) => void): void {
  const users = program
    .command('users')
    .description('manage the users in the store')
    .addHelpText('after', EPILOGUE);
  const done = (task: UsersTask, options: UsersOptions, command: Command): void => {
    const json = options.json === true;
    found({ command: 'users', data: dataOf(options, command), json, task });
  };
  jsonCommand(users, 'list', 'list all users').action((options: UsersOptions, command: Command) =>
    done({ action: 'list' }, options, command),
  );
  jsonCommand(users, 'add', 'add a user')
    .argument('<user>', 'the user name', parseNewUser)
    .option('-g, --group <group>', 'a group that it belongs to; may be repeated', gather)
    .option('--machine', 'make a password for a machine, and print it')
    .action((username: string, options: UsersOptions, command: Command) => {
      const { group: groups = [] } = options;
      checkGroups(groups, command);
      done({ action: 'add', username, groups, source: sourceOf(options) }, options, command);
    });
  jsonCommand(users, 'passwd', 'change the password of a user')
    .argument('<user>', 'the user name', parseName)
    .option('--machine', 'make a password for a machine, and print it')
    .action((username: string, options: UsersOptions, command: Command) =>
      done({ action: 'passwd', username, source: sourceOf(options) }, options, command),
    );
  jsonCommand(users, 'groups', 'say what groups a user belongs to, or change all of them')
    .argument('<user>', 'the user name', parseName)
    .argument('[groups...]', 'the groups that it belongs to from now on')
    .option('--none', 'it belongs to none from now on')
    .action((username: string, groups: string[], options: UsersOptions, command: Command) => {
      const isNone = options.none === true;
      if (isNone && groups.length > 0) {
        command.error('error: --none and groups do not go together', { exitCode: 2 });
      }
      checkGroups(groups, command);
      const wanted = isNone || groups.length > 0 ? groups : null;
      done({ action: 'groups', username, groups: wanted }, options, command);
    });
  for (const [action, description] of [
    ['enable', 'let a user in again'],
    ['disable', 'let a user in no more, and keep it'],
    ['remove', 'remove a user'],
  ] as const) {
    jsonCommand(users, action, description)
      .argument('<user>', 'the user name', parseName)
      .action((username: string, options: UsersOptions, command: Command) =>
        done({ action, username }, options, command),
      );
  }
}

function sourceOf({ machine }: UsersOptions): NewPasswordSource {
  return machine === true ? 'machine' : 'asked';
}

function gather(group: string, groups: readonly string[] = []): readonly string[] {
  return [...groups, group];
}

function checkGroups(groups: readonly string[], command: Command): void {
  const problem = groupsProblem(groups);
  if (problem !== null) command.error(`error: ${problem}`, { exitCode: 2 });
}

function parseNewUser(text: string): string {
  const problem = usernameProblem(text);
  if (problem === null) return text;
  throw new InvalidArgumentError(`The user name ${problem}.`);
}
