// `iothub acl`, `iothub ban` and `iothub reload`: what they say, and their exit codes. A server that runs is asked; bans can also
// be changed in the store of one that is stopped.

import { AccessError } from '../../auth/access-error.ts';
import { ConfigError } from '../../config/config-error.ts';
import { loadConfig } from '../../config/load.ts';
import { SILENT } from '../../core/logger.ts';
import type { AclAnswer, AclQuestion, ControlledBan, ReloadReport } from '../../server/contract.ts';
import { ControlError } from '../../server/contract.ts';
import { StoreError } from '../../storage/store-folder/store-error.ts';
import { buildAccess } from '../access/build.ts';
import { explain } from '../access/control.ts';
import { AccessServices } from '../access/services.ts';
import type { AccessLine, AclLine, BanLine, ReloadLine } from '../access-lines.ts';
import { askServer, NoServer } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode, STORE_EXIT_CODES } from '../exit-code.ts';
import { StoppedBans } from '../stopped-bans.ts';

/** Does what the line says. What goes wrong is a sentence on stderr. */
export async function runAccess(line: AccessLine, version: string): Promise<ExitCode> {
  const say = (error: Error): void => {
    for (const sentence of error.message.split('\n')) {
      process.stderr.write(`iothub ${line.command}: ${escapeHarmful(sentence)}\n`);
    }
  };
  try {
    return await run(line, version);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof AccessError) {
      say(error);
      return ExitCode.Config;
    }
    if (error instanceof NoServer) {
      say(error);
      return ExitCode.Unavailable;
    }
    if (error instanceof StoreError) {
      say(error);
      return STORE_EXIT_CODES[error.problem];
    }
    if (!(error instanceof ControlError)) throw error;
    say(error);
    const isWrongLine = line.command === 'acl' && error.problem === 'invalid';
    return isWrongLine ? ExitCode.Usage : ExitCode.Runtime;
  }
}

function run(line: AccessLine, version: string): Promise<ExitCode> {
  switch (line.command) {
    case 'acl':
      return acl(line);
    case 'ban':
      return ban(line, version);
    case 'reload':
      return reload(line);
  }
}

function print(text: string): void {
  process.stdout.write(`${escapeHarmful(text)}\n`);
}

/** Of rules that nobody named: the answer is hardly the one that is looked for. */
const UNNAMED =
  'no configuration is named, so that this is what a server with the defaults would say; name one with -c, or ask a server that runs with --live';

async function acl({ action, json, config, live, question }: AclLine): Promise<ExitCode> {
  const answer =
    live === null
      ? await askFiles(config, question)
      : ((await askServer(live, 'POST', '/api/v1/acl/explain', question)) as AclAnswer);
  if (json) print(JSON.stringify(answer));
  else if (action === 'test') print(answer.isAllowed ? 'allow' : 'deny');
  else for (const text of explained(answer)) print(text);
  return answer.isAllowed ? ExitCode.Ok : ExitCode.Runtime;
}

/** By the rules as they are written now; whoever would have to be asked elsewhere (HTTP, modules) is asked. */
async function askFiles(file: string | null, question: AclQuestion): Promise<AclAnswer> {
  const loaded = await loadConfig(file, {}, process.env);
  if (loaded.file === null && loaded.variables.length === 0) {
    process.stderr.write(`iothub acl: ${UNNAMED}\n`);
  }
  // Nobody logs in here: what a client may do does not depend on how it is known.
  const config = { ...loaded.config, authenticators: [] };
  const services = new AccessServices(config, SILENT, null);
  const built = await buildAccess(config, services);
  const { username } = question;
  const groups = username === null ? [] : built.groupsOf(username);
  try {
    return await explain(built.options, question, { groups });
  } finally {
    await built.drop();
    await services.close();
  }
}

function explained({ isAllowed, source, rule, file, line, reason }: AclAnswer): string[] {
  const where = file === null ? null : line === null ? file : `${file}:${line}`;
  return [
    isAllowed ? 'allow' : 'deny',
    `by: ${source}`,
    ...(rule === null ? [] : [`rule: ${rule}`]),
    ...(where === null ? [] : [`at: ${where}`]),
    `because ${reason}`,
  ];
}

async function ban({ data, json, task }: BanLine, version: string): Promise<ExitCode> {
  const bans = new StoppedBans({ folder: data, version, purpose: 'iothub ban' });
  const orStopped = async <T>(live: () => Promise<unknown>, stopped: () => Promise<T>) => {
    try {
      return (await live()) as T;
    } catch (error) {
      if (!(error instanceof NoServer)) throw error;
      return stopped();
    }
  };
  switch (task.action) {
    case 'list': {
      const all = await orStopped<readonly ControlledBan[]>(
        () => askServer(data, 'GET', '/api/v1/bans'),
        () => bans.list(),
      );
      if (json) print(JSON.stringify(all));
      else for (const one of all) print(lineOf(one));
      return ExitCode.Ok;
    }
    case 'add': {
      const { action: _, ...request } = task;
      const made = await orStopped<{ ban: ControlledBan; kicked: number }>(
        () => askServer(data, 'POST', '/api/v1/bans', request),
        () => bans.add(request),
      );
      if (json) print(JSON.stringify(made));
      else process.stderr.write(`iothub ban: ${addedText(made, task.kick)}\n`);
      return ExitCode.Ok;
    }
    case 'remove': {
      const { kind, pattern } = task;
      const query = new URLSearchParams({ kind, pattern });
      await orStopped(
        () => askServer(data, 'DELETE', `/api/v1/bans?${query}`),
        () => bans.remove(kind, pattern),
      );
      process.stderr.write('iothub ban: the ban is lifted\n');
      return ExitCode.Ok;
    }
  }
}

function addedText({ ban: made, kicked }: { ban: ControlledBan; kicked: number }, kick: boolean) {
  const ended = kick ? `; ${kicked} connected clients were ended` : '';
  return escapeHarmful(`banned: ${lineOf(made)}${ended}`);
}

function lineOf({ kind, pattern, reason, origin, expiresAt }: ControlledBan): string {
  const until = expiresAt === null ? 'until it is lifted' : `until ${expiresAt}`;
  return `${kind} ${pattern}, ${until}, by ${origin}${reason === '' ? '' : `: ${reason}`}`;
}

async function reload({ data, json, request }: ReloadLine): Promise<ExitCode> {
  const report = (await askServer(data, 'POST', '/api/v1/reload', request)) as ReloadReport;
  if (json) print(JSON.stringify(report));
  else for (const text of reported(report, request.dryRun)) print(text);
  if (!json) {
    for (const problem of report.problems) {
      process.stderr.write(`iothub reload: ${escapeHarmful(problem)}\n`);
    }
  }
  return report.problems.length === 0 ? ExitCode.Ok : ExitCode.Runtime;
}

function reported(
  { changes, ended, muted, afterRestart, problems }: ReloadReport,
  isDryRun: boolean,
): string[] {
  const lines = [...changes];
  if (afterRestart.length > 0) lines.push(`only after a restart: ${afterRestart.join(', ')}`);
  if (problems.length > 0) return [...lines, 'nothing was changed'];
  const were = isDryRun ? 'would be' : 'were';
  const effects = `${ended} clients ${were} ended, ${muted} subscriptions ${were} muted`;
  const isSame = changes.length === 0 && ended === 0 && muted === 0;
  return [...lines, isSame ? 'nothing is different' : effects];
}
