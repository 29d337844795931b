// Whom a question is about: the client of a session, as it was let in, or one that is only imagined.

import type { Client } from '../../auth/auth.ts';
import type { QuotaClient } from '../../core/quota-account.ts';
import type { Session } from '../../session/session.ts';
import type { ExplainedClient, ExplainedStep, PublishQuestion } from '../contract/explain.ts';
import type { ExplainParts } from './parts.ts';
import { note, pass, stop } from './steps.ts';

export interface Asked {
  readonly client: Client;
  /** null: it has none, or that of somebody else. */
  readonly session: Session | null;
  readonly step: ExplainedStep;
}

/** Who would publish. */
export function publisherOf(parts: ExplainParts, question: PublishQuestion): Asked {
  const { clientId, username } = question;
  const found = clientId === null ? undefined : parts.registry.get(clientId);
  const isTheirs =
    found !== undefined && (username ?? found.client.username) === found.client.username;
  const session = isTheirs ? found : null;
  const known: Partial<Client> =
    session?.client ?? (username === null ? {} : { groups: parts.groupsOf(username) });
  const client: Client = {
    protocolVersion: 5,
    remoteAddress: '',
    ...known,
    clientId: clientId ?? '',
    username: session?.client.username ?? username,
    groups: [...new Set([...(known.groups ?? []), ...question.groups])],
    claims: { ...known.claims, ...question.claims },
  };
  const ban = banOn(parts, client, session);
  const step =
    ban === null
      ? told(question, client, found ?? null, session)
      : stop('client', `${nameOf(client.username)}, who would not be let in (0x8A): ${ban}`);
  return { client, session, step };
}

/** By its names: from where it would come is not known. A ban does not end who is connected. */
function banOn({ context }: ExplainParts, client: Client, session: Session | null): string | null {
  if (session !== null && session.connection !== null) return null;
  const { clientId, username } = client;
  return context.guard?.banOn(clientId, username) ?? null;
}

function told(
  { clientId }: PublishQuestion,
  client: Client,
  found: Session | null,
  session: Session | null,
): ExplainedStep {
  const name = nameOf(client.username);
  if (session !== null) {
    if (session.isUnknown) {
      return note(
        'client',
        `a session back from the store, whose client has not come back yet: it is judged as ${name} without groups and claims`,
      );
    }
    const where = session.connection === null ? 'is away' : 'is connected';
    return pass('client', `${name}${groupsOf(client)}, as its session says; it ${where}`);
  }
  if (found !== null) {
    const owner = nameOf(found.client.username);
    return note(
      'client',
      `${name}${groupsOf(client)}; the session of this client id belongs to ${owner}, so that it might not be let in`,
    );
  }
  const id = clientId === null ? '; no client id was said, so that rules about it see none' : '';
  return note('client', `${name}${groupsOf(client)}, who has no session${id}`);
}

export function nameOf(username: string | null): string {
  return username === null ? 'an anonymous client' : `user ${JSON.stringify(username)}`;
}

function groupsOf({ groups = [] }: Client): string {
  return groups.length === 0 ? '' : ` (groups: ${groups.join(', ')})`;
}

export function explainedClient(client: Client, session: Session | null): ExplainedClient {
  return {
    clientId: client.clientId === '' ? null : client.clientId,
    username: client.username,
    groups: client.groups ?? [],
    hasSession: session !== null,
    isConnected: session !== null && session.connection !== null,
    listener: session?.listener ?? null,
  };
}

/** As its quotas see it. */
export function quotaClientOf(client: Client, session: Session | null): QuotaClient {
  return { ...client, listener: session?.listener ?? null };
}
