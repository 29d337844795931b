// The command line of `iothub drops`.

import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/quantity.ts';
import { DROP_REASON_NAMES } from '../core/drop.ts';
import { type DataOption, dataOf, parseName, toolCommand } from './tool-options.ts';

export interface DropsLine {
  readonly command: 'drops';
  readonly data: string;
  readonly json: boolean;
  readonly clientId: string | null;
  readonly topicFilter: string | null;
  readonly reason: string | null;
  /** How long ago at most; null: any time. */
  readonly sinceMs: number | null;
  /** The latest so many. */
  readonly limit: number;
}

const LIMIT = 50;
const LIMIT_MAX = 100_000;

const EPILOGUE = `
The server that runs on the data folder is asked: how many messages were lost
for each reason since it started, what that means, and the latest of them.
What each reason means: docs/drops.md.

Exit codes: 0 told, 1 failed, 2 wrong command line, 69 no server runs there.`;

interface DropsOptions extends DataOption {
  readonly client?: string;
  readonly topic?: string;
  readonly reason?: string;
  readonly since?: number;
  readonly limit: number;
  readonly json?: boolean;
}

export function addDropsCommand(program: Command, found: (line: DropsLine) => void): void {
  toolCommand(program, 'drops', 'say which messages were lost, and why')
    .option('--client <id>', 'only of this client, as publisher or subscriber', parseName)
    .option('-t, --topic <filter>', 'only of topics that this filter matches', parseName)
    .option('--reason <name>', 'only for this reason', parseReason)
    .option('--since <duration>', 'only those of the last "10m", "2h", "1d"', parseSince)
    .option('-n, --limit <number>', `the latest so many (default: ${LIMIT})`, parseLimit, LIMIT)
    .option('--json', 'say it as one line of JSON')
    .addHelpText('after', EPILOGUE)
    .action((options: DropsOptions, command: Command) =>
      found({
        command: 'drops',
        data: dataOf(options, command),
        json: options.json === true,
        clientId: options.client ?? null,
        topicFilter: options.topic ?? null,
        reason: options.reason ?? null,
        sinceMs: options.since ?? null,
        limit: options.limit,
      }),
    );
}

function parseReason(text: string): string {
  if (DROP_REASON_NAMES.includes(text)) return text;
  throw new InvalidArgumentError(`Known are ${DROP_REASON_NAMES.join(', ')}.`);
}

function parseSince(text: string): number {
  const milliseconds = parseDuration(/^\d+$/.test(text) ? Number(text) : text);
  if (milliseconds !== null && milliseconds > 0) return milliseconds;
  throw new InvalidArgumentError('A duration is written as "90s", "10m" or "12h".');
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d{1,6}$/.test(text) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new InvalidArgumentError(`A number from 1 to ${LIMIT_MAX}.`);
}
