// The built server as `iothub init --tls` sets it up, with users in its store besides, tokens, rules for devices, and a WebSocket.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SignJWT } from 'jose';
import { onTestFinished } from 'vitest';
import { iothubFed } from '../cli/command.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { type Hub, startServing } from './hub.ts';

const SECRET = 'a-secret-of-thirty-two-bytes-long';
/** Of the user in the store that all these tests are about. */
export const DEVICE = { username: 'dev', password: 'opensesame' } as const;

const MORE = `
[[listeners]]
url = "ws://127.0.0.1:0/mqtt"

[[authenticators]]
type = "users"

[[authenticators]]
type = "jwt"
issuer = "https://issuer.example"
audience = ["mqtt"]
leeway = "0s"
[[authenticators.keys]]
algorithms = ["HS256"]
secret = "${SECRET}"

[[authorizers]]
type = "claims"

[[rules]]
effect = "allow"
actions = ["publish"]
topics = ["devices/%u/#"]
groups = ["devices"]

[[rules]]
effect = "deny"
actions = ["receive"]
topics = ["commands/+/secret"]
groups = ["devices"]

[[rules]]
effect = "allow"
actions = ["subscribe"]
topics = ["commands/%u/#"]
groups = ["devices"]
`;

export interface Account {
  readonly username: string;
  readonly password: string;
}

export class SecuredHub {
  readonly #folder: string;
  /** Of `init`: may do everything but `$` topics. */
  readonly admin: Account;
  /** Who kills it at the end. */
  readonly #atEnd: (kill: () => Promise<void>) => void;
  #hub: Hub | null = null;

  private constructor(
    folder: string,
    password: string,
    atEnd: (kill: () => Promise<void>) => void,
  ) {
    this.#folder = folder;
    this.#atEnd = atEnd;
    this.admin = { username: 'admin', password };
  }

  /** Serves one test; `more` goes to the end of its configuration. */
  static start(more = ''): Promise<SecuredHub> {
    return SecuredHub.#start(more, onTestFinished);
  }

  /** Serves all tests of a file, which guess passwords more often than a server likes, until `end`. */
  static startForAll(): Promise<SecuredHub> {
    const more = '[penalties]\nfailures_max = 0\naddress_failures_max = 0\n';
    return SecuredHub.#start(more, () => {});
  }

  static async #start(
    more: string,
    atEnd: (kill: () => Promise<void>) => void,
  ): Promise<SecuredHub> {
    const folder = path.join(temporaryFolder(), 'hub');
    const stdout = await command('init', folder, '--tls');
    const password = /PASSWORD=(\S+)/.exec(stdout)?.[1] ?? '';
    const secured = new SecuredHub(folder, password, atEnd);
    const file = path.join(folder, 'iothub.toml');
    const written = readFileSync(file, 'utf8').replaceAll(/:1883|:8883/g, ':0');
    writeFileSync(file, written + MORE + more);
    await secured.serve();
    await secured.users('add', DEVICE.username, '--group', 'devices');
    return secured;
  }

  get hub(): Hub {
    if (this.#hub === null) throw new Error('it does not serve');
    return this.#hub;
  }

  get mqtt(): string {
    return this.hub.urls[0];
  }

  get mqtts(): string {
    return this.hub.urls[1].replace('127.0.0.1', 'localhost');
  }

  get ws(): string {
    return this.hub.urls[2];
  }

  /** A file that `init` wrote. */
  file(name: string): string {
    return path.join(this.#folder, name);
  }

  /** Starts the server, on the ports of before if it served already. */
  async serve(): Promise<void> {
    const file = path.join(this.#folder, 'iothub.toml');
    if (this.#hub !== null) {
      const ports = this.#hub.urls.map((url) => new URL(url).port);
      // Each has its port from the first start on.
      const text = readFileSync(file, 'utf8').replaceAll(/(?<=:\/\/[\d.]+):0/g, () => {
        return `:${ports.shift()}`;
      });
      writeFileSync(file, text);
    }
    const data = path.join(this.#folder, 'data');
    this.#hub = await startServing(3, ['--config', file, '--data', data], this.#atEnd);
  }

  async end(): Promise<void> {
    await this.#hub?.stop('SIGKILL');
  }

  /** `iothub users …`; a password that is asked for is that of the device. What it prints. */
  users(...args: string[]): Promise<string> {
    return command('users', ...args, '--data', path.join(this.#folder, 'data'));
  }

  /** What a token says, and for how long it is good. */
  token(claims: Readonly<Record<string, unknown>>, expires: string | number = '1h') {
    return new SignJWT({ iss: 'https://issuer.example', aud: 'mqtt', ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime(expires)
      .sign(Buffer.from(SECRET));
  }
}

/** Runs a command to its end, which must be a good one; what it prints. */
async function command(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await iothubFed(DEVICE.password, ...args);
  if (exitCode !== 0) throw new Error(`iothub ${args.join(' ')}: ${stderr}`);
  return stdout;
}
