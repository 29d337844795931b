// What a WebSocket listener can be told. The defaults are for browsers behind a reverse proxy.

import type http from 'node:http';

export interface WebSocketOptions {
  /** The only path that is served, `/mqtt`; null: any. */
  readonly path: string | null;
  /** Origins of web pages that are let in besides those of this very host, `https://app.example.com`; `*` = all. */
  readonly origins: readonly string[];
  /** Pings keep proxies from closing idle connections. 0 = none; who has sent nothing by the next one is gone. */
  readonly pingIntervalMs: number;
  /** Per-message deflate, for clients that offer it. */
  readonly compression: boolean;
  /** Bytes of one WebSocket message: the listener's maximum packet size. */
  readonly payloadMax: number;
  /** Bytes a client may send before its CONNECT was accepted. */
  readonly unacceptedBytesMax: number;
  /** Bytes of the upgrade request. */
  readonly headerBytesMax: number;
  /** From the connected socket to the upgrade. */
  readonly upgradeTimeoutMs: number;
  /** Where the client is, by a header of a trusted proxy; null: where the socket comes from. */
  readonly addressOf: ((request: http.IncomingMessage, peerAddress: string) => string) | null;
}

export const DEFAULT_WEBSOCKET_OPTIONS: WebSocketOptions = Object.freeze({
  path: null,
  origins: [],
  pingIntervalMs: 25_000, // below the 30 to 60 s of proxies
  compression: false,
  payloadMax: 2_000_000,
  unacceptedBytesMax: 65_536,
  headerBytesMax: 8_192,
  upgradeTimeoutMs: 10_000,
  addressOf: null,
});
