// A server with access control as the command line puts it together, in this process: its configuration and the files that it
// names are in a folder of the test. Files count as soon as they are written.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Authenticator, Authorizer } from '../../src/auth/auth.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import { guardSettings } from '../../src/cli/access/guard.ts';
import { AccessInForce } from '../../src/cli/access/in-force.ts';
import { quotaRules } from '../../src/cli/access/quotas.ts';
import { listenersOf } from '../../src/cli/listeners.ts';
import { Reload, type RestTimes } from '../../src/cli/reload.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ReloadReport, ReloadRequest } from '../../src/server/contract.ts';
import { Server } from '../../src/server/server.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { WireClient } from '../kit/wire.ts';

const TIMES: RestTimes = { lookMs: 1, restMs: 1, patienceMs: 10_000 };

/** `[[authenticators]]` and `[[authorizers]]` of this process, by the names that configurations call them by. */
interface Parts {
  readonly authenticators: Record<string, () => Authenticator>;
  readonly authorizers: Record<string, () => Authorizer>;
}

declare global {
  var accessHubParts: Parts;
}

export interface HubOptions {
  readonly storage?: Storage;
  readonly times?: RestTimes;
}

export class AccessHub {
  readonly folder = temporaryFolder();
  readonly file = path.join(this.folder, 'iothub.toml');
  readonly log = new LogBook();
  readonly #options: HubOptions;
  #server: Server | null = null;
  #access: AccessInForce | null = null;
  #guard: Guard | null = null;
  #reload: Reload | null = null;

  constructor(options: HubOptions = {}) {
    this.#options = options;
    globalThis.accessHubParts = { authenticators: {}, authorizers: {} };
    const make = (what: string, chain: string): string =>
      `export const ${what} = ({ is }) => globalThis.accessHubParts.${chain}[is]();\n`;
    this.write('authenticator.mjs', make('createAuthenticator', 'authenticators'));
    this.write('authorizer.mjs', make('createAuthorizer', 'authorizers'));
  }

  get server(): Server {
    return have(this.#server);
  }

  get access(): AccessInForce {
    return have(this.#access);
  }

  get guard(): Guard {
    return have(this.#guard);
  }

  get reload(): Reload {
    return have(this.#reload);
  }

  /** A file of its folder; its path. */
  write(name: string, content: string, mode = 0o600): string {
    const file = path.join(this.folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content, { mode });
    return file;
  }

  /** The configuration; it listens on any free port, unless it says where. */
  configure(...toml: string[]): void {
    const isPlaced = toml.some((text) => text.includes('[[listeners]]'));
    const place = isPlaced ? '' : '[[listeners]]\nurl = "mqtt://127.0.0.1:0"\n';
    this.write('iothub.toml', `${toml.join('\n')}\n${place}`);
  }

  /** An authenticator of the test, which is made anew whenever the configuration is read. */
  authenticator(name: string, make: () => Authenticator): string {
    globalThis.accessHubParts.authenticators[name] = make;
    return `[[authenticators]]\nname = "${name}"\ntype = "./authenticator.mjs"\noptions = { is = "${name}" }\n`;
  }

  authorizer(name: string, make: () => Authorizer): string {
    globalThis.accessHubParts.authorizers[name] = make;
    return `[[authorizers]]\nname = "${name}"\ntype = "./authorizer.mjs"\noptions = { is = "${name}" }\n`;
  }

  async start(...toml: string[]): Promise<this> {
    this.configure(...toml);
    const load = async () => (await loadConfig(this.file)).config;
    const config = await load();
    const { storage, times = TIMES } = this.#options;
    const { log: logger } = this;
    const access = new AccessInForce(logger);
    const guard = new Guard({ settings: guardSettings(config.penalties) });
    const server = new Server({
      listeners: listenersOf(config),
      limits: config.limits,
      logger,
      storage,
      quotas: quotaRules(config),
      guard,
      prepareAccess: (tables) => access.prepare(config, tables),
    });
    access.attach(server);
    const source = { file: this.file, load };
    this.#reload = new Reload({ server, access, guard, started: config, source, logger, times });
    this.#server = server;
    this.#access = access;
    this.#guard = guard;
    onTestFinished(async () => {
      server.abort();
      await server.stop();
      await access.close();
    });
    await server.start();
    return this;
  }

  reloads(request: Partial<ReloadRequest> = {}): Promise<ReloadReport> {
    return this.reload.run({ force: false, dryRun: false, ...request });
  }

  /** What `reload --dry-run` says, and what the reload then does. */
  async reloadsAsForetold(request: Partial<ReloadRequest> = {}) {
    const foretold = await this.reloads({ ...request, dryRun: true });
    return [foretold, await this.reloads(request)] as const;
  }

  /** A stream into the server, by no listener. */
  open(): WireClient {
    return new WireClient(this.server.connect());
  }

  /** The sentences of the log that are at least that important. */
  complaints(): string[] {
    const told = this.log.lines.filter(({ level }) => level === 'warn' || level === 'error');
    return told.map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`);
  }
}

function have<T>(value: T | null): T {
  if (value === null) throw new Error('the hub has not started');
  return value;
}
