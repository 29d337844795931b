// The admin API over HTTP. It listens before the server has its sessions back and until it has stopped, since health checks ask
// just then: meanwhile only health is answered, everything else is told to come again.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Logger } from '../core/logger.ts';
import type { HealthControl } from '../server/contract/health.ts';
import type { TokenAuthority } from '../server/contract/tokens.ts';
import type { ServerControl } from '../server/contract.ts';
import { addAllRoutes } from './all-routes.ts';
import { createApp, HEAD_MAX } from './app.ts';
import { closeServer } from './closing.ts';
import { Connections } from './connections.ts';
import { type Doorway, guardRequests } from './doorway.ts';
import { addHealthRoutes } from './health-routes.ts';
import { describeRoutes } from './openapi.ts';
import { RequestError } from './request-error.ts';
import { RequestRate } from './request-rate.ts';

export interface ListenerCertificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly passphrase?: string;
}

export interface AdminListenerOptions {
  /** Empty: all interfaces. */
  readonly host: string;
  readonly port: number;
  /** null: plain HTTP. */
  readonly certificate: ListenerCertificate | null;
  /** Only this machine reaches it. */
  readonly isLoopback: boolean;
  /** Besides `localhost` and addresses. */
  readonly allowedHosts: readonly string[];
  readonly connectionsMax: number;
  /** A second; 0 = no limit. */
  readonly requestRateMax: number;
  /** bytes */
  readonly bodyMax: number;
  readonly requestTimeoutMs: number;
  readonly health: HealthControl;
  readonly authority: TokenAuthority;
  readonly logger: Logger;
  readonly version: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Lines about too many connections are so far apart. */
const FULL_LINE_MS = 60_000;
/** Nobody reads what is sent, or nothing comes of a request, for so long. */
const IDLE_MS = 120_000;
const KEEP_ALIVE_MS = 5_000;
const LOOK_MS_MAX = 1_000;

/** For every answer: nothing of it is kept, guessed at, or shown in a page of somebody else's. */
const HEADERS = Object.entries({
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
});

export class AdminListener {
  readonly #options: AdminListenerOptions;
  readonly #doorway: Doorway;
  readonly #connections: Connections;
  readonly #server: http.Server | https.Server;
  readonly #apps: FastifyInstance[] = [];
  /** Who answers now. */
  #app: FastifyInstance;

  private constructor(options: AdminListenerOptions, doorway: Doorway, app: FastifyInstance) {
    this.#options = options;
    this.#doorway = doorway;
    this.#app = app;
    this.#apps.push(app);
    this.#connections = doorway.connections;
    this.#server = this.#createServer();
  }

  /** Answers about health only, for now. Rejects with the system's error when it cannot listen, or with that of a wrong certificate. */
  static async open(options: AdminListenerOptions): Promise<AdminListener> {
    const { allowedHosts, authority, host, isLoopback, now, port, requestRateMax } = options;
    const hosts = new Set(['localhost', ...allowedHosts.map((name) => name.toLowerCase())]);
    const rate = new RequestRate(requestRateMax, now);
    const connections = new Connections(options.connectionsMax, fullLine(options));
    const doorway = { authority, hosts, isLoopback, rate, connections };
    const app = await healthApp(options, { ...doorway, authority: null }, 'starts');
    const listener = new AdminListener(options, doorway, app);
    const server = listener.#server;
    const listening = once(server, 'listening');
    server.listen({ host: host === '' ? undefined : host, port });
    try {
      await listening;
    } catch (error) {
      await app.close();
      throw error;
    }
    server.unref(); // it keeps no process alive
    return listener;
  }

  /** Where it listens: `http://127.0.0.1:18083`. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    const protocol = this.#options.certificate === null ? 'http' : 'https';
    return `${protocol}://${address.includes(':') ? `[${address}]` : address}:${port}`;
  }

  /** From now on all routes are served. */
  async serve(control: ServerControl): Promise<void> {
    const { bodyMax, logger, now, version } = this.#options;
    const app = createApp({ logger, bodyMax, now, hidesFailures: true });
    guardRequests(app, this.#doorway);
    await describeRoutes(app, version);
    addAllRoutes(app, control);
    await app.ready();
    this.#apps.push(app);
    this.#app = app;
  }

  /** A token or a user has changed: answers that go on end for those who lost what they had. */
  review(): void {
    for (const { longAnswers } of this.#apps) longAnswers.review();
  }

  /** The server stops: from now on only health is served again. */
  async retire(): Promise<void> {
    const app = await healthApp(this.#options, this.#doorway, 'stops');
    this.#apps.push(app);
    const before = this.#app;
    this.#app = app;
    await before.close(); // who reads events is told the end
  }

  /** Connections of later show this one. Throws when it is wrong, and then nothing has changed. */
  setCertificate(certificate: ListenerCertificate): void {
    const server = this.#server;
    if ('setSecureContext' in server) server.setSecureContext({ ...certificate, ...TLS });
  }

  async close(): Promise<void> {
    await closeServer(this.#server, () => this.#connections.destroyAll());
    for (const app of this.#apps) await app.close();
  }

  #createServer(): http.Server | https.Server {
    const { certificate, requestTimeoutMs } = this.#options;
    const headersTimeout = Math.ceil(requestTimeoutMs / 2);
    const options: http.ServerOptions = {
      maxHeaderSize: HEAD_MAX,
      headersTimeout,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(LOOK_MS_MAX, Math.ceil(requestTimeoutMs / 2)),
    };
    const answer: http.RequestListener = (request, response) => {
      for (const [name, value] of HEADERS) response.setHeader(name, value);
      this.#app.routing(request, response);
    };
    const server =
      certificate === null
        ? http.createServer(options, answer)
        : https.createServer(
            { ...options, ...certificate, ...TLS, handshakeTimeout: headersTimeout },
            answer,
          );
    server.on('connection', (socket) => this.#connections.add(socket)); // of TLS before its handshake
    server.timeout = IDLE_MS;
    return server;
  }
}

/** Tells at a bounded rate whose connections make room for others. */
function fullLine({
  connectionsMax,
  logger,
  now,
}: AdminListenerOptions): (address: string) => void {
  let saidMs = Number.NEGATIVE_INFINITY;
  return (address) => {
    const nowMs = now();
    if (nowMs - saidMs < FULL_LINE_MS) return;
    saidMs = nowMs;
    const message =
      'admin API: too many connections, the oldest of an address with most are closed';
    logger.warn({ address, connectionsMax }, message);
  };
}

const TLS = { minVersion: 'TLSv1.2' } as const;

async function healthApp(
  { health, logger }: AdminListenerOptions,
  doorway: Doorway,
  does: 'starts' | 'stops',
): Promise<FastifyInstance> {
  const app = createApp({ logger, hidesFailures: true });
  app.addHook('onRequest', async (request) => {
    if (!request.is404) return;
    throw new RequestError(503, 'unavailable', `the server ${does}: ask again in a while`, {
      'retry-after': '5',
    });
  });
  guardRequests(app, doorway);
  addHealthRoutes(app, health);
  await app.ready();
  return app;
}
