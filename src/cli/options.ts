// The command line, as a value. Values are checked here, so that a bad flag is a usage error and never a surprise later.

import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { LogConfig } from '../config/config.ts';
import { readListenerFlag } from '../config/listener-flag.ts';
import { parseDuration } from '../config/quantity.ts';
import { hostProblem } from '../config/setting.ts';
import {
  type AccessLine,
  addAclCommands,
  addBanCommands,
  addReloadCommand,
} from './access-lines.ts';
import { addBenchCommands, type BenchLine } from './bench-line.ts';
import { foldProperties } from './client-line.ts';
import { addCompletionCommand, type Shell } from './completion-line.ts';
import { addDropsCommand, type DropsLine } from './drops-line.ts';
import {
  addExplainCommands,
  addTraceCommand,
  type ExplainLine,
  type TraceLine,
} from './explain-lines.ts';
import { addHealthCommand, type HealthLine } from './health-line.ts';
import { addInitCommand, type InitLine } from './init-line.ts';
import { addLogCommand, type LogLine } from './log-line.ts';
import { addManageCommands, type ManageLine } from './manage-lines.ts';
import { addPasswdCommand, type PasswdLine } from './passwd-line.ts';
import { addPubCommand, type PubLine } from './pub-line.ts';
import { addSubCommand, type SubLine } from './sub-line.ts';
import { addTokenCommands, type TokenLine } from './token-line.ts';
import {
  type DataOption,
  dataOf,
  type JsonOption,
  jsonCommand,
  parseName,
  toolCommand,
} from './tool-options.ts';
import { failUnknown, sayInOneSentence } from './usage-error.ts';
import { addUsersCommands, type UsersLine } from './users-line.ts';
import { readVersion } from './version.ts';

export interface StartOptions {
  readonly config?: string;
  readonly host?: string;
  readonly port?: number;
  /** URLs; they stand for all other listeners. */
  readonly listeners?: readonly string[];
  readonly testConfig?: boolean;
  readonly logLevel?: LogConfig['level'];
  /** The data folder. */
  readonly data?: string;
  /** Refuse to start rather than set a damaged store aside. */
  readonly strictStore?: boolean;
  /** `lmdb`, `memory`, a path or a package. */
  readonly store?: string;
  /** false: there is no page of metrics. */
  readonly metrics?: false;
  /** false: the latest lost messages are not kept. */
  readonly ledger?: false;
  /** The URL of the admin API; false: it is not served. */
  readonly admin?: string | false;
}

/** A command that works on a data folder, not a server. */
export type ToolLine =
  | { readonly command: 'stats'; readonly data: string; readonly json: boolean }
  | { readonly command: 'verify'; readonly data: string; readonly json: boolean }
  | { readonly command: 'export'; readonly data: string; readonly output: string | null }
  | { readonly command: 'compact'; readonly data: string; readonly json: boolean }
  | CopyLine
  | PurgeLine;

export interface CopyLine {
  readonly command: 'backup' | 'restore';
  readonly data: string;
  readonly folder: string;
  readonly json: boolean;
}

export interface PurgeLine {
  readonly command: 'purge';
  readonly data: string;
  readonly json: boolean;
  readonly offlineForMs: number;
  readonly dryRun: boolean;
}

export type CommandLine =
  | { readonly command: 'start'; readonly options: StartOptions }
  | { readonly command: 'check'; readonly options: StartOptions; readonly json: boolean }
  | { readonly command: 'completion'; readonly shell: Shell }
  | AccessLine
  | BenchLine
  | DropsLine
  | HealthLine
  | ExplainLine
  | InitLine
  | LogLine
  | ManageLine
  | PasswdLine
  | PubLine
  | SubLine
  | TokenLine
  | ToolLine
  | TraceLine
  | UsersLine;

const EPILOGUE = `
Without a configuration it serves anonymous clients on 127.0.0.1:1883.
A listener: mqtt://127.0.0.1:1883, 'mqtt://:1883?anonymous=true' (all
interfaces), 'mqtts://:8883?anonymous=true&cert=FILE&key=FILE', ws://, wss://,
mqtt+unix:///run/iothub.sock. Any --listener stands for all of the file.
Flags win over the environment (IOTHUB_LIMITS__QOS_MAX=1), which wins over the
file. All keys: docs/config.md.

Examples:
  iothub                                        serve this machine only
  iothub init plant --tls --host hub.example.com    make a configuration
  iothub check -c plant/iothub.toml             say what would run
  iothub -c plant/iothub.toml                   run it
  iothub sub -t '#' -v                          see what is published
  iothub pub -t hello/world -m hello            publish

Exit codes: 0 stopped as asked, 1 failure while running, 2 wrong command line,
69 cannot listen (port in use, not allowed), 74 the store cannot be used,
75 the data folder is in use, 78 wrong configuration,
130 and 143 stopped at once by a second SIGINT or SIGTERM.`;

