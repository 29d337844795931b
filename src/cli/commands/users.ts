// `iothub users`: the users in the store. Standard output has what was asked for: the list, the groups, a password that was
// made, or with --json one line of JSON. What was done is a sentence on stderr, and so is what went wrong.

import { randomBytes } from 'node:crypto';
import { HasherError } from '../../auth/passwords/hasher.ts';
import { passwordProblem } from '../../auth/passwords/password-hash.ts';
import type { NewPassword, UserAdmin } from '../../auth/users/user-admin.ts';
import type { UserInfo } from '../../auth/users/user-database.ts';
import { UserError } from '../../auth/users/user-error.ts';
import { ControlError } from '../../server/contract.ts';
import { StoreError } from '../../storage/store-folder/store-error.ts';
import {
  askNewPassword,
  NoPassword,
  type PasswordInput,
  type PasswordOutput,
} from '../ask-password.ts';
import { NoServer } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode, STORE_EXIT_CODES } from '../exit-code.ts';
import { RunningUsers } from '../running-users.ts';
import { StoppedUsers } from '../stopped-users.ts';
import type { NewPasswordSource, UsersLine, UsersTask } from '../users-line.ts';

/** Where a password comes from, and where lines go. */
export interface Streams {
  readonly stdin: PasswordInput;
  readonly stdout: PasswordOutput;
  readonly stderr: PasswordOutput;
}

/** What a task came to. */
interface Outcome {
  /** For people, a line each: on the standard output. */
  readonly lines: readonly string[];
  /** What was done; null: there was only something to tell. */
  readonly done: string | null;
  /** The whole of it, for --json. */
  readonly json: unknown;
}

/** 256 bits, which nobody guesses. */
const MACHINE_BYTES = 32;

/** Does what the line says, with the server that runs on the data folder, or in the store of one that is stopped. */
export async function runUsers(line: UsersLine, version: string): Promise<ExitCode> {
  const { data: folder } = line;
  const purpose = `iothub users ${line.task.action}`;
  return told(line, process, async () => {
    const running = await RunningUsers.find(folder);
    const admin = running ?? new StoppedUsers({ folder, version, purpose });
    return users(line, admin, process);
  });
}

/** Does what the line says. What goes wrong is one sentence on stderr. */
export async function users(
  line: UsersLine,
  admin: UserAdmin,
  streams: Streams,
): Promise<ExitCode> {
  return told(line, streams, async () => {
    const { lines, done, json } = await run(line.task, admin, streams);
    for (const text of line.json ? [JSON.stringify(json)] : lines) {
      streams.stdout.write(`${escapeHarmful(text)}\n`);
    }
    if (done !== null) say(line, streams, done);
    return ExitCode.Ok;
  });
}

/** What goes wrong is told, and an exit code. */
async function told(
  line: UsersLine,
  streams: Streams,
  work: () => Promise<ExitCode>,
): Promise<ExitCode> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NoPassword && error.isInterrupted) return ExitCode.Interrupted;
    if (!EXPLAINED.some((kind) => error instanceof kind)) throw error;
    say(line, streams, (error as Error).message);
    return error instanceof StoreError ? STORE_EXIT_CODES[error.problem] : ExitCode.Runtime;
  }
}

/** Errors whose message is the sentence that people need. */
const EXPLAINED = [StoreError, UserError, HasherError, NoPassword, ControlError, NoServer];

function say({ task }: UsersLine, { stderr }: Streams, sentence: string): void {
  stderr.write(`iothub users ${task.action}: ${escapeHarmful(sentence)}\n`);
}

async function run(task: UsersTask, admin: UserAdmin, streams: Streams): Promise<Outcome> {
  switch (task.action) {
    case 'list': {
      const all = await admin.list();
      return { lines: table(all), done: null, json: all };
    }
    case 'add': {
      const { username, groups, source } = task;
      if (source === 'asked') await needAbsent(admin, username);
      const password = await newPassword(source, streams);
      const info = await admin.add({ username, groups, ...password });
      return withPassword(info, password, 'was added');
    }
    case 'passwd': {
      const { username, source } = task;
      if (source === 'asked') await need(admin, username);
      const password = await newPassword(source, streams);
      const info = await admin.setPassword(username, password);
      return withPassword(info, password, 'has a new password');
    }
    case 'groups': {
      const { username, groups } = task;
      if (groups === null) {
        const info = await need(admin, username);
        return { lines: info.groups, done: null, json: info };
      }
      const info = await admin.setGroups(username, groups);
      return outcome(info, `belongs to ${groups.join(', ') || 'no group'} now`);
    }
    case 'enable':
      return outcome(await admin.enable(task.username), 'may log in');
    case 'disable':
      return outcome(await admin.disable(task.username), 'may not log in any more');
    case 'remove': {
      const { username } = task;
      await admin.remove(username);
      return { lines: [], done: about(username, 'was removed'), json: { username } };
    }
  }
}

/** Before anybody types a password in vain. */
async function need(admin: UserAdmin, username: string): Promise<UserInfo> {
  const info = await admin.get(username);
  if (info !== null) return info;
  throw new UserError('unknown', `there is no user ${JSON.stringify(username)}`);
}

async function needAbsent(admin: UserAdmin, username: string): Promise<void> {
  if ((await admin.get(username)) === null) return;
  const name = JSON.stringify(username);
  throw new UserError(
    'exists',
    `there is a user ${name} already: "users passwd" changes its password`,
  );
}

async function newPassword(source: NewPasswordSource, streams: Streams): Promise<NewPassword> {
  if (source === 'machine') {
    return { password: randomBytes(MACHINE_BYTES).toString('base64url'), isMachine: true };
  }
  const bytes = await askNewPassword(streams.stdin, streams.stderr);
  const problem = passwordProblem(bytes);
  if (problem !== null) throw new NoPassword(`the password ${problem}`);
  try {
    const password = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { password, isMachine: false };
  } catch {
    throw new NoPassword('the password is not valid UTF-8');
  }
}

/** A password that was made is told, and no other. */
function withPassword(info: UserInfo, { password, isMachine }: NewPassword, done: string): Outcome {
  const note = info.hasScram ? '' : '; its password holds characters that SCRAM does not allow';
  return {
    lines: isMachine ? [password] : [],
    done: about(info.username, `${done}${note}`),
    json: isMachine ? { ...info, password } : info,
  };
}

function outcome(info: UserInfo, done: string): Outcome {
  return { lines: [], done: about(info.username, done), json: info };
}

function about(username: string, done: string): string {
  return `user ${JSON.stringify(username)} ${done}`;
}

/** Name, groups, and what is special about it. */
function table(all: readonly UserInfo[]): readonly string[] {
  const names = all.map(({ username }) => JSON.stringify(username));
  const groups = all.map((info) => info.groups.join(', ') || '-');
  const nameWidth = longest(names);
  const groupsWidth = longest(groups);
  return all.map((info, i) =>
    `${names[i].padEnd(nameWidth)}  ${groups[i].padEnd(groupsWidth)}  ${noteOf(info)}`.trimEnd(),
  );
}

function longest(texts: readonly string[]): number {
  return texts.reduce((length, text) => Math.max(length, text.length), 0);
}

function noteOf({ problem, isDisabled, hasScram }: UserInfo): string {
  if (problem !== null) return `cannot log in: its record ${problem}`;
  return [isDisabled ? 'disabled' : '', hasScram ? '' : 'no SCRAM'].filter(Boolean).join(', ');
}
