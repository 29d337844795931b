// The command lines about a server that runs: its clients, their subscriptions and queues, retained messages, itself.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/quantity.ts';
import type {
  ClientFilter,
  ClientState,
  DrainRequest,
  KickRequest,
} from '../server/contract/management.ts';
import { type DataOption, dataOf, jsonCommand, parseName } from './tool-options.ts';

/** What is to be sent, and where it comes from. */
export interface SendTask {
  readonly action: 'send';
  readonly topic: string;
  /** null: it is read from the file. */
  readonly message: string | null;
  readonly file: string | null;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export type ManageTask =
  | { readonly action: 'clients list'; readonly filter: ClientFilter }
  | { readonly action: 'clients show' | 'clients purge'; readonly clientId: string }
  | {
      readonly action: 'kick';
      readonly clientId: string;
      readonly request: KickRequest;
    }
  | { readonly action: 'sessions list'; readonly order: 'bytes' | 'age' }
  | {
      readonly action: 'subscriptions';
      readonly clientId: string | null;
      readonly topicFilter: string | null;
      /** Whom it reaches; null: all are listed. */
      readonly topic: string | null;
    }
  | { readonly action: 'topics'; readonly prefix: string }
  | { readonly action: 'retained list'; readonly filter: string | null }
  | {
      readonly action: 'retained show';
      readonly topic: string;
      readonly payloadBytes: number | null;
    }
  | { readonly action: 'retained delete'; readonly filter: string; readonly dryRun: boolean }
  | { readonly action: 'queues show'; readonly clientId: string }
  | { readonly action: 'queues clear'; readonly clientId: string; readonly dryRun: boolean }
  | SendTask
  | { readonly action: 'listeners' | 'info' }
  | {
      readonly action: 'drain';
      /** `undo` lets clients in again, `state` only says how it is. */
      readonly request: DrainRequest | 'undo' | 'state';
    }
  | {
      readonly action: 'config print';
      readonly config: string | null;
      readonly isLive: boolean;
      readonly withOrigin: boolean;
    };

export interface ManageLine {
  readonly command: 'manage';
  readonly data: string;
  readonly json: boolean;
  /** Of a list: so many at most, and only those after this. */
  readonly limit: number;
  readonly after: string | null;
  readonly task: ManageTask;
}

const LIMIT_DEFAULT = 1_000;

const EPILOGUE = `
The server on the data folder is asked. In names "*" stands for any characters.

Exit codes: 0 done, 1 failed (no such client), 2 wrong command line, 69 no
server runs there.`;

interface Common extends DataOption {
  readonly json?: boolean;
  readonly limit?: number;
  readonly after?: string;
}

type Found = (line: ManageLine) => void;
type Does = (task: ManageTask, options: Common, command: Command) => void;

/** Makes the line of what was parsed. */
function lineMaker(found: Found): Does {
  return (task, options, command) => {
    const { after = null, json = false, limit = LIMIT_DEFAULT } = options;
    const data = dataOf(options, command);
    found({ command: 'manage', data, json, limit, after, task });
  };
}

export function addManageCommands(program: Command, sessions: Command, found: Found): void {
  const done = lineMaker(found);
  addClientCommands(program, done);
  addSessionsList(sessions, done);
  addSubscriptionCommands(program, done);
  addRetainedCommands(program, done);
  addQueueCommands(program, done);
  addSendCommand(program, done);
  addServerCommands(program, done);
  addConfigCommand(program, done);
}

function group(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).addHelpText('after', EPILOGUE);
}

function list(parent: Command, name: string, description: string): Command {
  return jsonCommand(parent, name, description)
    .option('--limit <number>', `so many at most (default: ${LIMIT_DEFAULT})`, parseLimit)
    .option('--after <name>', 'only those after this one', parseName);
}

interface ListOptions extends Common {
  readonly connected?: boolean;
  readonly away?: boolean;
  readonly clientId?: string;
  readonly username?: string;
  readonly address?: string;
  readonly listener?: string;
}

function addClientCommands(program: Command, done: Does): void {
  const clients = group(program, 'clients', 'look at clients, and end them');
  list(clients, 'list', 'list clients, connected and away, by their ids')
    .addOption(new Option('--connected', 'only those that are connected').conflicts('away'))
    .option('--away', 'only those that are away with their sessions')
    .option('--client-id <id>', 'only these client ids', parseName)
    .option('--username <name>', 'only these user names', parseName)
    .option('--address <range>', 'only from there, as 10.0.0.0/8', parseName)
    .option('--listener <name>', 'only those that came in there', parseName)
    .action((options: ListOptions, command: Command) => {
      const { address, away, clientId, connected, listener, username } = options;
      const state: ClientState | null =
        connected === true ? 'connected' : away === true ? 'away' : null;
      const filter = { state, clientId, username, address, listener };
      done({ action: 'clients list', filter }, options, command);
    });
  jsonCommand(clients, 'show', 'say all that is known of a client')
    .argument('<client>', 'the client id', parseName)
    .action((clientId: string, options: Common, command: Command) =>
      done({ action: 'clients show', clientId }, options, command),
    );
  addKick(clients, done);
  jsonCommand(clients, 'purge', 'end the session of a client; its queue goes with it')
    .argument('<client>', 'the client id', parseName)
    .action((clientId: string, options: Common, command: Command) =>
      done({ action: 'clients purge', clientId }, options, command),
    );
  addKick(program, done).addHelpText('after', EPILOGUE);
}

