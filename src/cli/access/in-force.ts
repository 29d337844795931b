// The access control of a server that runs: what is in force, and what may take its place. Whatever is wrong with the new one,
// or looks like a mistake, leaves the old one as it is.

import { open } from 'node:fs/promises';
import type { AccessProblem } from '../../auth/access-error.ts';
import type { Config } from '../../config/config.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessOptions } from '../../server/access-control.ts';
import type { StoreTables } from '../../server/options.ts';
import type { Server } from '../../server/server.ts';
import { type BuiltAccess, buildAccess } from './build.ts';
import { configuredInventories } from './configured.ts';
import { differences, type Inventory, suspicions } from './inventory.ts';
import { accessFiles, isSame, lookAt } from './rest.ts';
import { AccessServices } from './services.ts';

/** Warnings that are told one by one. */
const WARNINGS_MAX = 20;
const LINE_FEED = 0x0a;

/** Of files, by their names: see rest.ts. */
type Signatures = ReadonlyMap<string, string>;

/** Something that is ready to take the place of what is in force. */
export interface NextAccess {
  readonly built: BuiltAccess;
  /** The files that it was read from, as they were just before. */
  readonly read: Signatures;
  /** Whether its files are to be watched. */
  readonly isWatched: boolean;
  /** What it consists of. */
  readonly inventories: readonly Inventory[];
  /** What is different, a line each. */
  readonly changes: readonly string[];
  /** Why it should not be used without somebody's word. */
  readonly doubts: readonly string[];
}

export class AccessInForce {
  /** Called after each change of a user of the store. */
  onUserChange: (() => void) | null = null;
  readonly #logger: Logger;
  #services: AccessServices | null = null;
  #built: BuiltAccess | null = null;
  #read: Signatures = new Map();
  #inventories: readonly Inventory[] = [];
  #isWatched = false;
  /** Of what is not in force any more, and may take a while to end. */
  #dropping: Promise<void> = Promise.resolve();
  #isClosed = false;
  #server: Server | null = null;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  attach(server: Server): void {
    this.#server = server;
  }

  /** At start, when the store is open. Throws AccessError: then the server does not start. */
  async prepare(config: Config, tables: StoreTables): Promise<AccessOptions> {
    const services = new AccessServices(config, this.#logger, this.#server?.alarms ?? null);
    this.#services = services;
    try {
      // Also where nobody asks for them yet: a reload may.
      await services.openUsers(tables, (username) => this.#userChanged(username));
      this.#read = await signaturesFor(config);
      this.#built = await buildAccess(config, services);
      this.#inventories = await inventoriesOf(config, this.#built);
    } catch (error) {
      await services.close();
      throw error;
    }
    this.#isWatched = config.access.watch;
    this.#warn(this.#built.warnings);
    this.#built.keep();
    return this.#built.options;
  }

  /** The files that it was read from, as they were then. */
  get read(): Signatures {
    return this.#read;
  }

  /** Whether they are to be watched. */
  get isWatched(): boolean {
    return this.#isWatched;
  }

  get services(): AccessServices {
    if (this.#services === null) throw new Error('access control is not prepared yet');
    return this.#services;
  }

  get options(): AccessOptions {
    return this.#built?.options ?? {};
  }

  /** What a user belongs to, whoever knows that. */
  groupsOf(username: string): readonly string[] {
    return this.#built?.groupsOf(username) ?? [];
  }

  /** Reads and checks everything anew. Throws AccessError. */
  async build(config: Config): Promise<NextAccess> {
    const read = await signaturesFor(config);
    const built = await buildAccess(config, this.services);
    try {
      const before = this.#inventories;
      const inventories = await inventoriesOf(config, built);
      const doubts = [...suspicions(before, inventories), ...(await cutOff(before, inventories))];
      const changes = differences(before, inventories);
      return { built, read, isWatched: config.access.watch, inventories, changes, doubts };
    } catch (error) {
      await built.drop();
      throw error;
    }
  }

  /** What was built is in force now; the server goes by it already. Nobody waits for the end of what was before. */
  adopt({ built, read, isWatched, inventories }: NextAccess): void {
    const old = this.#built;
    this.#built = built;
    this.#read = read;
    this.#isWatched = isWatched;
    this.#inventories = inventories;
    built.keep();
    this.services.credentials.clear();
    this.#warn(built.warnings);
    if (old !== null) this.#drop(old);
    if (this.#isClosed) this.#drop(built);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#built !== null) this.#drop(this.#built);
    await this.#dropping;
    await this.#services?.close();
  }

  #drop(built: BuiltAccess): void {
    const dropped = built.drop().catch((error: unknown) => {
      this.#logger.warn({ error: String(error) }, 'a part of access control failed to close');
    });
    this.#dropping = Promise.all([this.#dropping, dropped]).then(() => {});
  }

  #userChanged(username: string): void {
    this.onUserChange?.();
    this.#server?.reviewUser(username).catch((error: unknown) => {
      this.#logger.error({ username, error: String(error) }, 'clients of a user were not reviewed');
    });
  }

  #warn(warnings: readonly AccessProblem[]): void {
    for (const { file, line, message } of warnings.slice(0, WARNINGS_MAX)) {
      this.#logger.warn({ file, line }, message);
    }
    const rest = warnings.length - WARNINGS_MAX;
    if (rest > 0)
      this.#logger.warn({ count: rest }, 'there are more warnings about access control');
  }
}

/** Of a file without a last newline the rest may still be on its way; it counts if it was like that before. */
async function cutOff(
  before: readonly Inventory[],
  after: readonly Inventory[],
): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const { title, file, entries } of after) {
    const then = before.find((one) => one.title === title);
    if (file === null || then === undefined || isSame(then.entries, entries)) continue;
    if (await isEnded(file)) continue;
    lines.push(
      `${title}: the file does not end in a newline, so somebody may still be writing it; end its last line, or reload with --force`,
    );
  }
  return lines;
}

async function inventoriesOf(config: Config, built: BuiltAccess): Promise<readonly Inventory[]> {
  return [...(await configuredInventories(config)), ...built.inventories];
}

/** Whether the file is empty, or ends in a newline. */
async function isEnded(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    if (size === 0) return true;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === LINE_FEED;
  } finally {
    await handle.close();
  }
}

async function signaturesFor(config: Config): Promise<Signatures> {
  return (await lookAt(accessFiles(config))).signatures;
}
