// The command line of `iothub bench`: the flags of `iothub pub` and `iothub sub` for where the server is, and those that people know from
// load generators for MQTT.

import { type Command, InvalidArgumentError } from 'commander';
import type { BenchKind } from '../client/bench/plan.ts';
import { parseDuration, parseSize } from '../config/quantity.ts';
import { parseTopicFilter } from '../protocol/filter.ts';
import type { QoS } from '../protocol/packet.ts';
import {
  addQosFlag,
  addServerFlags,
  addTlsFlags,
  type ConnectionLine,
  type ConnectionOptions,
  connectionOf,
} from './client-line.ts';

export interface BenchLine {
  readonly command: 'bench';
  readonly kind: BenchKind;
  readonly connection: ConnectionLine;
  /** Of pairs: so many pairs. */
  readonly clients: number;
  readonly firstNumber: number;
  /** null: as fast as they come about. */
  readonly connectionsPerSecond: number | null;
  /** With %i, %c and %u. */
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly payloadBytes: number;
  /** Of all together; null: as fast as the server lets them in. */
  readonly messagesPerSecond: number | null;
  readonly messages: number | null;
  readonly inflightMax: number;
  readonly durationMs: number | null;
  readonly patienceMs: number;
  readonly json: boolean;
  /** Only the summary is told. */
  readonly isQuiet: boolean;
}

interface BenchOptions extends ConnectionOptions {
  readonly count: number;
  readonly connRate: number;
  readonly startNumber: number;
  readonly for?: number;
  readonly json?: boolean;
  readonly topic?: string;
  readonly messages?: number;
  readonly wait?: number;
  readonly size?: number;
  readonly interval?: number;
  readonly rate?: number;
  readonly maxInflight?: number;
  readonly retain?: boolean;
}

/** What -r and -R take for "as fast as it goes". */
const AS_FAST_AS_IT_GOES = 'max';
const CLIENTS_MAX = 100_000;
const RATE_MAX = 10_000_000;
const SIZE_MAX = 67_108_864;
const PAIR_SIZE_MIN = 24;
const TOPIC = 'iothub/bench/%i';
const LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

const EPILOGUE = `
Any MQTT server is measured, by this one process: the summary says how busy it
was itself. Ctrl-C ends it, with the summary; a second one without waiting.
In topics and after -u %i is the number of the client, in topics %c is its
client id and %u its user name.

Examples:
  iothub bench conn -h hub.example.com -c 10000 -R 500 --for 5m
  iothub bench pairs -c 100 -r 5000 -q 1 --for 30s
  iothub bench sub -c 10 -t 'load/#' --json > in.ndjson
  iothub bench pub -c 50 -r max -s 1KiB -q 1 -n 100000 -t load/%i

Exit codes: 0 everybody connected and stayed, and nothing was lost, refused or
out of order, 1 something was, 2 wrong command line.`;

const KINDS = [
  ['conn', 'connect clients, and keep them connected'],
  ['pub', 'publish'],
  ['sub', 'subscribe, and count what comes'],
  ['pairs', 'publish and subscribe, each publisher to a subscriber of its own'],
] as const;

export function addBenchCommands(program: Command, found: (line: BenchLine) => void): void {
  const bench = program
    .command('bench')
    .description('put load on an MQTT server, and say how it does')
    .addHelpText('after', EPILOGUE);
  for (const [kind, description] of KINDS) {
    const command = addServerFlags(bench.command(kind).description(description));
    addFleetFlags(command, kind);
    if (kind !== 'conn') addTrafficFlags(command, kind);
    if (kind === 'pub' || kind === 'pairs') addSendingFlags(command, kind);
    addTlsFlags(command);
    command
      .option('--json', 'an object of JSON a second, then one for the summary')
      .option('--quiet', 'only the summary')
      .addHelpText('after', EPILOGUE)
      .action((options: BenchOptions, self: Command) => found(benchLine(kind, options, self)));
  }
}

function addFleetFlags(command: Command, kind: BenchKind): void {
  const what = kind === 'pairs' ? 'pairs' : 'clients';
  command
    .option('-c, --count <count>', `so many ${what}`, wholeFrom(1, CLIENTS_MAX), 100)
    .option(
      '-R, --conn-rate <rate>',
      `connect so many a second, or "${AS_FAST_AS_IT_GOES}"`,
      parseRate,
      100,
    )
    .option('--id-prefix <prefix>', 'client ids are this and the number (default: made up)')
    .option('--start-number <number>', 'the number of the first client', wholeFrom(0, 1_000_000), 1)
    .option('--for <duration>', 'end so long after all are connected, as "30s"', parsePositive);
}

function addTrafficFlags(command: Command, kind: BenchKind): void {
  const what = kind === 'sub' ? 'a topic filter' : 'the topic';
  const done = kind === 'sub' ? 'received' : 'sent';
  command
    .option('-t, --topic <topic>', `${what}, with %i, %c and %u (default: ${TOPIC})`)
    .option(
      '-n, --messages <count>',
      `end when so many are ${done}, by all together`,
      wholeFrom(1, 1e12),
    );
  addQosFlag(command);
}

