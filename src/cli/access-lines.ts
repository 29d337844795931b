// The command lines of `iothub acl`, `iothub ban` and `iothub reload`.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/quantity.ts';
import type { AclQuestion, BanKindName, ReloadRequest } from '../server/contract.ts';
import { type DataOption, dataOf, jsonCommand, parseName, toolCommand } from './tool-options.ts';

export interface AclLine {
  readonly command: 'acl';
  /** `test` says allow or deny; `explain` also why. */
  readonly action: 'test' | 'explain';
  readonly json: boolean;
  /** The configuration file whose rules are asked; null: IOTHUB_CONFIG, or none. */
  readonly config: string | null;
  /** The data folder of the server that is asked instead; null: the rules are read from the files. */
  readonly live: string | null;
  readonly question: AclQuestion;
}

export interface BanLine {
  readonly command: 'ban';
  readonly data: string;
  readonly json: boolean;
  readonly task:
    | { readonly action: 'list' }
    | {
        readonly action: 'add';
        readonly kind: BanKindName;
        readonly pattern: string;
        readonly reason: string;
        readonly durationMs: number | null;
        readonly kick: boolean;
      }
    | { readonly action: 'remove'; readonly kind: BanKindName; readonly pattern: string };
}

export interface ReloadLine {
  readonly command: 'reload';
  readonly data: string;
  readonly json: boolean;
  readonly request: ReloadRequest;
}

export type AccessLine = AclLine | BanLine | ReloadLine;

const ACL_EPILOGUE = `
The topic of "subscribe" is a topic filter. Without --live the rules are read
from the configuration and its files, as a start would; with --live the server
on the data folder is asked what is in force, and it knows the groups of its
users, and of its sessions' clients what their tokens said.

Exit codes: 0 allowed, 1 denied, 2 wrong command line, 69 no server runs there,
78 wrong configuration.`;

const BAN_EPILOGUE = `
A running server is asked; without one bans are changed in its store.

Exit codes: 0 done, 1 failed, 2 wrong command line, 74 the store cannot be used,
75 the data folder is in use.`;

const RELOAD_EPILOGUE = `
What is different is printed. Whatever is wrong leaves everything as it was.

Exit codes: 0 reloaded, or it could be, 1 nothing was changed, 2 wrong command
line, 69 no server runs there.`;

interface AclOptions extends DataOption {
  readonly as?: string;
  readonly client: string;
  readonly group?: readonly string[];
  readonly claim?: readonly (readonly [string, string])[];
  readonly qos?: '0' | '1' | '2';
  readonly retain?: boolean;
  readonly json?: boolean;
  readonly live?: boolean;
  readonly config?: string;
}

type AskedAction = AclQuestion['action'];

export function addAclCommands(program: Command, found: (line: AclLine) => void): void {
  const acl = program
    .command('acl')
    .description('say what a client may do, and by which rule')
    .addHelpText('after', ACL_EPILOGUE);
  for (const [action, description] of [
    ['test', 'say allow or deny'],
    ['explain', 'say allow or deny, and which rule decides, in which file and line'],
  ] as const) {
    toolCommand(acl, action, description)
      .argument('<action>', 'publish, subscribe or receive', parseAction)
      .argument('<topic>', 'a topic name, or a topic filter for subscribe', parseTopic)
      .option('--as <user>', 'its user name; without it the client is anonymous')
      .requiredOption('--client <id>', 'its client id')
      .option('-g, --group <group>', 'a group of it; may be repeated', gather)
      .option(
        '--claim <name=value>',
        'a claim of its token, in a claim as a.b=value; may be repeated',
        gatherClaim,
      )
      .addOption(new Option('-q, --qos <qos>', 'the QoS of the message').choices(['0', '1', '2']))
      .option('-r, --retain', 'it is to be retained')
      .option('-c, --config <file>', 'the configuration file')
      .option('--live', 'ask the server that runs on the data folder')
      .option('--json', 'say it as one line of JSON')
      .action((asked: AskedAction, topic: string, options: AclOptions, command: Command) =>
        found(aclLine(action, asked, topic, options, command)),
      );
  }
}

function aclLine(
  action: AclLine['action'],
  asked: AskedAction,
  topic: string,
  options: AclOptions,
  command: Command,
): AclLine {
  const { as: username = null, client: clientId, group: groups = [], claim = [] } = options;
  const { qos = '0', retain = false, json = false, live = false } = options;
  const config = options.config ?? command.optsWithGlobals<AclOptions>().config ?? null;
  if (asked !== 'publish' && retain) {
    command.error('error: --retain goes with publish only', { exitCode: 2 });
  }
  return {
    command: 'acl',
    ...{ action, json, config },
    live: live ? dataOf(options, command) : null,
    question: {
      ...{ username, clientId, groups, action: asked, topic, retain },
      claims: claimsOf(claim),
      qos: Number(qos) as 0 | 1 | 2,
    },
  };
}

