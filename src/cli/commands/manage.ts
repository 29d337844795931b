// The commands about a server that runs: what they ask of it by its control socket, and their exit codes. How its answers look is in
// manage-text.ts.

import { readFile } from 'node:fs/promises';
import { ConfigError } from '../../config/config-error.ts';
import { loadConfig } from '../../config/load.ts';
import type {
  ClientDetail,
  ConfigValue,
  ControlledListener,
  ControlledRetained,
  ControlledSubscription,
  ControlledTopic,
  DrainRequest,
  DrainState,
  KickOutcome,
  ListedClient,
  OfflineSession,
  Page,
  PublishOutcome,
  QueuedMessage,
  RetainedMessage,
  ServerInfo,
} from '../../server/contract/management.ts';
import type { OverloadState } from '../../server/contract/overload.ts';
import { ControlError, type ServerStats } from '../../server/contract.ts';
import { askServer, NoServer } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import type { ManageLine, SendTask } from '../manage-lines.ts';
import * as text from './manage-text.ts';

/** What a command says: to people, and the whole of it for `--json`. */
interface Told {
  readonly lines: readonly string[];
  readonly json: unknown;
  /** For people, on stderr: what was done, or that there is more. */
  readonly note?: string;
}

const PAGE_MAX = 1_000;

/** Does what the line says. What goes wrong is a sentence on stderr. */
export async function runManage(line: ManageLine): Promise<ExitCode> {
  const { action } = line.task;
  const say = (sentence: string): void => {
    for (const one of sentence.split('\n')) {
      process.stderr.write(`iothub ${action}: ${escapeHarmful(one)}\n`);
    }
  };
  try {
    const { json, lines, note } = await run(line);
    for (const one of line.json ? [JSON.stringify(json)] : lines) {
      process.stdout.write(`${escapeHarmful(one)}\n`);
    }
    if (line.json) return ExitCode.Ok;
    if (note !== undefined) say(note);
    else if (lines.length === 0) say('there are none');
    return ExitCode.Ok;
  } catch (error) {
    if (error instanceof NoServer) {
      say(error.message);
      return ExitCode.Unavailable;
    }
    if (error instanceof ConfigError) {
      say(error.message);
      return ExitCode.Config;
    }
    if (!(error instanceof ControlError)) throw error;
    say(error.message);
    return error.problem === 'invalid' ? ExitCode.Usage : ExitCode.Runtime;
  }
}

function run(line: ManageLine): Promise<Told> {
  const { task } = line;
  switch (task.action) {
    case 'clients list':
      return list<ListedClient>(line, '/clients', { ...task.filter }, text.clients);
    case 'clients show':
      return show<ClientDetail>(line, clientRoute(task.clientId), text.client);
    case 'kick':
      return kick(line, 'POST', `${clientRoute(task.clientId)}/kick`, task.request);
    case 'clients purge':
      return kick(line, 'DELETE', `${clientRoute(task.clientId)}/session`);
    case 'sessions list': {
      const query = queryOf({ order: task.order, limit: String(Math.min(line.limit, PAGE_MAX)) });
      return show<readonly OfflineSession[]>(line, `/sessions/offline${query}`, text.sessions);
    }
    case 'subscriptions': {
      const { clientId, topic, topicFilter } = task;
      if (topic === null) {
        return list<ControlledSubscription>(
          line,
          '/subscriptions',
          { clientId, topicFilter },
          text.subscriptions,
        );
      }
      const route = '/subscriptions/matching';
      return list<ControlledSubscription>(line, route, { topic }, text.subscriptions);
    }
    case 'topics':
      return list<ControlledTopic>(line, '/topics', { prefix: task.prefix }, text.topics);
    case 'retained list':
      return list<ControlledRetained>(line, '/retained', { filter: task.filter }, text.retained);
    case 'retained show': {
      const { payloadBytes, topic } = task;
      const bytes = payloadBytes === null ? null : String(payloadBytes);
      const query = queryOf({ topic, payloadBytes: bytes });
      return show<RetainedMessage>(line, `/retained/message${query}`, text.message);
    }
    case 'retained delete': {
      const query = queryOf({ filter: task.filter, dryRun: String(task.dryRun) });
      return removal(line, `/retained${query}`, 'retained messages', 'removed', task.dryRun);
    }
    case 'queues show': {
      const route = `${clientRoute(task.clientId)}/queue`;
      return list<QueuedMessage>(line, route, {}, text.queue);
    }
    case 'queues clear': {
      const route = `${clientRoute(task.clientId)}/queue${queryOf({ dryRun: String(task.dryRun) })}`;
      return removal(line, route, 'messages', 'dropped', task.dryRun);
    }
    case 'send':
      return send(line, task);
    case 'listeners':
      return show<readonly ControlledListener[]>(line, '/listeners', text.listeners);
    case 'info':
      return info(line);
    case 'drain':
      return drain(line, task.request);
    case 'config print':
      return config(line, task);
  }
}

