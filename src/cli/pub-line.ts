// The command line of `iothub pub`: mosquitto_pub's flags.

import { type Command, InvalidArgumentError } from 'commander';
import type { QoS } from '../protocol/packet.ts';
import {
  addConnectionOptions,
  type ConnectionLine,
  type ConnectionOptions,
  connectionOf,
} from './client-line.ts';

export type PayloadSource =
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }
  /** A message for each line of standard input. */
  | { readonly kind: 'lines' }
  /** All of standard input is one message. */
  | { readonly kind: 'stdin' }
  | { readonly kind: 'empty' };

export interface PubLine {
  readonly command: 'pub';
  readonly connection: ConnectionLine;
  readonly topicName: string;
  readonly source: PayloadSource;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly inflightMax: number;
  readonly repeat: number;
  readonly repeatDelayMs: number;
}

interface PubOptions extends ConnectionOptions {
  readonly topic?: string;
  readonly message?: string;
  readonly file?: string;
  readonly stdinLine?: boolean;
  readonly stdinFile?: boolean;
  readonly nullMessage?: boolean;
  readonly retain?: boolean;
  readonly maxInflight: number;
  readonly repeat?: number;
  readonly repeatDelay?: number;
}

const EPILOGUE = `
Where the server is may stand in MQTT_URL, as mqtt://user:password@host:1883,
which is used when none of -h, -p, -L, --unix and --ws is given.

Examples:
  iothub pub -t hello/world -m 'first message'
  iothub pub -t plant/state -q 1 -r -f state.json
  tail -f log | iothub pub -h hub.example.com --cafile ca.pem -t log -l
  iothub pub -V 5 -t job -m 7 -D publish content-type text/plain

Exit codes: 0 sent, and with -q 1 or 2 taken by the server, 1 cannot connect,
2 wrong command line, 7 the connection was lost before that, and what the
server answered where it refused: 1 to 5 (MQTT 3), 128 or more (MQTT 5).`;

export function addPubCommand(program: Command, found: (line: PubLine) => void): void {
  addConnectionOptions(
    program.command('pub').description('publish messages, with the flags of mosquitto_pub'),
  )
    .option('-t, --topic <topic>', 'the topic')
    .option('-m, --message <message>', 'the message')
    .option('-f, --file <file>', 'the message is the content of this file')
    .option('-l, --stdin-line', 'each line of the standard input is a message')
    .option('-s, --stdin-file', 'the whole standard input is the message')
    .option('-n, --null-message', 'the message is empty')
    .option('-r, --retain', 'the server retains it')
    .option('-M, --max-inflight <count>', 'so many at QoS 1 and 2 at a time', parseCount, 20)
    .option('--repeat <count>', 'publish it so often; not with -l', parseCount)
    .option('--repeat-delay <seconds>', 'and wait so long between them', parseSeconds)
    .addHelpText('after', EPILOGUE)
    .action((options: PubOptions, command: Command) => found(pubLine(options, command)));
}

function pubLine(options: PubOptions, command: Command): PubLine {
  const fail = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  const connection = connectionOf(options, command, process.env);
  const topicName = options.topic ?? connection.topic ?? fail('name a topic by -t');
  if (topicName === '' || /[+#\0]/.test(topicName)) {
    fail('-t is no topic name: it is not empty, and has no + and no #');
  }
  const sources = sourcesOf(options);
  if (sources.length !== 1) fail('give one of -m, -f, -l, -s and -n');
  const [source] = sources;
  const { repeat, repeatDelay } = options;
  if (source.kind === 'lines' && repeat !== undefined) fail('--repeat does not go with -l');
  if (repeatDelay !== undefined && repeat === undefined) fail('--repeat-delay needs --repeat');
  return {
    command: 'pub',
    ...{ connection, topicName, source },
    qos: Number(options.qos) as QoS,
    retain: options.retain === true,
    inflightMax: options.maxInflight,
    repeat: repeat ?? 1,
    repeatDelayMs: (repeatDelay ?? 0) * 1_000,
  };
}

function sourcesOf(options: PubOptions): PayloadSource[] {
  const { message, file, stdinLine, stdinFile, nullMessage } = options;
  const sources: PayloadSource[] = [];
  if (message !== undefined) sources.push({ kind: 'message', text: message });
  if (file !== undefined) sources.push({ kind: 'file', path: file });
  if (stdinLine === true) sources.push({ kind: 'lines' });
  if (stdinFile === true) sources.push({ kind: 'stdin' });
  if (nullMessage === true) sources.push({ kind: 'empty' });
  return sources;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count > 0) return count;
  throw new InvalidArgumentError('It is a whole number from 1 on.');
}

function parseSeconds(text: string): number {
  if (/^\d{1,6}(?:\.\d{1,3})?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is a number of seconds, as 0.5.');
}
