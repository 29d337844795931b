// Names of clients and users, as they are looked for and shown.

import { isServersOwn } from '../../core/server-topics.ts';
import { clipName } from '../../lib/clip.ts';
import { Glob } from '../../lib/glob.ts';
import type { Session } from '../../session/session.ts';
import { ControlError } from '../contract.ts';
import type { Registry } from '../registry.ts';

/** What stands for a user name that is a token. */
const TOKEN = '(a token)';

/** Whose session this is; throws ControlError when there is none. */
export function sessionOf(registry: Registry, clientId: string): Session {
  const session = registry.get(clientId);
  if (session !== undefined) return session;
  throw new ControlError('unknown', `there is no client ${JSON.stringify(clientId)}`);
}

/** A token may stand in the place of a user name, and who reads it has it. */
export function shownName(username: string | null): string | null {
  return username !== null && clipName(username) === TOKEN ? TOKEN : username;
}

export function globOf(pattern: string | null | undefined): Glob | null {
  return pattern === null || pattern === undefined ? null : new Glob(pattern);
}

/** Throws ControlError for a topic, or a filter of topics, that are the server's own. */
export function needOthersTopic(topic: string): void {
  if (!isServersOwn(topic)) return;
  throw new ControlError('invalid', 'topics below $SYS/ are the server’s own');
}
