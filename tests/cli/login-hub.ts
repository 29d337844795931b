// A server that runs as people run it, with a listener of each kind and everything that can be asked who a client is, for attacks
// on it; and what somebody needs who comes there: certificates, tokens, headers of balancers.

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { expect, onTestFinished } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { hex } from '../kit/hex.ts';
import { knock, LoginClient, type Shown } from '../kit/login-client.ts';
import { CA, clientOf, SERVER } from '../kit/secure-server.ts';
import { iothubFed, type Outcome, RunningServer } from './command.ts';

export const FILE_PASSWORD = 'the-password-in-the-file';
export const STORE_PASSWORD = 'the-password-in-the-store';
export const SECRET = 'a-secret-of-thirty-two-bytes-long';
const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 });
export const PUBLIC_PEM = RSA.publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** Everything, in this order: what a file knows, what the store knows, tokens, certificates. */
const AUTHENTICATORS = `
[[authenticators]]
type = "password-file"
name = "file"
file = "passwd"
[[authenticators]]
type = "users"
[[authenticators]]
type = "jwt"
name = "tokens"
issuer = "me"
audience = ["mqtt"]
[[authenticators.keys]]
algorithms = ["HS256"]
secret = "${SECRET}"
[[authenticators.keys]]
algorithms = ["RS256"]
file = "rsa.pem"
[[authenticators]]
type = "jwt"
name = "named-tokens"
issuer = "me"
audience = ["mqtt"]
token_in = "username"
[[authenticators.keys]]
algorithms = ["HS256"]
secret = "${SECRET}"
[[authenticators]]
type = "certificate"
[penalties]
trusted = ["loopback", "unix"]
[access]
hash_workers = 1
[log]
level = "debug"
`;

/** One listener of each kind; the names are those of the tests. */
const LISTENERS = {
  all: 'url = "mqtt://127.0.0.1:0"\nauthenticators = ["file", "users", "tokens", "certificate"]',
  open: 'url = "mqtt://127.0.0.1:0"\nanonymous = true\nauthenticators = ["file", "tokens"]',
  web: 'url = "ws://127.0.0.1:0/mqtt"\nauthenticators = ["file"]',
  socket: 'url = "mqtt+unix://SOCKET"\nauthenticators = ["users"]',
  named: 'url = "mqtt://127.0.0.1:0"\nauthenticators = ["named-tokens"]',
  secure: `url = "mqtts://127.0.0.1:0"
authenticators = ["certificate", "file"]
anonymous = true
[listeners.tls]
cert = "server.crt"
key = "server.key"
ca = "ca.crt"
client_certificate = "optional"
identity = "cn"`,
  device: `url = "mqtts://127.0.0.1:0"
authenticators = ["certificate"]
[listeners.tls]
cert = "server.crt"
key = "server.key"
ca = "ca.crt"
client_certificate = "optional"
identity = "cn"
identity_as = "client-id"`,
  balanced: `url = "mqtt://127.0.0.1:0"
authenticators = ["certificate"]
proxy_protocol = true
trusted_proxies = ["loopback"]
proxy_certificate_name = true`,
  unbalanced: `url = "mqtt://127.0.0.1:0"
authenticators = ["certificate", "file"]
proxy_protocol = true
trusted_proxies = ["loopback"]`,
  nobody: 'url = "mqtt://127.0.0.1:0"\nanonymous = false\nauthenticators = ["certificate", "file"]',
} as const;
export type Door = keyof typeof LISTENERS;

/** The beginning of a PROXY header, version 2. */
export const V2 = '0d0a0d0a000d0a515549540a';

/** A header about a client with a certificate of that name, or without one; `verify` 0: the balancer found it good. */
export function proxied(name: string | null, verify = 0): Buffer {
  const inner = name === null ? Buffer.alloc(0) : record(0x22, Buffer.from(name));
  const flags = name === null ? 0x01 : 0x03;
  const verdict = Buffer.from([flags, 0, 0, 0, verify]);
  const body = Buffer.concat([
    Buffer.from([192, 0, 2, 1, 127, 0, 0, 1, 0x12, 0x34, 0x07, 0x5b]),
    record(0x20, Buffer.concat([verdict, inner])),
  ]);
  return Buffer.concat([Buffer.from(`${V2}2111`, 'hex'), uint16(body.length), body]);
}

function record(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), uint16(value.length), value]);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff]);
}

export interface Comer extends Shown {
  /** Of a client certificate. */
  readonly certificate?: string;
  /** What a balancer says before all else. */
  readonly header?: string | Uint8Array;
}