function ask<T>(
  { data }: ManageLine,
  method: 'GET' | 'POST' | 'DELETE',
  route: string,
  body?: unknown,
): Promise<T> {
  return askServer(data, method, `/api/v1${route}`, body) as Promise<T>;
}

function clientRoute(clientId: string): string {
  return `/clients/${encodeURIComponent(clientId)}`;
}

/** Those that are given. */
function queryOf(values: Readonly<Record<string, string | null | undefined>>): string {
  const given = Object.entries(values).filter(
    (entry): entry is [string, string] => entry[1] !== null && entry[1] !== undefined,
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

/** As many pages as it takes. */
async function list<T>(
  line: ManageLine,
  route: string,
  filter: Readonly<Record<string, string | null | undefined>>,
  linesOf: (items: readonly T[]) => readonly string[],
): Promise<Told> {
  const items: T[] = [];
  let next = line.after;
  do {
    const limit = String(Math.min(line.limit - items.length, PAGE_MAX));
    const page: Page<T> = await ask(
      line,
      'GET',
      route + queryOf({ ...filter, limit, after: next }),
    );
    items.push(...page.items);
    next = page.next;
  } while (next !== null && items.length < line.limit);
  const more =
    next === null ? undefined : `there are more: take a larger --limit than ${line.limit}`;
  return { lines: linesOf(items), json: { items, next }, note: more };
}

async function show<T>(
  line: ManageLine,
  route: string,
  linesOf: (answer: T) => readonly string[],
): Promise<Told> {
  const answer = await ask<T>(line, 'GET', route);
  return { lines: linesOf(answer), json: answer };
}

async function kick(
  line: ManageLine,
  method: 'POST' | 'DELETE',
  route: string,
  body?: unknown,
): Promise<Told> {
  const outcome = await ask<KickOutcome>(line, method, route, body);
  return { lines: [], json: outcome, note: text.kicked(outcome) };
}

async function removal(
  line: ManageLine,
  route: string,
  what: string,
  done: string,
  isDryRun: boolean,
): Promise<Told> {
  const outcome = await ask<{ readonly messages: number }>(line, 'DELETE', route);
  const were = isDryRun ? 'would be' : 'were';
  return { lines: [], json: outcome, note: `${outcome.messages} ${what} ${were} ${done}` };
}

async function send(line: ManageLine, { file, message, ...task }: SendTask): Promise<Told> {
  const { qos, retain, topic } = task;
  const bytes = file === null ? Buffer.from(message ?? '') : await contentOf(file);
  const payload = { payload: bytes.toString('base64'), encoding: 'base64' };
  const body = { topic, qos, retain, ...payload };
  const outcome = await ask<PublishOutcome>(line, 'POST', '/publish', body);
  const { isRetained, subscribers } = outcome;
  const kept = !retain || isRetained || bytes.length === 0 ? '' : '; it could not be retained';
  return { lines: [], json: outcome, note: `handed to ${subscribers} subscribers${kept}` };
}

function contentOf(file: string): Promise<Buffer> {
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new ControlError('failed', `${file} cannot be read: ${error.code ?? error.message}`);
  });
}

async function info(line: ManageLine): Promise<Told> {
  const server = await ask<ServerInfo>(line, 'GET', '/server');
  const stats = await ask<ServerStats>(line, 'GET', '/stats');
  const overload = await ask<OverloadState>(line, 'GET', '/overload');
  return { lines: text.info(server, stats, overload), json: { ...server, stats, overload } };
}

async function drain(line: ManageLine, request: DrainRequest | 'undo' | 'state'): Promise<Told> {
  const route = '/server/drain';
  if (request === 'state') return show<DrainState>(line, route, text.drain);
  const state =
    request === 'undo'
      ? await ask<DrainState>(line, 'DELETE', route)
      : await ask<DrainState>(line, 'POST', route, request);
  return { lines: text.drain(state), json: state };
}

async function config(
  line: ManageLine,
  task: Extract<ManageLine['task'], { action: 'config print' }>,
): Promise<Told> {
  const { config: file, isLive, withOrigin } = task;
  const values = isLive
    ? await ask<readonly ConfigValue[]>(line, 'GET', '/config')
    : (await loadConfig(file, {}, process.env)).settings();
  return { lines: values.map((value) => text.setting(value, withOrigin)), json: values };
}