interface KickOptions extends Common {
  readonly reasonCode?: number;
  readonly reason?: string;
  readonly serverReference?: string;
  readonly endSession?: boolean;
}

function addKick(parent: Command, done: Does): Command {
  return jsonCommand(parent, 'kick', 'disconnect a client')
    .argument('<client>', 'the client id', parseName)
    .option('--reason-code <code>', 'what DISCONNECT says (default: 0x98)', parseCode)
    .option('--reason <text>', 'the reason string; v5 clients are told', parseName)
    .option('--server-reference <server>', 'where to go; with 0x9C and 0x9D only', parseName)
    .option('--end-session', 'end its session, too')
    .action((clientId: string, options: KickOptions, command: Command) => {
      const { endSession = false, reasonCode, reason: reasonString, serverReference } = options;
      const request = { endSession, reasonCode, reasonString, serverReference };
      done({ action: 'kick', clientId, request }, options, command);
    });
}

function addSessionsList(sessions: Command, done: Does): void {
  jsonCommand(
    sessions,
    'list',
    'list sessions of clients that are away, those first that hold most',
  )
    .option('--limit <number>', 'so many at most (default: 20)', parseLimit)
    .addOption(
      new Option('--by <what>', 'or those that are away longest').choices(['bytes', 'age']),
    )
    .action((options: Common & { by?: 'bytes' | 'age' }, command: Command) => {
      const { by: order = 'bytes', limit = 20 } = options;
      done({ action: 'sessions list', order }, { ...options, limit }, command);
    });
}

interface SubscriptionOptions extends Common {
  readonly clientId?: string;
  readonly filter?: string;
  readonly topic?: string;
}

function addSubscriptionCommands(program: Command, done: Does): void {
  list(program, 'subscriptions', 'list subscriptions, by client and filter')
    .option('--client-id <id>', 'only of these clients', parseName)
    .option('--filter <filter>', 'only these filters', parseName)
    .addOption(
      new Option('--topic <topic>', 'only those that a message of this topic matches')
        .argParser(parseName)
        .conflicts(['clientId', 'filter']),
    )
    .addHelpText('after', EPILOGUE)
    .action((options: SubscriptionOptions, command: Command) => {
      const { clientId = null, filter: topicFilter = null, topic = null } = options;
      done({ action: 'subscriptions', clientId, topicFilter, topic }, options, command);
    });
  list(program, 'topics', 'list filters that are subscribed to and topics that are retained')
    .option('--prefix <text>', 'only those that begin so', parseName)
    .addHelpText('after', EPILOGUE)
    .action((options: Common & { prefix?: string }, command: Command) =>
      done({ action: 'topics', prefix: options.prefix ?? '' }, options, command),
    );
}

function addRetainedCommands(program: Command, done: Does): void {
  const retained = group(program, 'retained', 'look at retained messages, and remove them');
  list(retained, 'list', 'list retained messages, by topic')
    .argument('[filter]', 'only those that match this topic filter', parseName)
    .action((filter: string | undefined, options: Common, command: Command) =>
      done({ action: 'retained list', filter: filter ?? null }, options, command),
    );
  jsonCommand(retained, 'show', 'show a retained message with its payload')
    .argument('<topic>', 'the topic', parseName)
    .option('--bytes <number>', 'so many bytes of the payload (default: 4096)', parseLimit)
    .action((topic: string, options: Common & { bytes?: number }, command: Command) => {
      const { bytes: payloadBytes = null } = options;
      done({ action: 'retained show', topic, payloadBytes }, options, command);
    });
  jsonCommand(retained, 'delete', 'remove the retained messages that match a filter')
    .argument('<filter>', 'the topic filter', parseName)
    .option('--dry-run', 'only say how many')
    .action((filter: string, options: DryRun, command: Command) => {
      const { dryRun = false } = options;
      done({ action: 'retained delete', filter, dryRun }, options, command);
    });
}

interface DryRun extends Common {
  readonly dryRun?: boolean;
}