interface BanOptions extends DataOption {
  readonly address?: string;
  readonly username?: string;
  readonly clientId?: string;
  readonly for?: number;
  readonly reason?: string;
  readonly kick?: boolean;
  readonly json?: boolean;
}

export function addBanCommands(program: Command, found: (line: BanLine) => void): void {
  const ban = program
    .command('ban')
    .description('keep addresses, users and client ids out')
    .addHelpText('after', BAN_EPILOGUE);
  const line = (task: BanLine['task'], options: BanOptions, command: Command): BanLine => ({
    command: 'ban',
    data: dataOf(options, command),
    json: options.json === true,
    task,
  });
  jsonCommand(ban, 'list', 'list all bans').action((options: BanOptions, command: Command) =>
    found(line({ action: 'list' }, options, command)),
  );
  whom(jsonCommand(ban, 'add', 'ban an address, a user or a client id'))
    .option('--for <duration>', 'for so long, as "1h"; without it until it is lifted', parseFor)
    .option('--reason <text>', 'why; for operators', '')
    .option('--kick', 'end those who are connected')
    .action((options: BanOptions, command: Command) => {
      const { for: durationMs = null, reason = '', kick = false } = options;
      const task = { action: 'add', ...named(options, command), durationMs, reason, kick } as const;
      found(line(task, options, command));
    });
  whom(jsonCommand(ban, 'remove', 'lift a ban')).action((options: BanOptions, command: Command) =>
    found(line({ action: 'remove', ...named(options, command) }, options, command)),
  );
}

function whom(command: Command): Command {
  return command
    .option('--address <range>', 'an address, or a range as 10.0.0.0/8', parseName)
    .option('--username <name>', 'a user name, * for any characters', parseName)
    .option('--client-id <id>', 'a client id, * for any characters', parseName);
}

function named(
  { address, username, clientId }: BanOptions,
  command: Command,
): { readonly kind: BanKindName; readonly pattern: string } {
  const given = (
    [
      ['address', address],
      ['username', username],
      ['client_id', clientId],
    ] as const
  ).filter(([, pattern]) => pattern !== undefined);
  if (given.length !== 1) {
    command.error('error: give one of --address, --username and --client-id', { exitCode: 2 });
  }
  const [kind, pattern = ''] = given[0];
  return { kind, pattern };
}

interface ReloadOptions extends DataOption {
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addReloadCommand(program: Command, found: (line: ReloadLine) => void): void {
  toolCommand(program, 'reload', 'reload the configuration of the server on the data folder')
    .option('--force', 'also where a file lost most of what was in it')
    .option('--dry-run', 'only say what would be different, and how many clients it would end')
    .option('--json', 'say it as one line of JSON')
    .addHelpText('after', RELOAD_EPILOGUE)
    .action((options: ReloadOptions, command: Command) => {
      const { force = false, dryRun = false, json = false } = options;
      const data = dataOf(options, command);
      found({ command: 'reload', data, json, request: { force, dryRun } });
    });
}

function parseAction(text: string): AskedAction {
  if (text === 'publish' || text === 'subscribe' || text === 'receive') return text;
  throw new InvalidArgumentError('It is publish, subscribe or receive.');
}

function parseTopic(text: string): string {
  if (text !== '' && !text.includes('\0')) return text;
  throw new InvalidArgumentError('It must not be empty.');
}

function parseFor(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null && milliseconds > 0) return milliseconds;
  throw new InvalidArgumentError('A duration is written as "90s", "12h" or "30d".');
}

function gather(group: string, groups: readonly string[] = []): readonly string[] {
  return [...groups, group];
}

function gatherClaim(
  text: string,
  claims: readonly (readonly [string, string])[] = [],
): readonly (readonly [string, string])[] {
  const at = text.indexOf('=');
  if (at <= 0) throw new InvalidArgumentError('A claim is written as name=value.');
  return [...claims, [text.slice(0, at), text.slice(at + 1)]];
}

interface ClaimTree {
  [name: string]: string | ClaimTree;
}

/** `a.b=1` is the claim `b` in the claim `a`, as `${claim.a.b}` reads it. */
function claimsOf(said: readonly (readonly [string, string])[]): ClaimTree {
  const claims = noClaims();
  for (const [name, value] of said) {
    const path = name.split('.');
    let at = claims;
    for (const outer of path.slice(0, -1)) {
      const inner = at[outer];
      const next = typeof inner === 'object' ? inner : noClaims();
      at[outer] = next;
      at = next;
    }
    at[path[path.length - 1]] = value;
  }
  return claims;
}

/** Without a prototype, no name means anything. */
function noClaims(): ClaimTree {
  return Object.create(null) as ClaimTree;
}