/** Users: `bob` in the file, `ann` in the store. */
export class LoginHub {
  readonly #folder = temporaryFolder();
  readonly #ports = new Map<Door, number>();
  /** Of servers that have ended. */
  readonly #lines: string[] = [];
  #server: RunningServer | null = null;

  static async start(): Promise<LoginHub> {
    const hub = new LoginHub();
    const passwd = hub.#path('passwd');
    const made = await iothubFed(`${FILE_PASSWORD}\n`, 'passwd', '-c', '-I', '1000', passwd, 'bob');
    expect(made.exitCode, made.stderr).toBe(0);
    hub.#writeFiles();
    await hub.start();
    await hub.addUser('ann');
    return hub;
  }

  get server(): RunningServer {
    if (this.#server === null) throw new Error('it is not started');
    return this.#server;
  }

  /** All that it has logged so far. */
  get lines(): readonly string[] {
    return [...this.#lines, ...this.server.lines];
  }

  async start(): Promise<void> {
    const files = ['--config', this.#path('iothub.toml'), '--data', this.#path('data')];
    this.#server = new RunningServer({ isPlaced: true }, ...files);
    for (const door of Object.keys(LISTENERS) as Door[]) {
      const [, port] = await this.server.line(/serves MQTT .* on (?:mqtt\+unix|.*:(\d+))/);
      this.#ports.set(door, Number(port));
    }
  }

  async stop(): Promise<void> {
    this.server.child.kill('SIGTERM');
    await this.server.line(/Stopped/);
    await this.server.exit;
    this.#lines.push(...this.server.lines.splice(0));
  }

  /** With the password of all who are in the store. */
  async addUser(username: string): Promise<void> {
    const { exitCode, stderr } = await this.users(`${STORE_PASSWORD}\n`, 'add', username);
    expect(exitCode, stderr).toBe(0);
  }

  /** `iothub users` on it, with this on its standard input. */
  users(input: string, action: string, ...args: string[]): Promise<Outcome> {
    return iothubFed(input, 'users', action, '--data', this.#path('data'), ...args);
  }

  port(door: Door): number {
    return this.#ports.get(door) ?? 0;
  }

  /** The code that somebody gets at that door; null: the connection ends without one. */
  async code(door: Door, shown: Comer = {}): Promise<number | null> {
    const socket = this.#dial(door, shown);
    onTestFinished(() => void socket.destroy());
    return await knock(socket, shown);
  }

  /** The same for what these bytes are. */
  async answerTo(door: Door, bytes: string): Promise<number | null> {
    const client = this.client(door);
    client.write(hex(bytes));
    return await client.code();
  }

  /** Somebody at that door who has said nothing yet. */
  client(door: Door, version: 3 | 4 | 5 = 5): LoginClient {
    const socket = this.#dial(door, {});
    onTestFinished(() => void socket.destroy());
    return LoginClient.on(socket, version);
  }

  #path(name: string): string {
    return path.join(this.#folder, name);
  }

  #writeFiles(): void {
    const write = (name: string, text: string) =>
      writeFileSync(this.#path(name), text, { mode: 0o600 });
    write('server.crt', SERVER.cert);
    write('server.key', SERVER.key);
    write('ca.crt', CA.issued.cert);
    write('rsa.pem', PUBLIC_PEM);
    const listeners = Object.values(LISTENERS).map((text) => `[[listeners]]\n${text}\n`);
    const toml = listeners.join('').replace('SOCKET', this.#path('mqtt.sock'));
    write('iothub.toml', toml + AUTHENTICATORS);
  }

  #dial(door: Door, { certificate, header }: Comer): net.Socket {
    if (door === 'socket') return net.connect(this.#path('mqtt.sock'));
    const port = this.port(door);
    if (door === 'secure' || door === 'device') {
      const shown = certificate === undefined ? {} : clientOf({ commonName: certificate });
      return tls.connect({ host: '127.0.0.1', port, ca: CA.issued.cert, ...shown });
    }
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    if (header !== undefined) socket.write(header);
    return socket;
  }
}

export function encode(value: object | string): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return Buffer.from(text).toString('base64url');
}

export const IN_AN_HOUR = Math.floor(Date.now() / 1_000) + 3_600;

export function tokenOf(
  claims: object = {},
  header: object = { alg: 'HS256' },
  secret: string = SECRET,
): string {
  const all = { iss: 'me', aud: 'mqtt', sub: 'tom', exp: IN_AN_HOUR, ...claims };
  const input = `${encode(header)}.${encode(all)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}