const CHECK_EPILOGUE = `
Nothing is started, and nothing is changed; files that the configuration names
are read.

Examples:
  iothub check -c /etc/iothub/iothub.toml
  iothub check --listener 'mqtt://:1883?anonymous=true' --json

Exit codes: 0 it is right, 2 wrong command line, 78 it is wrong.`;

const STORE_EPILOGUE = `
Exit codes: 0 done, 1 failed or damage found, 2 wrong command line, 74 the
store cannot be used, 75 the data folder is in use.`;

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a whole number from 0 to 65535.');
}

function parseHost(text: string): string {
  const problem = hostProblem(text);
  if (problem === null) return text;
  throw new InvalidArgumentError(`${problem}.`);
}

function parseOfflineFor(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null) return milliseconds;
  throw new InvalidArgumentError('A duration is written as "90m", "12h" or "30d".');
}

/** What the command line says. Throws CommanderError, also for --help and --version; its text is printed by then. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const lines: CommandLine[] = [];
  const program = commandTree((line) => {
    lines.push(line);
  });
  program.parse(wordsOf(argv, program), { from: 'user' });
  return lines[0];
}

/** All commands with all their options: what is parsed, completed by shells, and in the reference. */
export function commandTree(found: (line: CommandLine) => void): Command {
  const program = startCommand(found);
  addCheckCommand(program, found);
  addStoreCommands(program, found);
  const sessions = addSessionsCommands(program, found);
  addPasswdCommand(program, found);
  addUsersCommands(program, found);
  addInitCommand(program, found);
  addAclCommands(program, found);
  addBanCommands(program, found);
  addReloadCommand(program, found);
  addDropsCommand(program, found);
  addLogCommand(program, found);
  addPubCommand(program, found);
  addSubCommand(program, found);
  addBenchCommands(program, found);
  addTokenCommands(program, found);
  addHealthCommand(program, found);
  addManageCommands(program, sessions, found);
  addExplainCommands(program, found);
  addTraceCommand(program, found);
  addCompletionCommand(program, found);
  sayInOneSentence(program, program.name());
  return program;
}

/** Of `pub`, `sub` and the commands of `bench` the properties are folded. */
function wordsOf(argv: readonly string[], program: Command): readonly string[] {
  const named = (parent: Command | undefined, name: string | undefined): Command | undefined =>
    parent?.commands.find((command) => command.name() === name);
  const depth = argv[0] === 'bench' ? 2 : 1;
  const client = argv.slice(0, depth).reduce(named, program as Command | undefined);
  const isClient = ['pub', 'sub', 'bench'].includes(argv[0]) && client !== undefined;
  return isClient ? [...argv.slice(0, depth), ...foldProperties(argv.slice(depth), client)] : argv;
}

/** The server is the default: its options belong to the program itself. */
function startCommand(found: (line: CommandLine) => void): Command {
  const program: Command = new Command('iothub')
    .description('An MQTT server: MQTT 3.1, 3.1.1 and 5.0.')
    .exitOverride()
    .enablePositionalOptions() // what follows a subcommand is the subcommand's
    .helpCommand('help [command]', 'print this, or the help of a command')
    .addArgument(
      new Argument('[command]', 'start: run the server (default)')
        .choices(['start'])
        .argParser((name) => (name === 'start' ? name : failUnknown(program, name))),
    );
  return addServerOptions(program)
    .option('-t, --test-config', 'check the configuration, say what is wrong, and exit')
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .addHelpText('after', EPILOGUE)
    .action((_command, options: ParsedOptions, program: Command) => {
      checkListeners(options.listener ?? [], program);
      found({ command: 'start', options: optionsOf(options, options) });
    });
}

