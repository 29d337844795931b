// The command line of `iothub sub`: mosquitto_sub's flags.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type MessageFormat, parseFormat } from '../client/message-format.ts';
import { parseTopicFilter } from '../protocol/filter.ts';
import type { QoS, RetainHandling } from '../protocol/packet.ts';
import {
  addConnectionOptions,
  type ConnectionLine,
  type ConnectionOptions,
  connectionOf,
  foreign,
} from './client-line.ts';

export interface SubLine {
  readonly command: 'sub';
  readonly connection: ConnectionLine;
  readonly topicFilters: readonly string[];
  readonly unsubscribeFrom: readonly string[];
  /** Messages whose topics match are not shown. */
  readonly hidden: readonly string[];
  readonly qos: QoS;
  readonly format: MessageFormat | null;
  readonly isVerbose: boolean;
  readonly hasLineEnds: boolean;
  readonly isPretty: boolean;
  /** null: without end. */
  readonly count: number | null;
  readonly timeoutMs: number | null;
  readonly endsWhenSubscribed: boolean;
  readonly retained: 'all' | 'only' | 'none';
  readonly removesRetained: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: RetainHandling;
}

interface SubOptions extends ConnectionOptions {
  readonly topic?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly filterOut?: readonly string[];
  readonly format?: string;
  readonly verbose?: boolean;
  /** commander makes `--no-eol` this */
  readonly eol: boolean;
  readonly pretty?: boolean;
  readonly count?: number;
  readonly timeout?: number;
  readonly exitAfterSub?: boolean;
  readonly stale: boolean;
  readonly retainedOnly?: boolean;
  readonly removeRetained?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: string;
}

const RETAIN_HANDLING: Readonly<Record<string, RetainHandling>> = {
  ...{ always: 0, new: 1, never: 2, '0': 0, '1': 1, '2': 2 },
};
const LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

const EPILOGUE = `
Where the server is may stand in MQTT_URL, as mqtt://user:password@host:1883,
which is used when none of -h, -p, -L, --unix and --ws is given.
Payloads are written as they are; on a terminal control characters are escaped.

Fields of -F: %t topic, %p payload, %x and %X in hex, %l its length, %q QoS,
%r retain, %m packet id, %j JSON, %J JSON with a JSON payload, %I time, %U in
seconds, %A topic alias, %C content type, %D correlation data, %E expiry,
%F payload format, %P user properties, %R response topic, %S subscription id,
@ with a letter of strftime, @N nanoseconds, \\n \\t \\0 and so on; a width as in
%-20t goes with t l m A C E F I R S.

Examples:
  iothub sub -t '#' -v
  iothub sub -t 'plant/+/temperature' -F '@H:@M:@S %t %p'
  iothub sub -t 'config/#' --retained-only -C 10 -W 5
  iothub sub -V 5 -c -i archive -q 1 -t 'log/#' -F %j >> log.ndjson

Exit codes: 0 done, 1 cannot connect, 2 wrong command line, 27 not done when
the time of -W was over, and what the server answered where it refused or ended
the connection: 1 to 5 (MQTT 3), 128 or more (MQTT 5, and SUBACK).`;

export function addSubCommand(program: Command, found: (line: SubLine) => void): void {
  addConnectionOptions(
    program.command('sub').description('subscribe and print, with the flags of mosquitto_sub'),
  )
    .option('-t, --topic <filter>', 'a topic filter; may be repeated', gather)
    .option('-v, --verbose', 'print the topic before each message')
    .option('-F, --format <format>', 'print messages so')
    .option('--pretty', 'JSON on many lines')
    .option('-N, --no-eol', 'print no line end after each message')
    .option('-C, --count <count>', 'end after so many messages', parseCount)
    .option('-W, --timeout <seconds>', 'end after so long, with exit code 27', parseCount)
    .option('-E, --exit-after-sub', 'end when everything is subscribed')
    .option('-R, --no-stale', 'do not print retained messages')
    .option('-T, --filter-out <filter>', 'do not print these topics; may be repeated', gather)
    .option('-U, --unsubscribe <filter>', 'unsubscribe from this; may be repeated', gather)
    .option('--retained-only', 'only retained messages; end at the first other one')
    .option('--remove-retained', 'remove those that are received from the server')
    .option('--retain-as-published', 'leave the retain flag as it was published (v5)')
    .addOption(
      new Option('--retain-handling <when>', 'whether retained messages are sent (v5)').choices(
        Object.keys(RETAIN_HANDLING),
      ),
    )
    .addOption(foreign('--random-filter <percent>'))
    .addOption(foreign('--message-rate'))
    .addOption(foreign('-w, --watch'))
    .addHelpText('after', EPILOGUE)
    .action((options: SubOptions, command: Command) => found(subLine(options, command)));
}

function subLine(options: SubOptions, command: Command): SubLine {
  const fail = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  const connection = connectionOf(options, command, process.env);
  const { topic = [], unsubscribe: unsubscribeFrom = [], filterOut: hidden = [] } = options;
  const topicFilters = connection.topic === null ? topic : [...topic, connection.topic];
  if (topicFilters.length + unsubscribeFrom.length === 0) fail('name a topic filter by -t');
  for (const [name, filters] of [
    ['-t', topicFilters],
    ['-U', unsubscribeFrom],
    ['-T', hidden],
  ] as const) {
    for (const filter of filters) checkFilter(name, filter, fail);
  }
  const { retainAsPublished = false, retainHandling, retainedOnly = false, stale } = options;
  if (connection.protocolVersion !== 5 && (retainAsPublished || retainHandling !== undefined)) {
    fail('--retain-as-published and --retain-handling need -V 5');
  }
  if (retainedOnly && !stale) fail('--retained-only and -R do not go together');
  const format = options.format === undefined ? null : parseFormat(options.format);
  if (typeof format === 'string') return fail(`--format: ${format}`);
  return {
    command: 'sub',
    ...{ connection, topicFilters, unsubscribeFrom, hidden, format },
    qos: Number(options.qos) as QoS,
    isVerbose: options.verbose === true,
    hasLineEnds: options.eol,
    isPretty: options.pretty === true,
    count: options.count ?? null,
    timeoutMs: options.timeout === undefined ? null : options.timeout * 1_000,
    endsWhenSubscribed: options.exitAfterSub === true,
    retained: retainedOnly ? 'only' : stale ? 'all' : 'none',
    removesRetained: options.removeRetained === true,
    retainAsPublished,
    retainHandling: RETAIN_HANDLING[retainHandling ?? 'always'],
  };
}

function checkFilter(name: string, filter: string, fail: (sentence: string) => never): void {
  try {
    parseTopicFilter(filter, LIMITS);
  } catch (error) {
    fail(`${name} "${filter}": ${(error as Error).message}`);
  }
}

function gather(value: string, values: readonly string[] = []): readonly string[] {
  return [...values, value];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count > 0) return count;
  throw new InvalidArgumentError('It is a whole number from 1 on.');
}
