// What commands for a running server may ask of it, answered by its parts.

import type { AuthorizerChain } from '../../auth/acl/authorizer-chain.ts';
import type { Client } from '../../auth/auth.ts';
import {
  type Ban,
  type BanKind,
  type BanRequest,
  bannedAmong,
  banProblem,
} from '../../auth/guard/ban.ts';
import type { Bans } from '../../auth/guard/bans.ts';
import type { Guard } from '../../auth/guard/guard.ts';
import { DatabaseUserAdmin, type UserAdmin } from '../../auth/users/user-admin.ts';
import { UserError, type UserProblem } from '../../auth/users/user-error.ts';
import { checkTopicName, parseTopicFilter } from '../../protocol/filter.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { AccessOptions } from '../../server/access-control.ts';
import {
  type AclAnswer,
  type AclQuestion,
  type BanControl,
  ControlError,
  type ControlledBan,
  type ControlProblem,
  type ServerControl,
  type UserControl,
} from '../../server/contract.ts';
import { dropControl } from '../../server/drop-control.ts';
import { eventControl } from '../../server/event-totals.ts';
import type { Server } from '../../server/server.ts';
import { StoreError } from '../../storage/store-folder/store-error.ts';
import type { Reload } from '../reload.ts';
import type { AccessInForce } from './in-force.ts';

/** Those of parts that have a file of their own. */
type OwnControls = Omit<
  ServerControl,
  'users' | 'bans' | 'drops' | 'events' | 'reload' | 'explain'
>;

export function serverControl(
  server: Server,
  access: AccessInForce,
  guard: Guard,
  reload: Reload,
  own: OwnControls,
): ServerControl {
  const { users } = access.services;
  return {
    ...own,
    users: users === null ? null : userControl(new DatabaseUserAdmin(users)),
    bans: banControl(server, guard),
    drops: dropControl(server.drops),
    events: eventControl(server, own.health),
    reload: (request) => reload.run(request),
    explain: (question) => explain(access.options, question, knownOf(question, server, access)),
  };
}

const USER_PROBLEMS: Readonly<Record<UserProblem, ControlProblem>> = {
  unknown: 'unknown',
  exists: 'exists',
  invalid: 'invalid',
  full: 'failed',
  unreadable: 'failed',
};

function userControl(admin: UserAdmin): UserControl {
  const told = async <T>(done: Promise<T>): Promise<T> => {
    try {
      return await done;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new ControlError(USER_PROBLEMS[error.problem], error.message);
    }
  };
  return {
    list: () => told(admin.list()),
    get: (username) => told(admin.get(username)),
    add: (user) => told(admin.add(user)),
    setPassword: (username, password) => told(admin.setPassword(username, password)),
    setGroups: (username, groups) => told(admin.setGroups(username, groups)),
    enable: (username) => told(admin.enable(username)),
    disable: (username) => told(admin.disable(username)),
    remove: (username) => told(admin.remove(username)),
  };
}

function banControl(server: Server, { bans }: Guard): BanControl {
  return {
    list: async () => bans.list().map(shownBan),
    async add({ kind, pattern, reason, durationMs, kick }) {
      const ban = await addBan(bans, { kind, pattern, reason, durationMs, origin: 'cli' });
      return { ban: shownBan(ban), kicked: kick ? kickBanned(server, ban) : 0 };
    },
    remove: (kind, pattern) => removeBan(bans, kind, pattern),
  };
}

/** Throws ControlError. */
export async function addBan(bans: Bans, request: BanRequest): Promise<Ban> {
  checkBan(request);
  return bans.add(request).catch(fail);
}

/** False: there is none. Throws ControlError. */
export async function removeBan(bans: Bans, kind: BanKind, pattern: string): Promise<boolean> {
  checkBan({ kind, pattern });
  return bans.remove(kind, pattern).catch(fail);
}

/** There are too many, or the store of a server that runs cannot be written. */
function fail(error: unknown): never {
  if (error instanceof StoreError) throw error;
  throw new ControlError('failed', (error as Error).message);
}

function checkBan(request: BanRequest): void {
  const problem = banProblem(request);
  if (problem !== null) throw new ControlError('invalid', problem);
}

export function shownBan({
  kind,
  pattern,
  reason,
  origin,
  createdAtMs,
  expiresAtMs,
}: Ban): ControlledBan {
  return {
    ...{ kind, pattern, reason, origin },
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

function kickBanned(server: Server, ban: Ban): number {
  let kicked = 0;
  for (const { clientId } of bannedAmong(ban, server.connectedClients())) {
    const options = { reasonString: 'banned' };
    // DISCONNECT has no Banned. MQTT 5 §3.14.2.1
    if (server.disconnectClient(clientId, ReasonCode.AdministrativeAction, options)) kicked++;
  }
  return kicked;
}

/** What the server knows of the client in a question: by its session, else by its user. */
function knownOf(
  { clientId, username }: AclQuestion,
  server: Server,
  access: AccessInForce,
): Partial<Client> {
  const client = server.clientOf(clientId);
  if (client !== null && client.username === username) return client;
  return username === null ? {} : { groups: access.groupsOf(username) };
}

/** What the authorizers say, and who of them. Throws ControlError for what is no topic. */
export async function explain(
  { authorizer }: AccessOptions,
  question: AclQuestion,
  known: Partial<Client>,
): Promise<AclAnswer> {
  const { username, clientId, groups, claims, action, qos, retain } = question;
  const topic = topicOf(question);
  if (authorizer === undefined) return withoutAuthorizer(topic);
  const client: Client = {
    protocolVersion: 5,
    remoteAddress: '',
    ...known,
    ...{ clientId, username },
    groups: [...new Set([...(known.groups ?? []), ...groups])],
    claims: { ...known.claims, ...claims },
  };
  const chain = authorizer as AuthorizerChain;
  const found = await chain.explain(client, { action, topic, qos, retain });
  const { outcome, source, rule, file, line, reason } = found;
  return { isAllowed: outcome === 'allow', source, rule, file, line, reason };
}

/** The topic name, or the filter as authorizers are asked about it, without `$share`. */
function topicOf({ action, topic }: AclQuestion): string {
  try {
    if (action === 'subscribe') return parseTopicFilter(topic, NO_LIMITS).topicFilter;
    checkTopicName(topic, NO_LIMITS);
    return topic;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ControlError('invalid', `${JSON.stringify(topic)}: ${error.message}`);
  }
}

const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

function withoutAuthorizer(topic: string): AclAnswer {
  const isAllowed = !topic.startsWith('$');
  return {
    ...{ isAllowed, source: 'default', rule: null, file: null, line: null },
    reason: isAllowed
      ? 'there is no authorizer: whoever is let in may do everything but with topics that begin with $'
      : 'topics that begin with $ need a rule, and there is no authorizer',
  };
}