function addSendingFlags(command: Command, kind: BenchKind): void {
  command
    .option('-s, --size <size>', 'bytes of each payload (default: 256)', parsePayloadSize)
    .option(
      '-r, --rate <rate>',
      `so many messages a second, by all together, or "${AS_FAST_AS_IT_GOES}"`,
      parseRate,
    )
    .option(
      '-I, --interval <milliseconds>',
      'each client publishes so often (default: 1000)',
      wholeFrom(1, 86_400_000),
    )
    .option(
      '-M, --max-inflight <count>',
      'so many at QoS 1 and 2 at a time (default: 20)',
      wholeFrom(1, 65_535),
    )
    .option(
      '--wait <duration>',
      'wait so long for what does not come (default: 10s)',
      parsePositive,
    );
  if (kind === 'pub') command.option('--retain', 'the server retains the messages');
}

function benchLine(kind: BenchKind, options: BenchOptions, command: Command): BenchLine {
  const fail = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  const connection = connectionOf(options, command, process.env);
  const topic = options.topic ?? connection.topic ?? TOPIC;
  checkProperties(kind, connection, fail);
  if (kind !== 'conn') checkTopic(kind, topic, options, connection, fail);
  const { count: clients, startNumber: firstNumber, size: payloadBytes = 256 } = options;
  if (options.rate !== undefined && options.interval !== undefined) {
    fail('-r and -I do not go together');
  }
  if (kind === 'pairs' && payloadBytes < PAIR_SIZE_MIN) {
    fail(`-s is ${PAIR_SIZE_MIN} at least: each message of pairs carries its number and time`);
  }
  const perSecond = options.rate ?? (clients * 1_000) / (options.interval ?? 1_000);
  return {
    command: 'bench',
    ...{ kind, connection, clients, firstNumber, topic, payloadBytes },
    connectionsPerSecond: finite(options.connRate),
    qos: Number(options.qos ?? '0') as QoS,
    retain: options.retain === true,
    messagesPerSecond: finite(perSecond),
    messages: options.messages ?? null,
    inflightMax: options.maxInflight ?? 20,
    durationMs: options.for ?? null,
    patienceMs: options.wait ?? 10_000,
    json: options.json === true,
    isQuiet: connection.isQuiet,
  };
}

type Fail = (sentence: string) => never;

const PROPERTY_PACKETS: Readonly<Record<BenchKind, readonly string[]>> = {
  conn: ['connect'],
  pub: ['connect', 'publish'],
  sub: ['connect', 'subscribe'],
  pairs: ['connect', 'publish', 'subscribe'],
};

/** What would not be sent is an error. */
function checkProperties(kind: BenchKind, { properties }: ConnectionLine, fail: Fail): void {
  for (const [packet, values] of Object.entries(properties)) {
    if (Object.keys(values).length === 0 || PROPERTY_PACKETS[kind].includes(packet)) continue;
    fail(`--property: bench ${kind} has properties of ${PROPERTY_PACKETS[kind].join(', ')} only`);
  }
}

function checkTopic(
  kind: BenchKind,
  topic: string,
  { count }: BenchOptions,
  { username }: ConnectionLine,
  fail: Fail,
): void {
  if (topic.includes('%u') && username === null) fail('%u in -t needs -u');
  if (kind === 'pairs' && count > 1 && !/%[ic]/.test(topic)) {
    fail('-t needs %i or %c: each pair has a topic of its own');
  }
  if (kind === 'sub') {
    try {
      parseTopicFilter(topic, LIMITS);
    } catch (error) {
      fail(`-t "${topic}": ${(error as Error).message}`);
    }
  } else if (topic === '' || /[+#\0]/.test(topic)) {
    fail('-t is no topic name: it is not empty, and has no + and no #');
  }
}

function finite(rate: number): number | null {
  return Number.isFinite(rate) ? rate : null;
}

function wholeFrom(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,13}$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It is a whole number from ${minimum} to ${maximum}.`);
  };
}

function parseRate(text: string): number {
  if (text === AS_FAST_AS_IT_GOES) return Number.POSITIVE_INFINITY;
  const rate = Number(text);
  if (/^\d{1,8}(?:\.\d{1,3})?$/.test(text) && rate > 0 && rate <= RATE_MAX) return rate;
  throw new InvalidArgumentError(
    `It is a number up to ${RATE_MAX}, as 500 or 0.5, or "${AS_FAST_AS_IT_GOES}".`,
  );
}

function parsePayloadSize(text: string): number {
  const bytes = parseSize(/^\d+$/.test(text) ? Number(text) : text);
  if (bytes !== null && Number.isInteger(bytes) && bytes <= SIZE_MAX) return bytes;
  throw new InvalidArgumentError('A size is written as 512 or "4KiB", and is 64MiB at most.');
}

function parsePositive(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null && milliseconds > 0 && milliseconds <= 1e10) return milliseconds;
  throw new InvalidArgumentError('A duration is written as "500ms", "30s" or "5m".');
}
