// The command lines of `iothub explain` and `iothub trace`.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../config/quantity.ts';
import type { DeliveryQuestion, PublishQuestion } from '../server/contract/explain.ts';
import { TRACE_EVENTS_MAX, TRACE_FOR_MS_MAX, type TraceRequest } from '../server/contract/trace.ts';
import { type DataOption, dataOf, parseName, toolCommand } from './tool-options.ts';

export type ExplainLine = {
  readonly command: 'explain';
  readonly data: string;
  readonly json: boolean;
} & (
  | { readonly about: 'publish'; readonly question: PublishQuestion }
  | { readonly about: 'delivery'; readonly question: DeliveryQuestion }
);

export interface TraceLine {
  readonly command: 'trace';
  readonly data: string;
  readonly json: boolean;
  readonly request: TraceRequest;
}

const EXPLAIN_EPILOGUE = `
The server that runs on the data folder is asked. Nothing is published, and
nothing changes by asking. docs/explain.md shows what it says.

Exit codes: 0 it would arrive, 1 it would not, 2 wrong command line, 69 no
server runs there.`;

const TRACE_EPILOGUE = `
It ends by itself, or with Ctrl-C. At most 1,000 events a second are shown;
what is missing is counted. Several client ids: 'sensor-*'.

Exit codes: 0 it has ended, 1 failed, 2 wrong command line, 69 no server runs
there.`;

interface ExplainOptions extends DataOption {
  readonly as?: string;
  readonly client?: string;
  readonly group?: readonly string[];
  readonly topic: string;
  readonly qos?: '0' | '1' | '2';
  readonly retain?: boolean;
  readonly size?: number;
  readonly json?: boolean;
}

const QOS = ['0', '1', '2'] as const;

export function addExplainCommands(program: Command, found: (line: ExplainLine) => void): void {
  const explain = program
    .command('explain')
    .description('say why a message would arrive, or would not')
    .addHelpText('after', EXPLAIN_EPILOGUE);
  asking(explain, 'publish', 'every decision about a message that somebody publishes')
    .option('--as <user>', 'the user name of who publishes it')
    .option('--client <id>', 'its client id: whoever has a session with it is known', parseName)
    .option('-g, --group <group>', 'a group of it, beside those that the server knows', gather)
    .option('-r, --retain', 'it is to be retained')
    .action((options: ExplainOptions, command: Command) => {
      const { as: username = null, client: clientId = null, group: groups = [] } = options;
      const { topic, qos = '0', retain = false, size = 0 } = options;
      found({
        ...common(options, command),
        about: 'publish',
        question: {
          ...{ username, clientId, groups, claims: {}, topic, retain, size },
          qos: Number(qos) as 0 | 1 | 2,
        },
      });
    });
  asking(explain, 'delivery', 'why a client gets the messages of a topic, or does not')
    .requiredOption('--client <id>', 'its client id', parseName)
    .action((options: ExplainOptions, command: Command) => {
      const { client: clientId = '', topic, qos = '2', size = 0 } = options;
      const question = { clientId, topic, qos: Number(qos) as 0 | 1 | 2, size };
      found({ ...common(options, command), about: 'delivery', question });
    });
}

function asking(explain: Command, name: string, description: string): Command {
  return toolCommand(explain, name, description)
    .requiredOption('-t, --topic <topic>', 'the topic', parseName)
    .addOption(new Option('-q, --qos <qos>', 'the QoS of the message').choices(QOS))
    .option('--size <bytes>', 'the length of its payload', parseSize)
    .option('--json', 'say it as one line of JSON');
}

function common(options: ExplainOptions, command: Command) {
  const { json = false } = options;
  return { command: 'explain', data: dataOf(options, command), json } as const;
}

interface TraceOptions extends DataOption {
  readonly client?: string;
  readonly topic?: string;
  readonly for?: number;
  readonly max?: number;
  readonly payload?: boolean;
  readonly json?: boolean;
}

export function addTraceCommand(program: Command, found: (line: TraceLine) => void): void {
  toolCommand(program, 'trace', 'show what happens to clients and messages, as it happens')
    .option('--client <id>', 'of this client id, * for any characters', parseName)
    .option('-t, --topic <filter>', 'of messages that this topic filter matches', parseName)
    .option('--for <duration>', 'for so long, as "10m" (the default)', parseFor)
    .option('--max <events>', 'to so many events (default: 10000)', parseMax)
    .option('--payload', 'with payloads, up to 1024 bytes of each')
    .option('--json', 'as lines of JSON')
    .addHelpText('after', TRACE_EPILOGUE)
    .action((options: TraceOptions, command: Command) => {
      const { client: clientId = null, topic = null, payload = false, json = false } = options;
      const { for: forMs = 600_000, max = 10_000 } = options;
      const data = dataOf(options, command);
      found({ command: 'trace', data, json, request: { clientId, topic, forMs, max, payload } });
    });
}

function parseSize(said: string): number {
  const size = Number(said);
  if (/^\d{1,9}$/.test(said) && size <= 268_435_455) return size;
  throw new InvalidArgumentError('It is a whole number of bytes, up to 268435455.');
}

function parseMax(said: string): number {
  const max = Number(said);
  if (/^\d{1,7}$/.test(said) && max >= 1 && max <= TRACE_EVENTS_MAX) return max;
  throw new InvalidArgumentError(`It is a whole number from 1 to ${TRACE_EVENTS_MAX}.`);
}

function parseFor(said: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(said) ? Number(said) : said);
  if (milliseconds !== null && milliseconds > 0 && milliseconds <= TRACE_FOR_MS_MAX) {
    return milliseconds;
  }
  throw new InvalidArgumentError('A duration is written as "30s", "10m" or "2h", up to a day.');
}

function gather(group: string, groups: readonly string[] = []): readonly string[] {
  return [...groups, group];
}
