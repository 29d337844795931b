// The admin API over HTTP with a server behind it that remembers what it was asked.

import { once } from 'node:events';
import http from 'node:http';
import { onTestFinished } from 'vitest';
import { AdminListener, type AdminListenerOptions } from '../../src/admin/admin-listener.ts';
import type { EventTotals } from '../../src/server/contract/events.ts';
import type { ReadinessProblem } from '../../src/server/contract/health.ts';
import type {
  ControlledToken,
  Identity,
  LoginOutcome,
  TokenRole,
} from '../../src/server/contract/tokens.ts';
import type { ControlledBan, ServerControl } from '../../src/server/contract.ts';
import { LogBook } from '../kit/log-book.ts';
import { NO_MANAGEMENT } from '../kit/no-management.ts';

const BAN: ControlledBan = {
  ...{ kind: 'username', pattern: 'x', reason: '', origin: 'api' },
  ...{ createdAt: '2026-01-01T00:00:00.000Z', expiresAt: null },
};

export interface Asked {
  readonly token?: string;
  readonly headers?: http.OutgoingHttpHeaders | string[];
  /** A text goes as it is. */
  readonly body?: unknown;
}

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** As JSON; null: it is none. */
  readonly said: unknown;
}

/** What is asked of the server, and what it answers. */
export class Api {
  readonly log = new LogBook();
  readonly calls: unknown[][] = [];
  readonly health: ReadinessProblem[] = [];
  readonly wrong: string[] = [];
  /** Why nothing is reloaded. */
  readonly problems: string[] = [];
  /** Named as what they may do. */
  readonly tokens = new Map<string, TokenRole>([
    ['viewer-token', 'viewer'],
    ['operator-token', 'operator'],
    ['admin-token', 'admin'],
  ]);
  totals: EventTotals = {
    ...{ connectionsOpened: 0, connectionsClosed: 0, connectionsRefused: 0, failedLogins: 0 },
    ...{ dropped: {}, alarms: [], problems: [] },
  };
  isPenalized = false;
  login: LoginOutcome = { outcome: 'wrong' };
  /** What the next calls reject with. */
  error: Error | null = null;
  #listener: AdminListener | null = null;

  get control(): ServerControl {
    const does =
      <T>(name: string, answer: T) =>
      async (...args: unknown[]): Promise<T> => {
        this.calls.push([name, ...args]);
        if (this.error !== null) throw this.error;
        return answer;
      };
    const token: ControlledToken = {
      ...{ name: 'ci', role: 'viewer', origin: 'api' },
      ...{ createdAt: '2026-01-01T00:00:00.000Z', expiresAt: null },
    };
    const user = { username: 'ann', groups: [], isDisabled: false };
    const part: Partial<ServerControl> = {
      users: {
        ...{ list: does('users.list', [user]), get: does('users.get', user) },
        ...{ add: does('users.add', user), setPassword: does('users.setPassword', user) },
        ...{ setGroups: does('users.setGroups', user), enable: does('users.enable', user) },
        ...{ disable: does('users.disable', user), remove: does('users.remove', undefined) },
      },
      bans: {
        list: does('bans.list', []),
        add: does('bans.add', { ban: BAN, kicked: 0 }),
        remove: does('bans.remove', true),
      },
      management: NO_MANAGEMENT,
      health: { problems: () => this.health },
      events: { totals: () => ({ ...this.totals, problems: this.health }) },
      tokens: {
        list: does('tokens.list', [token]),
        add: does('tokens.add', { token, secret: 'iothub_new' }),
        remove: does('tokens.remove', true),
      },
      logins: {
        login: async (who) => {
          this.calls.push(['login', who]);
          return this.login;
        },
      },
      reload: does('reload', {
        ...{ changes: [], ended: 0, muted: 0, afterRestart: [], problems: this.problems },
      }),
    };
    return part as ServerControl; // what is not here is not asked
  }

  identify(secret: string, address: string): Identity | null {
    const identity = this.find(secret);
    if (identity === null) this.wrong.push(address);
    return identity;
  }

  find(secret: string): Identity | null {
    const role = this.tokens.get(secret);
    return role === undefined ? null : { kind: 'token', name: secret, role };
  }

  get listener(): AdminListener {
    if (this.#listener === null) throw new Error('it is not open');
    return this.#listener;
  }

  get port(): number {
    return Number(new URL(this.listener.url).port);
  }

  async open(given: Partial<AdminListenerOptions> = {}): Promise<this> {
    this.#listener = await AdminListener.open({
      ...{ host: '127.0.0.1', port: 0, certificate: null, isLoopback: true },
      ...{ allowedHosts: ['Hub.example.com'], connectionsMax: 50, requestRateMax: 0 },
      ...{ bodyMax: 4_096, requestTimeoutMs: 30_000, version: '1.2.3', now: () => 0 },
      health: { problems: () => this.health },
      authority: {
        identify: (secret, address) => this.identify(secret, address),
        find: (secret) => this.find(secret),
        isPenalized: () => this.isPenalized,
      },
      logger: this.log,
      ...given,
    });
    const listener = this.#listener;
    onTestFinished(() => listener.close());
    return this;
  }

  async ask(method: string, path: string, { token, headers = {}, body }: Asked = {}) {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const own = {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
    const request = http.request({
      ...{ host: '127.0.0.1', port: this.port, method, path, agent: false },
      headers: Array.isArray(headers) ? headers : { ...own, ...headers },
    });
    request.end(text);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let answer = '';
    for await (const chunk of response) answer += String(chunk);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: answer,
      said: parsed(answer),
    } satisfies Answered;
  }

  /** Only the status. */
  async status(method: string, path: string, asked?: Asked): Promise<number> {
    return (await this.ask(method, path, asked)).status;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** With all of its routes. */
export async function openApi(given: Partial<AdminListenerOptions> = {}): Promise<Api> {
  const api = await new Api().open(given);
  await api.listener.serve(api.control);
  return api;
}

/** The code of an answer that says why not. */
export function codeOf({ said }: Answered): string {
  return (said as { error: { code: string } }).error.code;
}
