// The command line of `iothub passwd`, which people have in their fingers from mosquitto_passwd: options, then FILE, USER and with
// -b the password, which may begin with a dash therefore.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { newUsernameProblem } from '../auth/passwords/password-file.ts';
import { ITERATIONS_MAX, type PasswordAlgorithm } from '../auth/passwords/password-hash.ts';

/** A password is typed (or comes on standard input), is on the command line, or is made. */
export type PasswordSource =
  | { readonly kind: 'asked' }
  | { readonly kind: 'given'; readonly password: string }
  | { readonly kind: 'machine' };

export interface HashChoice {
  readonly algorithm: PasswordAlgorithm;
  /** null = as many as are usual for that password. */
  readonly iterations: number | null;
}

export type PasswdLine =
  | {
      readonly command: 'passwd';
      readonly action: 'set';
      /** null = the standard output. */
      readonly file: string | null;
      readonly username: string;
      readonly source: PasswordSource;
      readonly hash: HashChoice;
      /** Whether the file is made, and may take the place of another. */
      readonly create: 'no' | 'new' | 'replace';
    }
  | {
      readonly command: 'passwd';
      readonly action: 'delete';
      readonly file: string;
      readonly username: string;
    }
  | {
      readonly command: 'passwd';
      readonly action: 'hash-plain';
      readonly file: string;
      readonly hash: HashChoice;
    };

interface PasswdOptions {
  readonly create?: boolean;
  readonly force?: boolean;
  readonly batch?: boolean;
  readonly delete?: boolean;
  readonly hashPlain?: boolean;
  readonly hash?: PasswordAlgorithm;
  readonly iterations?: number;
  readonly machine?: boolean;
}

const STANDARD_OUTPUT = '-';

const EPILOGUE = `
Options come before FILE. Without -b and --machine the password is asked for
twice, or read from standard input where that is no terminal. The file is for
IoTHub and for Mosquitto: $7$ with 210,000 rounds (--machine: 1,000, which is
enough for a secret of 256 random bits). -b shows the password to whoever may
list the processes of this machine.

Exit codes: 0 done, 1 failed, 2 wrong command line.`;

export function addPasswdCommand(program: Command, found: (line: PasswdLine) => void): void {
  program
    .command('passwd')
    .description('add, change and remove users of a password file')
    .passThroughOptions()
    .argument('<file>', 'the password file; with -c also "-", the standard output', parseFile)
    .argument('[user]', 'the name of the user', parseUser)
    .argument('[password]', 'with -b')
    .option('-c, --create', 'make the file')
    .option('--force', 'with -c: also when there is one, whose users are lost then')
    .addOption(new Option('-b, --batch', 'the password is on the command line'))
    .addOption(new Option('-D, --delete', 'remove the user'))
    .addOption(
      new Option('-U, --hash-plain', 'hash the passwords of a file that has them as they are'),
    )
    .addOption(
      new Option('-H, --hash <algorithm>', 'how to hash (default: sha512-pbkdf2)').choices([
        'sha512-pbkdf2',
        'argon2id',
        'sha512',
      ]),
    )
    .option('-I, --iterations <number>', 'rounds of sha512-pbkdf2', parseIterations)
    .addOption(new Option('--machine', 'make a password for a machine, and print it'))
    .addHelpText('after', EPILOGUE)
    .action((file: string, user: string | undefined, password: string | undefined, ...rest) => {
      const [options, command] = rest as [PasswdOptions, Command];
      const line = passwdLine(file, user, password, options);
      if (typeof line === 'string') command.error(`error: ${line}`, { exitCode: 2 });
      else found(line);
    });
}

/** What the words mean together, or why they do not. */
function passwdLine(
  file: string,
  username: string | undefined,
  password: string | undefined,
  options: PasswdOptions,
): PasswdLine | string {
  const clash = clashOf(options);
  if (clash !== null) return clash;
  if (file === STANDARD_OUTPUT && options.create !== true) {
    return 'the standard output ("-") is for -c only';
  }
  if (options.hashPlain === true) {
    if (username !== undefined) return '-U is about all users of the file: leave USER out';
    return { command: 'passwd', action: 'hash-plain', file, hash: hashChoice(options) };
  }
  if (username === undefined) return "missing required argument 'user'";
  const misplaced = passwordClash(options, password);
  if (misplaced !== null) return misplaced;
  if (options.delete === true) return { command: 'passwd', action: 'delete', file, username };
  const source: PasswordSource =
    password !== undefined
      ? { kind: 'given', password }
      : { kind: options.machine === true ? 'machine' : 'asked' };
  if (file === STANDARD_OUTPUT && source.kind === 'machine') {
    return '--machine prints the password on the standard output: name a FILE';
  }
  const create = options.create !== true ? 'no' : options.force === true ? 'replace' : 'new';
  const place = file === STANDARD_OUTPUT ? null : file;
  const hash = hashChoice(options);
  return { command: 'passwd', action: 'set', file: place, username, source, hash, create };
}

/** Options of which only one can be meant. */
function clashOf(options: PasswdOptions): string | null {
  const actions: [string, boolean | undefined][] = [
    ['-c', options.create],
    ['-D', options.delete],
    ['-U', options.hashPlain],
  ];
  const sources: [string, boolean | undefined][] = [
    ['-b', options.batch],
    ['--machine', options.machine],
    ['-D', options.delete],
    ['-U', options.hashPlain],
  ];
  for (const group of [actions, sources]) {
    const given = group.filter(([, isGiven]) => isGiven === true).map(([name]) => name);
    if (given.length > 1) return `${given[0]} and ${given[1]} do not go together`;
  }
  if (options.force === true && options.create !== true) return '--force is for -c';
  const algorithm = options.hash ?? 'sha512-pbkdf2';
  if (options.iterations !== undefined && algorithm !== 'sha512-pbkdf2') {
    return `-I is for sha512-pbkdf2, ${algorithm} has no such number`;
  }
  if (options.delete !== true) return null;
  return options.hash === undefined && options.iterations === undefined
    ? null
    : '-D hashes nothing: leave -H and -I out';
}

function passwordClash({ batch }: PasswdOptions, password: string | undefined): string | null {
  if (batch === true && password === undefined) return '-b needs the password after USER';
  if (batch === true || password === undefined) return null;
  return 'a password on the command line needs -b, and options come before FILE';
}

function hashChoice({ hash = 'sha512-pbkdf2', iterations }: PasswdOptions): HashChoice {
  return { algorithm: hash, iterations: iterations ?? null };
}

function parseFile(text: string): string {
  if (text !== '' && !text.includes('\0')) return text;
  throw new InvalidArgumentError('The name of the file must not be empty.');
}

function parseUser(text: string): string {
  const problem = newUsernameProblem(text);
  if (problem !== null) throw new InvalidArgumentError(`The user name ${problem}.`);
  if (!text.startsWith('-')) return text;
  throw new InvalidArgumentError('Options come before FILE, and no user name begins with a dash.');
}

function parseIterations(text: string): number {
  const iterations = Number(text);
  if (/^\d{1,9}$/.test(text) && iterations >= 1 && iterations <= ITERATIONS_MAX) return iterations;
  const most = ITERATIONS_MAX.toLocaleString('en-US');
  throw new InvalidArgumentError(`Expected a number from 1 to ${most}.`);
}
