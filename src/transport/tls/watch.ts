// Notices when files have other content than before, however they got it: written in place, replaced by a rename as editors and
// cert-manager do, or reached through a symbolic link that somebody turned, as Kubernetes does with `..data` and certbot with
// `live/`. The folders on the way are watched, and what stirs there is only a hint: the content decides. Where folders cannot
// be watched (no inotify left, network file systems), or a hint is lost, a slow poll finds it.

import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readFile, readlink, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from '../../core/logger.ts';
import type { Cancellable, Clock } from '../../lib/clock.ts';

export interface FileWatcherOptions {
  readonly files: readonly string[];
  /** The content of some file is another one, or there is one now, or none any more. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** So long nothing must stir before files are looked at: whoever writes several gets to write them all. */
  readonly debounceMs?: number;
  /** How often files are looked at anyway. */
  readonly pollMs?: number;
  /** False: by polling only. */
  readonly watchesFolders?: boolean;
}

const DEBOUNCE_MS = 1_000;
const POLL_MS = 30_000;
/** In a folder that never rests, files are looked at after so many times the debounce. */
const PATIENCE = 10;
const LINKS_MAX = 40;
/** File systems date by the tick of a timer: two writes soon after each other may look the same. */
const FRESH_MS = 2_000;

export class FileWatcher {
  readonly #options: FileWatcherOptions;
  readonly #debounceMs: number;
  readonly #seen = new Map<string, SeenFile>();
  readonly #folders = new Map<string, WatchedFolder>();
  #poll: Cancellable | null = null;
  #debounce: Cancellable | null = null;
  #firstStirMs = 0;
  #lastStirMs = 0;
  #checking: Promise<boolean> | null = null;
  #isClosed = false;
  /** Folders that could not be watched, each said once. */
  readonly #unwatched = new Set<string>();

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.#debounceMs = options.debounceMs ?? DEBOUNCE_MS;
  }

  /** Looks at the files as they are now, and begins to watch. */
  async start(): Promise<void> {
    await this.#watchFolders();
    for (const file of this.#options.files) this.#seen.set(file, await look(file, null));
    if (this.#isClosed) return;
    const pollMs = this.#options.pollMs ?? POLL_MS;
    this.#poll = this.#options.clock.every(pollMs, () => void this.check());
  }

  /** Looks now; whether something has changed, and `onChange` was called. Never rejects. */
  check(): Promise<boolean> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  close(): void {
    this.#isClosed = true;
    this.#poll?.cancel();
    this.#debounce?.cancel();
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  async #check(): Promise<boolean> {
    await this.#watchFolders(); // first, so that nothing falls between looking and watching
    let hasChanged = false;
    for (const file of this.#options.files) {
      const before = this.#seen.get(file) ?? null;
      const now = await look(file, before);
      this.#seen.set(file, now);
      if (before?.digest !== now.digest) hasChanged = true;
    }
    if (!hasChanged || this.#isClosed) return false;
    this.#options.onChange();
    return true;
  }

  /** Watches the folders through which the files are reached now, and no others. */
  async #watchFolders(): Promise<void> {
    if (this.#options.watchesFolders === false) return;
    const wanted = new Set<string>();
    for (const file of this.#options.files) await addFolders(path.resolve(file), wanted);
    for (const folder of this.#folders.keys()) {
      if (!wanted.has(folder)) this.#unwatch(folder);
    }
    for (const folder of wanted) {
      const identity = await identityOf(folder);
      if (this.#folders.get(folder)?.identity === identity) continue;
      this.#unwatch(folder); // another folder has its name now
      if (identity !== null && !this.#isClosed) this.#watch(folder, identity);
    }
  }

  #watch(folder: string, identity: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#stir());
      watcher.on('error', (error) => this.#cannotWatch(folder, error));
      this.#folders.set(folder, { watcher, identity });
    } catch (error) {
      this.#cannotWatch(folder, error as Error);
    }
  }

  #unwatch(folder: string): void {
    this.#folders.get(folder)?.watcher.close();
    this.#folders.delete(folder);
  }

  #cannotWatch(folder: string, error: Error): void {
    this.#unwatch(folder);
    if (this.#unwatched.has(folder)) return;
    this.#unwatched.add(folder);
    const fields = { folder, error: error.message };
    this.#options.logger.warn(fields, 'a folder cannot be watched: its files are polled');
  }

  /** Something stirs in a folder: the files are looked at when it rests, at the latest after a while. */
  #stir(): void {
    if (this.#isClosed) return;
    const { clock } = this.#options;
    this.#lastStirMs = clock.now();
    if (this.#debounce !== null) return;
    this.#firstStirMs = this.#lastStirMs;
    this.#debounce = clock.every(this.#debounceMs, () => {
      const nowMs = clock.now();
      const rests = nowMs - this.#lastStirMs >= this.#debounceMs;
      if (!rests && nowMs - this.#firstStirMs < PATIENCE * this.#debounceMs) return;
      this.#debounce?.cancel();
      this.#debounce = null;
      void this.check();
    });
  }
}

interface WatchedFolder {
  readonly watcher: FSWatcher;
  /** Of the folder that had the name when it was watched. */
  readonly identity: string;
}

/** A file as it was last time. */
interface SeenFile {
  /** Changes when the file is written or replaced: what has the same one is not read again. Null: read it. */
  readonly signature: string | null;
  readonly digest: string;
}

/** A file that cannot be read is one state among others; the reload says why. */
async function look(file: string, before: SeenFile | null): Promise<SeenFile> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    const signature = [dev, ino, size, mtimeNs, ctimeNs].join(':');
    if (before?.signature === signature) return before;
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    const ageMs = Date.now() - Number(ctimeNs / 1_000_000n);
    return { signature: ageMs < FRESH_MS ? null : signature, digest };
  } catch (error) {
    const { code = 'failed' } = error as NodeJS.ErrnoException;
    return { signature: null, digest: code };
  }
}

/** The folders whose entries decide what the path leads to: its own, and those of every link on the way. */
async function addFolders(file: string, folders: Set<string>): Promise<void> {
  let target = file;
  for (let links = 0; links < LINKS_MAX; links++) {
    const link = await firstLink(target);
    if (link === null) break;
    folders.add(path.dirname(link.path));
    target = path.resolve(path.dirname(link.path), link.target, link.rest);
  }
  folders.add(path.dirname(target));
}

interface Link {
  readonly path: string;
  readonly target: string;
  /** What follows behind the link. */
  readonly rest: string;
}

async function firstLink(file: string): Promise<Link | null> {
  const { root } = path.parse(file);
  const names = file.slice(root.length).split(path.sep);
  let at = root;
  for (const [i, name] of names.entries()) {
    at = path.join(at, name);
    try {
      if (!(await lstat(at)).isSymbolicLink()) continue;
      return { path: at, target: await readlink(at), rest: names.slice(i + 1).join(path.sep) };
    } catch {
      return null; // nothing there yet: the poll finds it
    }
  }
  return null;
}

async function identityOf(folder: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(folder);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}
