// `iothub token`: the tokens of the admin API. Standard output has what was asked for: the list, a token that was made, or with
// --json one line of JSON. What was done is a sentence on stderr, and so is what went wrong.

import type { ControlledToken } from '../../server/contract/tokens.ts';
import { ControlError } from '../../server/contract.ts';
import { StoreError } from '../../storage/store-folder/store-error.ts';
import { askServer, NoServer } from '../control.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode, STORE_EXIT_CODES } from '../exit-code.ts';
import { StoppedTokens } from '../stopped-tokens.ts';
import type { TokenLine } from '../token-line.ts';

/** With the server that runs on the data folder, or in the store of one that is stopped. */
export async function runToken(line: TokenLine, version: string): Promise<ExitCode> {
  try {
    return await run(line, version);
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof ControlError)) throw error;
    say(line, error.message);
    return error instanceof StoreError ? STORE_EXIT_CODES[error.problem] : ExitCode.Runtime;
  }
}

async function run(line: TokenLine, version: string): Promise<ExitCode> {
  const { data, json, task } = line;
  const stopped = new StoppedTokens({ folder: data, version, purpose: 'iothub token' });
  switch (task.action) {
    case 'list': {
      const all = await orStopped<readonly ControlledToken[]>(
        () => askServer(data, 'GET', '/api/v1/tokens'),
        () => stopped.list(),
      );
      if (json) print(JSON.stringify(all));
      else for (const token of all) print(lineOf(token));
      return ExitCode.Ok;
    }
    case 'add': {
      const { name, role, expiresInMs } = task;
      const token = { name, role, expiresInMs };
      const added = await orStopped<{ token: ControlledToken; secret: string }>(
        () => askServer(data, 'POST', '/api/v1/tokens', token),
        () => stopped.add(token, 'cli'),
      );
      print(json ? JSON.stringify({ ...added.token, token: added.secret }) : added.secret);
      say(line, `made ${lineOf(added.token)}; it is shown only now`);
      return ExitCode.Ok;
    }
    case 'remove': {
      const { name } = task;
      const isRemoved = await orStopped<boolean>(
        async () => {
          await askServer(data, 'DELETE', `/api/v1/tokens/${encodeURIComponent(name)}`);
          return true;
        },
        () => stopped.remove(name),
      );
      if (!isRemoved) {
        throw new ControlError('unknown', `there is no token ${JSON.stringify(name)}`);
      }
      if (json) print(JSON.stringify({ name }));
      say(line, `the token ${name} was removed`);
      return ExitCode.Ok;
    }
  }
}

async function orStopped<T>(live: () => Promise<unknown>, stopped: () => Promise<T>): Promise<T> {
  try {
    return (await live()) as T;
  } catch (error) {
    if (!(error instanceof NoServer)) throw error;
    return stopped();
  }
}

function lineOf({ name, role, origin, createdAt, expiresAt }: ControlledToken): string {
  const until = expiresAt === null ? 'until it is removed' : `until ${expiresAt}`;
  return `${name}, ${role}, ${until}, by ${origin}, ${createdAt}`;
}

function print(text: string): void {
  process.stdout.write(`${escapeHarmful(text)}\n`);
}

function say({ task }: TokenLine, sentence: string): void {
  process.stderr.write(`iothub token ${task.action}: ${escapeHarmful(sentence)}\n`);
}
