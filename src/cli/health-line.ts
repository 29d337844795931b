// The command line of `iothub healthcheck`.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type DataOption, dataOf, toolCommand } from './tool-options.ts';

export interface HealthLine {
  readonly command: 'healthcheck';
  /** The data folder of the server; null: `url` is asked. */
  readonly data: string | null;
  /** Of the admin API, without a path. */
  readonly url: string | null;
  readonly what: 'ready' | 'live';
  readonly timeoutMs: number;
  readonly json: boolean;
}

interface HealthOptions extends DataOption {
  readonly url?: string;
  readonly ready?: boolean;
  readonly live?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

const EPILOGUE = `
For containers and service managers: it needs no curl. The server on the data
folder is asked by its control socket, or with --url one by its admin API. What
is the matter is printed, as far as it is told.

Exit codes: 0 it is, 1 it is not, or does not answer, 2 wrong command line.`;

export function addHealthCommand(program: Command, found: (line: HealthLine) => void): void {
  toolCommand(program, 'healthcheck', 'say whether the server is ready')
    .option('--url <url>', 'of the admin API, as http://127.0.0.1:18083', parseUrl)
    .addOption(new Option('--ready', 'whether clients may be sent there (default)'))
    .addOption(new Option('--live', 'only whether it answers').conflicts('ready'))
    .option('--timeout <seconds>', 'how long it may take', parseSeconds, 5)
    .option('--json', 'say it as one line of JSON')
    .addHelpText('after', EPILOGUE)
    .action((options: HealthOptions, command: Command) => {
      const { url = null, live = false, timeout, json = false } = options;
      const data = url === null ? dataOf(options, command) : null;
      const what = live ? 'live' : 'ready';
      found({ command: 'healthcheck', data, url, what, timeoutMs: timeout * 1_000, json });
    });
}

function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url !== null && isHttp && url.username === '' && url.search === '') return url.origin;
  throw new InvalidArgumentError('Write http://127.0.0.1:18083, without a user and a query.');
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,3}$/.test(text) && seconds > 0) return seconds;
  throw new InvalidArgumentError('Write whole seconds from 1 to 999.');
}