/** What says how a server would run. */
function addServerOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file (TOML)')
    .addOption(
      new Option('-l, --listener <url>', 'listen there, with options after a "?"; may be repeated')
        .argParser((url, urls: string[] = []) => [...urls, url])
        .conflicts(['host', 'port']),
    )
    .option('--host <address>', 'listen on this address instead of 127.0.0.1', parseHost)
    .option('-p, --port <number>', 'listen on this port instead of 1883', parsePort)
    .addOption(
      new Option('--log-level <level>', 'the least important lines to show').choices([
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    )
    .option('--data <folder>', 'keep sessions and messages in this folder', parseName)
    .option('--store <type>', 'how they are kept: lmdb, memory, a path or a package', parseName)
    .option('--admin <url>', 'serve the admin API there instead of on http://127.0.0.1:18083')
    .option('--no-admin', 'serve no admin API over HTTP')
    .option('--strict-store', 'refuse to start with a damaged store instead of setting it aside')
    .option('--no-metrics', 'serve no page of metrics for Prometheus')
    .option('--no-ledger', 'do not keep the latest lost messages for "iothub drops"');
}

/** Switches are on without their flag, whatever the configuration says: they count only when they are off. */
function optionsOf(own: ParsedOptions, whole: ParsedOptions): StartOptions {
  const { listener, metrics, ledger, ...rest } = whole;
  return {
    ...rest,
    ...(metrics && own.metrics ? {} : { metrics: false }),
    ...(ledger && own.ledger ? {} : { ledger: false }),
    listeners: listener,
  };
}

interface CheckOptions extends ParsedOptions {
  readonly json?: boolean;
}

function addCheckCommand(program: Command, found: (line: CommandLine) => void): void {
  const check = program
    .command('check')
    .description('say what is wrong with the configuration, or what would run; as -t');
  addServerOptions(check)
    .option('--json', 'say it as one line of JSON')
    .addHelpText('after', CHECK_EPILOGUE)
    .action((own: CheckOptions, command: Command) => {
      const { json, ...whole } = command.optsWithGlobals<CheckOptions>();
      checkListeners(whole.listener ?? [], command);
      found({ command: 'check', json: json === true, options: optionsOf(own, whole) });
    });
}

interface ParsedOptions extends Omit<StartOptions, 'listeners' | 'metrics' | 'ledger'> {
  /** Without the flags both are true, whatever the configuration says. */
  readonly metrics: boolean;
  readonly ledger: boolean;
  readonly listener?: readonly string[];
}

interface PurgeOptions extends JsonOption {
  readonly offlineFor: number;
  readonly dryRun?: boolean;
}

/** Not as the parser of the option: its message would show the URL, and with it what must not be seen. */
function checkListeners(urls: readonly string[], program: Command): void {
  for (const url of urls) {
    const read = readListenerFlag(url, process.cwd());
    if (typeof read === 'string') program.error(`error: --listener: ${read}`, { exitCode: 2 });
  }
}

function addStoreCommands(program: Command, found: (line: CommandLine) => void): void {
  const store = program
    .command('store')
    .description('look at, check, copy and mend what is stored')
    .addHelpText('after', STORE_EPILOGUE);
  const whole = (command: 'stats' | 'verify' | 'compact', description: string): void => {
    jsonCommand(store, command, description).action((options: JsonOption, own: Command) =>
      found({ command, data: dataOf(options, own), json: options.json === true }),
    );
  };
  const copy = (command: CopyLine['command'], description: string, where: string): void => {
    jsonCommand(store, command, description)
      .argument('<folder>', where, parseName)
      .action((folder: string, options: JsonOption, own: Command) =>
        found({ command, data: dataOf(options, own), folder, json: options.json === true }),
      );
  };
  whole('stats', 'say what is in it, and how much room it takes');
  whole('verify', 'read every record of it, and list what is damaged');
  toolCommand(store, 'export', 'write all of it as lines of JSON')
    .option('-o, --output <file>', 'to this file instead of the standard output', parseName)
    .action((options: DataOption & { output?: string }, command: Command) =>
      found({
        command: 'export',
        data: dataOf(options, command),
        output: options.output ?? null,
      }),
    );
  whole('compact', 'give unused room in its file back; not while a server runs');
  const target = 'where the copy goes';
  copy('backup', 'copy it into a new folder, also while the server runs', target);
  copy('restore', 'put a backup in its place; not while a server runs', 'where the backup is');
}

function addSessionsCommands(program: Command, found: (line: CommandLine) => void): Command {
  const sessions = program
    .command('sessions')
    .description('look after the sessions that are stored')
    .addHelpText('after', STORE_EPILOGUE);
  jsonCommand(sessions, 'purge', 'end the sessions of clients that have been away for long')
    .requiredOption(
      '--offline-for <duration>',
      'for at least so long, as "30d"; their queues go with them',
      parseOfflineFor,
    )
    .option('--dry-run', 'only say which ones')
    .action((options: PurgeOptions, command: Command) =>
      found({
        command: 'purge',
        data: dataOf(options, command),
        json: options.json === true,
        offlineForMs: options.offlineFor,
        dryRun: options.dryRun === true,
      }),
    );
  return sessions;
}
