// The routes of users, bans and access: they check what comes, ask the server, and say what it said.

import type { FastifyInstance } from 'fastify';
import {
  type AclQuestion,
  type BanControl,
  type BanKindName,
  ControlError,
  type ReloadRequest,
  type ServerControl,
  type UserControl,
} from '../server/contract.ts';
import { query } from './paging.ts';
import { originOf } from './role.ts';
import { about, body, question, text } from './route.ts';

const NAME = text(65_535, 1);
const PASSWORD = { password: text(65_535, 1), isMachine: { type: 'boolean', default: false } };
const GROUPS = { type: 'array', items: text(1_024, 1), maxItems: 1_000, default: [] };

interface OfUser {
  readonly Params: { readonly username: string };
}

export function addUserRoutes(app: FastifyInstance, { users }: ServerControl): void {
  const need = (): UserControl => {
    if (users !== null) return users;
    throw new ControlError(
      'unavailable',
      'this server has no store that users could be in (storage.type)',
    );
  };
  app.get('/api/v1/users', about('admin', 'users', 'Lists the users of the store'), () =>
    need().list(),
  );
  const one = about('admin', 'users', 'Tells about a user');
  app.get<OfUser>('/api/v1/users/:username', one, async ({ params }) => {
    const user = await need().get(params.username);
    if (user !== null) return user;
    throw new ControlError('unknown', `there is no user ${JSON.stringify(params.username)}`);
  });
  app.post<{ Body: Parameters<UserControl['add']>[0] }>(
    '/api/v1/users',
    about('admin', 'users', 'Adds a user', {
      ...body(['username', 'password'], { username: NAME, ...PASSWORD, groups: GROUPS }),
    }),
    async ({ body }, reply) => {
      return reply.code(201).send(await need().add(body));
    },
  );
  app.put<OfUser & { Body: { password: string; isMachine: boolean } }>(
    '/api/v1/users/:username/password',
    about('admin', 'users', 'Gives a user another password', body(['password'], PASSWORD)),
    async ({ params, body }) => {
      return need().setPassword(params.username, body);
    },
  );
  app.put<OfUser & { Body: { groups: string[] } }>(
    '/api/v1/users/:username/groups',
    about('admin', 'users', 'Puts a user into groups', body(['groups'], { groups: GROUPS })),
    async ({ params, body }) => {
      return need().setGroups(params.username, body.groups);
    },
  );
  app.put<OfUser & { Body: { enabled: boolean } }>(
    '/api/v1/users/:username/enabled',
    about('admin', 'users', 'Disables a user, or enables it again', {
      ...body(['enabled'], { enabled: { type: 'boolean' } }),
    }),
    async ({ params: { username }, body }) => {
      return body.enabled ? need().enable(username) : need().disable(username);
    },
  );
  const removes = about('admin', 'users', 'Removes a user');
  app.delete<OfUser>('/api/v1/users/:username', removes, async ({ params }, reply) => {
    await need().remove(params.username);
    return reply.code(204).send();
  });
}

const KIND = { type: 'string', enum: ['address', 'username', 'client_id'] };

export function addBanRoutes(app: FastifyInstance, { bans }: ServerControl): void {
  app.get('/api/v1/bans', about('viewer', 'bans', 'Lists the bans'), () => bans.list());
  app.post<{ Body: Parameters<BanControl['add']>[0] }>(
    '/api/v1/bans',
    about('operator', 'bans', 'Bans an address, a user name or a client id', {
      ...body(['kind', 'pattern'], {
        kind: KIND,
        pattern: NAME,
        reason: { ...text(1_000), default: '' },
        durationMs: { type: ['integer', 'null'], minimum: 1, default: null },
        kick: { type: 'boolean', default: false },
      }),
    }),
    async (request, reply) => {
      const added = await bans.add(request.body, originOf(request));
      request.result = { kicked: added.kicked };
      return reply.code(201).send(added);
    },
  );
  app.delete<{ Querystring: { kind: BanKindName; pattern: string } }>(
    '/api/v1/bans',
    about('operator', 'bans', 'Lifts a ban', {
      ...query({ kind: KIND, pattern: NAME }, ['kind', 'pattern']),
    }),
    async ({ query: { kind, pattern } }, reply) => {
      if (!(await bans.remove(kind, pattern))) {
        throw new ControlError('unknown', `there is no ban of the ${kind} ${pattern}`);
      }
      return reply.code(204).send();
    },
  );
}

export function addAccessRoutes(app: FastifyInstance, control: ServerControl): void {
  const flag = { type: 'boolean', default: false };
  app.post<{ Body: ReloadRequest }>(
    '/api/v1/reload',
    about('admin', 'server', 'Reloads the configuration and everything that it names', {
      ...body([], { force: flag, dryRun: flag }),
    }),
    async (request) => {
      const report = await control.reload(request.body);
      const { changes, ended, muted, problems } = report;
      request.result = { changes: changes.length, ended, muted, problems: problems.length };
      request.isRefused = problems.length > 0;
      return report;
    },
  );
  app.post<{ Body: AclQuestion }>(
    '/api/v1/acl/explain',
    question('operator', 'access', 'Says whether a client may, and by which rule', {
      ...body(['username', 'clientId', 'action', 'topic'], {
        username: { type: ['string', 'null'], maxLength: 65_535 },
        clientId: text(65_535),
        groups: GROUPS,
        claims: { type: 'object', default: {} },
        action: { type: 'string', enum: ['publish', 'subscribe', 'receive'] },
        topic: NAME,
        qos: { type: 'integer', minimum: 0, maximum: 2, default: 0 },
        retain: flag,
      }),
    }),
    ({ body }) => control.explain(body),
  );
}
