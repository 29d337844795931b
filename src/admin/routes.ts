// The routes of the admin API, as far as there are: they check what comes, ask the server, and say what it said. A change is a
// line in the log.

import type { FastifyInstance, FastifySchema } from 'fastify';
import type { Logger } from '../core/logger.ts';
import {
  type AclQuestion,
  type BanControl,
  type BanKindName,
  ControlError,
  type ReloadRequest,
  type ServerControl,
  type UserControl,
} from '../server/contract.ts';

const text = (maxLength: number, minLength = 0) => ({ type: 'string', minLength, maxLength });
const NAME = text(65_535, 1);
const PASSWORD = { password: text(65_535, 1), isMachine: { type: 'boolean', default: false } };
const GROUPS = { type: 'array', items: text(1_024, 1), maxItems: 1_000, default: [] };

function body(required: readonly string[], properties: object): FastifySchema {
  return { body: { type: 'object', additionalProperties: false, required, properties } };
}

interface OfUser {
  readonly Params: { readonly username: string };
}

export function addUserRoutes(
  app: FastifyInstance,
  { users }: ServerControl,
  logger: Logger,
): void {
  const need = (): UserControl => {
    if (users !== null) return users;
    throw new ControlError(
      'unavailable',
      'this server has no store that users could be in (storage.type)',
    );
  };
  const changed = (action: string, username: string): void =>
    logger.info({ action, username }, 'a user was changed');
  app.get('/api/v1/users', () => need().list());
  app.get<OfUser>('/api/v1/users/:username', async ({ params }) => {
    const user = await need().get(params.username);
    if (user !== null) return user;
    throw new ControlError('unknown', `there is no user ${JSON.stringify(params.username)}`);
  });
  app.post<{ Body: Parameters<UserControl['add']>[0] }>(
    '/api/v1/users',
    { schema: body(['username', 'password'], { username: NAME, ...PASSWORD, groups: GROUPS }) },
    async ({ body }, reply) => {
      const user = await need().add(body);
      changed('add', body.username);
      return reply.code(201).send(user);
    },
  );
  app.put<OfUser & { Body: { password: string; isMachine: boolean } }>(
    '/api/v1/users/:username/password',
    { schema: body(['password'], PASSWORD) },
    async ({ params, body }) => {
      const user = await need().setPassword(params.username, body);
      changed('password', params.username);
      return user;
    },
  );
  app.put<OfUser & { Body: { groups: string[] } }>(
    '/api/v1/users/:username/groups',
    { schema: body(['groups'], { groups: GROUPS }) },
    async ({ params, body }) => {
      const user = await need().setGroups(params.username, body.groups);
      changed('groups', params.username);
      return user;
    },
  );
  app.put<OfUser & { Body: { enabled: boolean } }>(
    '/api/v1/users/:username/enabled',
    { schema: body(['enabled'], { enabled: { type: 'boolean' } }) },
    async ({ params: { username }, body }) => {
      const user = await (body.enabled ? need().enable(username) : need().disable(username));
      changed(body.enabled ? 'enable' : 'disable', username);
      return user;
    },
  );
  app.delete<OfUser>('/api/v1/users/:username', async ({ params }, reply) => {
    await need().remove(params.username);
    changed('remove', params.username);
    return reply.code(204).send();
  });
}

const KIND = { type: 'string', enum: ['address', 'username', 'client_id'] };

export function addBanRoutes(app: FastifyInstance, { bans }: ServerControl, logger: Logger): void {
  app.get('/api/v1/bans', () => bans.list());
  app.post<{ Body: Parameters<BanControl['add']>[0] }>(
    '/api/v1/bans',
    {
      schema: body(['kind', 'pattern'], {
        kind: KIND,
        pattern: NAME,
        reason: { ...text(1_000), default: '' },
        durationMs: { type: ['integer', 'null'], minimum: 1, default: null },
        kick: { type: 'boolean', default: false },
      }),
    },
    async ({ body }, reply) => {
      const added = await bans.add(body);
      const { kind, pattern, reason } = body;
      logger.info({ kind, pattern, reason, kicked: added.kicked }, 'a ban was made');
      return reply.code(201).send(added);
    },
  );
  app.delete<{ Querystring: { kind: BanKindName; pattern: string } }>(
    '/api/v1/bans',
    {
      schema: {
        querystring: {
          type: 'object',
          required: ['kind', 'pattern'],
          properties: { kind: KIND, pattern: NAME },
        },
      },
    },
    async ({ query: { kind, pattern } }, reply) => {
      if (!(await bans.remove(kind, pattern))) {
        throw new ControlError('unknown', `there is no ban of the ${kind} ${pattern}`);
      }
      logger.info({ kind, pattern }, 'a ban was lifted');
      return reply.code(204).send();
    },
  );
}

export function addAccessRoutes(app: FastifyInstance, control: ServerControl): void {
  const flag = { type: 'boolean', default: false };
  app.post<{ Body: ReloadRequest }>(
    '/api/v1/reload',
    { schema: body([], { force: flag, dryRun: flag }) },
    ({ body }) => control.reload(body),
  );
  app.post<{ Body: AclQuestion }>(
    '/api/v1/acl/explain',
    {
      schema: body(['username', 'clientId', 'action', 'topic'], {
        username: { type: ['string', 'null'], maxLength: 65_535 },
        clientId: text(65_535),
        groups: GROUPS,
        claims: { type: 'object', default: {} },
        action: { type: 'string', enum: ['publish', 'subscribe', 'receive'] },
        topic: NAME,
        qos: { type: 'integer', minimum: 0, maximum: 2, default: 0 },
        retain: flag,
      }),
    },
    ({ body }) => control.explain(body),
  );
}
