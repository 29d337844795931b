// The first token of the admin API. The first start of a data folder makes it and writes it into `admin.token` there, which only the
// server's own user can read: whoever can read it can read the store as well. Where there is no data folder it would be in nobody's
// hands but the log's, so that none is made: it is shown on a terminal, or comes in a file (token_file of [admin]).

import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { AccessError } from '../../auth/access-error.ts';
import { createSecretFile } from '../../auth/secret-file.ts';
import { hashOf, isSecret, newSecret, type Token } from '../../auth/tokens/token.ts';
import type { Tokens } from '../../auth/tokens/tokens.ts';
import type { Logger } from '../../core/logger.ts';

export const TOKEN_FILE = 'admin.token';
const NAME = 'first';
const FOR_OTHERS = 0o077;

export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Makes the first token unless there has been one. Throws as the store does; what is wrong with the file is told in the log, and
 * the server runs without that token.
 */
export async function makeFirstToken(
  tokens: Tokens,
  folder: string | null,
  logger: Logger,
  terminal: Terminal,
): Promise<void> {
  if (tokens.hasBegun || tokens.list().length > 0) return;
  if (folder === null) {
    await showFirst(tokens, logger, terminal);
    return;
  }
  const file = path.join(folder, TOKEN_FILE);
  const former = await readToken(file);
  if (former !== null && 'problem' in former) {
    logger.warn({ file, problem: former.problem }, 'there is no first token of the admin API');
    return;
  }
  const secret = former?.secret ?? newSecret();
  await tokens.add({ name: NAME, role: 'admin', origin: 'start', expiresInMs: null, secret });
  if (former === null) {
    try {
      await createSecretFile(file, `${secret}\n`);
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
      await tokens.remove(NAME);
      logger.warn({ problem: error.message }, 'there is no first token of the admin API');
      return;
    }
  }
  await tokens.begin();
  logger.info({ file }, 'the token of the admin API is in a file of the data folder');
}

/** Only where a person looks, and nothing keeps it. */
async function showFirst(tokens: Tokens, logger: Logger, terminal: Terminal): Promise<void> {
  if (terminal.isTTY !== true) {
    logger.info(
      {},
      'the admin API has no token: without a data folder it comes from token_file of [admin]',
    );
    return;
  }
  const request = { name: NAME, role: 'admin', origin: 'start', expiresInMs: null } as const;
  const { secret } = await tokens.add(request);
  terminal.write(`Token of the admin API, until this server ends: ${secret}\n`);
}

/** A token that was written before: the store may be another one since. Null: there is no file. */
async function readToken(
  file: string,
): Promise<{ readonly secret: string } | { readonly problem: string } | null> {
  try {
    const { mode } = await stat(file);
    if (process.platform !== 'win32' && (mode & FOR_OTHERS) !== 0) {
      return { problem: 'others can read the file, so that it is not used: remove it' };
    }
    const secret = (await readFile(file, 'utf8')).trim();
    if (isSecret(secret)) return { secret };
    return { problem: 'there is no token of this server in the file: remove it' };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? null : { problem: message };
  }
}

/** Takes the file away that has this token, which nobody can use any more. */
export async function removeTokenFile(folder: string, { hash }: Token): Promise<void> {
  const file = path.join(folder, TOKEN_FILE);
  const content = await readFile(file, 'utf8').catch(() => '');
  if (hashOf(content.trim()) === hash) await rm(file, { force: true });
}
