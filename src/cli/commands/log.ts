// `iothub log`: which lines a running server writes, others for a while, and its lines as they come.

import { Glob } from '../../lib/glob.ts';
import type { LogState, RaisedLevel } from '../../server/contract/log.ts';
import { ControlError } from '../../server/contract.ts';
import { askServer, followServer, NoServer } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { LogLine } from '../log-line.ts';
import { prettyLine } from '../pretty.ts';

/** Does what the line says. What goes wrong is a sentence on stderr. */
export async function runLog(line: LogLine): Promise<ExitCode> {
  try {
    await run(line);
    return ExitCode.Ok;
  } catch (error) {
    if (!(error instanceof NoServer || error instanceof ControlError)) throw error;
    note(error.message);
    return error instanceof NoServer ? ExitCode.Unavailable : ExitCode.Runtime;
  }
}

async function run(line: LogLine): Promise<void> {
  const { client, data, durationMs, json, last, level, module, reset } = line;
  if (reset) {
    await askServer(data, 'DELETE', '/api/v1/log');
    note('all levels are as configured');
  }
  if (level !== null) {
    const request = { level, module, client, durationMs };
    const raised = (await askServer(data, 'PUT', '/api/v1/log', request)) as RaisedLevel;
    if (json && last === null) print(JSON.stringify(raised));
    else note(shown(raised));
  }
  if (last !== null) await showLines(line, last);
  else if (!reset && level === null) {
    const state = (await askServer(data, 'GET', '/api/v1/log')) as LogState;
    if (json) print(JSON.stringify(state));
    else for (const text of described(state)) print(text);
  }
}

function described({ level, levels, raised, lostLines }: LogState): string[] {
  const modules = Object.entries(levels).map(([module, own]) => `${module}: ${own}`);
  const lost = lostLines === 0 ? [] : [`lines lost: ${lostLines}`];
  return [`level: ${level}`, ...modules, ...raised.map(shown), ...lost];
}

function shown({ level, module, client, expiresAt }: RaisedLevel): string {
  const what = module === null ? 'everything' : module;
  const whom = client === null ? '' : ` about ${client}`;
  return `${level} for ${what}${whom} until ${expiresAt}`;
}

/** The last lines, and with --tail those that come until Ctrl-C, as far as they are about what the line names. */
async function showLines(line: LogLine, last: number): Promise<void> {
  const { data, follow } = line;
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGINT', end);
  process.stdout.once('error', end); // nobody reads any more
  let rest = '';
  const onText = (text: string): void => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) showLine(one, line);
  };
  try {
    await followServer(
      data,
      `/api/v1/log/lines?last=${last}&follow=${follow}`,
      onText,
      ended.signal,
    );
  } finally {
    process.off('SIGINT', end);
  }
}

function showLine(json: string, { json: asJson, client, module }: LogLine): void {
  const entry = JSON.parse(json) as { readonly module?: string; readonly clientId?: string };
  if (module !== null && entry.module !== module) return;
  if (client !== null && !new Glob(client).matches(String(entry.clientId ?? ''))) return;
  if (asJson) print(json);
  else process.stdout.write(prettyLine(json, false));
}

function print(text: string): void {
  process.stdout.write(`${escapeHarmful(text)}\n`);
}

function note(text: string): void {
  process.stderr.write(`iothub log: ${escapeHarmful(text)}\n`);
}