function addQueueCommands(program: Command, done: Does): void {
  const queues = group(program, 'queues', 'look at what waits for a client, and drop it');
  list(queues, 'show', 'list what waits for a client, the next first')
    .argument('<client>', 'the client id', parseName)
    .action((clientId: string, options: Common, command: Command) =>
      done({ action: 'queues show', clientId }, options, command),
    );
  jsonCommand(queues, 'clear', 'drop what waits for a client; what is in flight stays')
    .argument('<client>', 'the client id', parseName)
    .option('--dry-run', 'only say how many')
    .action((clientId: string, options: DryRun, command: Command) => {
      const { dryRun = false } = options;
      done({ action: 'queues clear', clientId, dryRun }, options, command);
    });
}

interface SendOptions extends Common {
  readonly message?: string;
  readonly file?: string;
  readonly qos?: '0' | '1' | '2';
  readonly retain?: boolean;
}

function addSendCommand(program: Command, done: Does): void {
  jsonCommand(program, 'send', 'let the server publish a message, which comes from no client')
    .argument('<topic>', 'the topic', parseName)
    .addOption(new Option('-m, --message <text>', 'the payload').conflicts('file'))
    .option('-f, --file <file>', 'a file that is the payload', parseName)
    .addOption(new Option('-q, --qos <qos>', 'its QoS').choices(['0', '1', '2']))
    .option('-r, --retain', 'retain it; an empty one removes what is retained')
    .addHelpText('after', EPILOGUE)
    .action((topic: string, options: SendOptions, command: Command) => {
      const { file = null, message = null, qos = '0', retain = false } = options;
      if (file === null && message === null) {
        command.error('error: give --message or --file', { exitCode: 2 });
      }
      const task = { topic, message, file, qos: Number(qos) as 0 | 1 | 2, retain };
      done({ action: 'send', ...task }, options, command);
    });
}

interface DrainOptions extends Common {
  readonly over?: number;
  readonly serverReference?: string;
  readonly permanent?: boolean;
  readonly undo?: boolean;
  readonly state?: boolean;
}

function addServerCommands(program: Command, done: Does): void {
  for (const [action, description] of [
    ['listeners', 'list the listeners of the server, and how each is doing'],
    ['info', 'say what the server is, and for how long it has run'],
  ] as const) {
    jsonCommand(program, action, description)
      .addHelpText('after', EPILOGUE)
      .action((options: Common, command: Command) => done({ action }, options, command));
  }
  jsonCommand(program, 'drain', 'let nobody in any more, and send away who is here')
    .option('--over <duration>', 'evenly over this time (default: 1m); 0 sends nobody', parseOver)
    .option('--server-reference <server>', 'where v5 clients are sent', parseName)
    .option('--permanent', 'they are to stay there (0x9D), not only this time (0x9C)')
    .addOption(new Option('--undo', 'let clients in again').conflicts(['over', 'state']))
    .option('--state', 'only say how far it is')
    .addHelpText('after', EPILOGUE)
    .action((options: DrainOptions, command: Command) => {
      const { over: overMs = 60_000, permanent = false, serverReference = null } = options;
      const wanted = { overMs, serverReference, isPermanent: permanent };
      const request = options.undo === true ? 'undo' : options.state === true ? 'state' : wanted;
      done({ action: 'drain', request }, options, command);
    });
}

interface ConfigOptions extends Common {
  readonly config?: string;
  readonly live?: boolean;
  readonly origin?: boolean;
}

function addConfigCommand(program: Command, done: Does): void {
  const config = program.command('config').description('say what the configuration comes to');
  jsonCommand(config, 'print', 'print every key with its value; secrets are not shown')
    .option('--origin', 'and who said it: the file and line, a variable, or a default')
    .option('-c, --config <file>', 'the configuration file')
    .option('--live', 'ask the server on the data folder what is in force')
    .addHelpText('after', CONFIG_EPILOGUE)
    .action((options: ConfigOptions, command: Command) => {
      const { live: isLive = false, origin: withOrigin = false } = options;
      const file = options.config ?? command.optsWithGlobals<ConfigOptions>().config ?? null;
      done({ action: 'config print', config: file, isLive, withOrigin }, options, command);
    });
}

const CONFIG_EPILOGUE = `
Without --live the file and the environment are read, as a start would.

Exit codes: 0 done, 2 wrong command line, 69 no server runs there, 78 wrong
configuration.`;

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is a whole number from 1.');
}

function parseCode(text: string): number {
  const code = /^(?:0x[0-9a-fA-F]{1,2}|\d{1,3})$/.test(text) ? Number(text) : Number.NaN;
  if (code <= 255) return code;
  throw new InvalidArgumentError('A reason code is written as 0x98 or 152.');
}

function parseOver(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null) return milliseconds;
  throw new InvalidArgumentError('A duration is written as "90s" or "5m".');
}
