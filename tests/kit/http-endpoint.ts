// Endpoints on loopback, for tests of what asks them: one that answers as it is told, and one that does what no HTTP server
// does, byte by byte.

import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What came. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export type Answer =
  /** Status 200 and this JSON. */
  | { readonly json: unknown }
  | {
      readonly status?: number;
      readonly headers?: http.OutgoingHttpHeaders;
      readonly body?: string | Uint8Array;
    };

/** Says how one question is answered; a promise holds the answer back. */
export type Respond = (asked: Asked) => Answer | Promise<Answer>;

export class HttpEndpointServer {
  readonly asked: Asked[] = [];
  /** May be another one while it runs. */
  respond: Respond;
  /** Connections that were accepted, ever. */
  connections = 0;
  readonly #server: http.Server;

  /** Is gone when the test is. */
  static async start(
    respond: Respond = () => ({ json: { result: 'allow' } }),
    tls: https.ServerOptions | null = null,
  ): Promise<HttpEndpointServer> {
    const endpoint = await HttpEndpointServer.open(respond, tls);
    onTestFinished(() => endpoint.close());
    return endpoint;
  }

  /** It is there until somebody closes it. */
  static async open(
    respond: Respond = () => ({ json: { result: 'allow' } }),
    tls: https.ServerOptions | null = null,
  ): Promise<HttpEndpointServer> {
    const endpoint = new HttpEndpointServer(respond, tls);
    await listen(endpoint.#server, 0);
    return endpoint;
  }

  private constructor(respond: Respond, tls: https.ServerOptions | null) {
    this.respond = respond;
    const onRequest: http.RequestListener = (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    };
    this.#server = tls === null ? http.createServer(onRequest) : https.createServer(tls, onRequest);
    this.#server.keepAliveTimeout = 0;
    this.#server.on('connection', () => this.connections++);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/auth`;
  }

  /** What came last, as JSON. */
  get lastBody(): unknown {
    return JSON.parse(this.asked.at(-1)?.body ?? 'null');
  }

  /** Resets all its connections, and takes new ones. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url = '', headers } = request;
    const asked = { method, url, headers, body: Buffer.concat(chunks).toString() };
    this.asked.push(asked);
    const answer = await this.respond(asked);
    if ('json' in answer) {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(answer.json));
    } else {
      response.writeHead(answer.status ?? 200, answer.headers);
      response.end(answer.body);
    }
  }
}

/** Calls back with every socket once the head of a request has come by it; says the URL. It is gone when the test is. */
export async function rawEndpoint(onRequest: (socket: net.Socket) => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      if (chunk.includes('\r\n\r\n')) onRequest(socket);
    });
  });
  await listen(server, 0);
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`;
}

/** A URL at which nobody listens. */
export async function deadUrl(): Promise<string> {
  const server = net.createServer();
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/auth`;
}

function listen(server: net.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
}
