// Password files, ACL files and configurations, good ones and broken ones, take each other's place under load, written in every
// way in which files are written, while reloads are asked for in every way, too, all at the same time. Clients see to it that no
// decision is made by a half of something, or by nothing: see torture/crowd.ts.
//
// `IOTHUB_SEED=123` repeats what is written.

import { mkdirSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askServer } from '../../src/cli/control.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { freePort } from '../kit/free-port.ts';
import { runs } from '../kit/runs.ts';
import { RunningServer } from './command.ts';
import { Crowd, only } from './torture/crowd.ts';
import { pick, randomOf, shuffled } from './torture/random.ts';
import {
  canHave,
  contentOf,
  FLAWS,
  type Flaw,
  flawed,
  PARTS,
  type Part,
  type Place,
} from './torture/rule-sets.ts';

const SEED = Number(process.env.IOTHUB_SEED ?? Math.floor(Math.random() * 1e9));
const STEPS = runs(5);

const ALL_FLAWS = PARTS.flatMap((part) =>
  FLAWS.filter((flaw) => canHave(part, flaw)).map((flaw) => ({ part, flaw })),
);
const WAYS = ['by a rename', 'in place', 'in pieces'] as const;
type Way = (typeof WAYS)[number];
const TRIGGERS = ['watch', 'signal', 'socket', 'all'] as const;
type Trigger = (typeof TRIGGERS)[number];

/** Between two pieces of a file: less than a second, more than a reload may take a file to be whole. */
const PAUSE_MAX_MS = 500;
/** Until what was written counts, or is refused, on the slowest machine. */
const STEP_MAX_MS = 40_000;

class Torture {
  readonly #folder = temporaryFolder();
  readonly #data = temporaryFolder();
  readonly #random = randomOf(SEED);
  readonly #place: Place;
  readonly #files: Readonly<Record<Part, string>>;
  readonly #server: RunningServer;
  /** What was done, for whoever must find out why it failed. */
  readonly steps: string[] = [`seed ${SEED}`];
  readonly #inForce: Record<Part, string>;
  readonly #asked: Promise<unknown>[] = [];
  /** Those that are still to come. */
  readonly #flaws: { readonly part: Part; readonly flaw: Flaw }[] = [];
  #versions = 0;
  #stepMs = 0;
  #crowd: Crowd | null = null;

  constructor(ports: { readonly port: number; readonly otherPort: number }) {
    const named = (name: string): string => path.join(this.#folder, name);
    this.#files = {
      passwords: named('passwords'),
      acl: named('acl'),
      config: named('iothub.toml'),
    };
    this.#place = { ...this.#files, ...ports };
    this.#inForce = { passwords: '0', acl: '0', config: '0' };
    for (const part of PARTS) {
      writeFileSync(this.#files[part], contentOf(part, '0', this.#place), { mode: 0o600 });
    }
    const data = ['--data', this.#data];
    this.#server = new RunningServer(
      { isPlaced: true },
      ...data,
      ...['--config', this.#files.config],
    );
    onTestFinished(() => this.#server.kill());
  }

  get crowd(): Crowd {
    if (this.#crowd === null) throw new Error('it has not begun');
    return this.#crowd;
  }

  async begin(): Promise<void> {
    for (let listener = 0; listener < 2; listener++) await this.#server.port();
    void this.#readOn();
    this.#crowd = new Crowd(this.#place.port, only(this.#inForce), this.#random);
    await this.crowd.decides(100);
  }

  /** One file is broken, in one of all the ways, which come one after the other, and then gets a new version. */
  async step(): Promise<void> {
    if (this.#flaws.length === 0) this.#flaws.push(...shuffled(this.#random, ALL_FLAWS));
    const { part, flaw } = this.#flaws.pop() ?? ALL_FLAWS[0];
    await this.#break(part, flaw);
    await this.#replace(part);
    expect(this.crowd.violations, this.steps.join('\n')).toEqual([]);
  }

  /** It is stopped while it reloads. */
  async end(): Promise<void> {
    await this.crowd.end();
    await Promise.all(this.#asked);
    this.#trigger('all');
    this.#server.child.kill('SIGTERM');
    expect(await this.#server.exit).toBe(0);
    expect(this.#count(/The configuration was reloaded/)).toBeGreaterThanOrEqual(STEPS);
  }

  async #break(part: Part, flaw: Flaw): Promise<void> {
    const random = this.#random;
    const version = `${++this.#versions}`;
    this.crowd.knows(part, version);
    const content = flawed(part, flaw, contentOf(part, version, this.#place), random);
    const refusals = this.#count(/The configuration stays as it was/);
    const { way, trigger } = this.#choose(part, `is ${flaw}`);
    await this.#write(part, content, way, flaw);
    this.#trigger(trigger);
    const isRefused = () => this.#count(/The configuration stays as it was/) > refusals;
    await this.#until(() => isRefused() && this.#isAlarmUp);
    await this.crowd.decides(20);
  }

  async #replace(part: Part): Promise<void> {
    const version = `${++this.#versions}`;
    const { crowd } = this;
    const former = this.#inForce[part];
    crowd.versions = { ...crowd.versions, [part]: [former, version] };
    crowd.knows(part, version);
    const { way, trigger } = this.#choose(part, `becomes version ${version}`);
    await this.#write(part, contentOf(part, version, this.#place), way);
    this.#trigger(trigger);
    while (!(await crowd.isInForce(part, version))) this.#checkTime();
    this.#inForce[part] = version;
    crowd.versions = only(this.#inForce);
    await this.#until(() => !this.#isAlarmUp);
    await crowd.decides(50);
  }

  #choose(part: Part, what: string): { way: Way; trigger: Trigger } {
    const way = pick(this.#random, WAYS);
    // The configuration itself is not watched.
    const trigger = pick(this.#random, part === 'config' ? TRIGGERS.slice(1) : TRIGGERS);
    this.steps.push(`${part} ${what}, ${way}, by ${trigger}`);
    this.#stepMs = performance.now();
    return { way, trigger };
  }

  async #write(part: Part, content: string, way: Way, flaw: Flaw | null = null): Promise<void> {
    const file = this.#files[part];
    if (flaw === 'missing' || flaw === 'folder') {
      rmSync(file, { force: true, recursive: true });
      if (flaw === 'folder') mkdirSync(file);
      return;
    }
    // A folder is in the way of everything else.
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) rmdirSync(file);
    switch (way) {
      case 'by a rename':
        writeFileSync(`${file}.new`, content, { mode: 0o600 });
        renameSync(`${file}.new`, file);
        break;
      case 'in place':
        writeFileSync(file, content, { mode: 0o600 });
        break;
      case 'in pieces':
        await this.#writeInPieces(file, content);
    }
  }

  /** Whole lines at a time, which may be a file by themselves; and somebody asks for a reload in between. */
  async #writeInPieces(file: string, content: string): Promise<void> {
    const lines = content.split('\n');
    const count = 2 + Math.floor(this.#random() * 3);
    const size = Math.ceil(lines.length / count);
    writeFileSync(file, '', { mode: 0o600 });
    for (let at = 0; at < lines.length; at += size) {
      if (at > 0) await this.#pause();
      const isLast = at + size >= lines.length;
      const piece = lines.slice(at, at + size).join('\n');
      writeFileSync(file, isLast ? piece : `${piece}\n`, { flag: 'a' });
      if (!isLast && this.#random() < 0.7) this.#trigger(pick(this.#random, TRIGGERS));
    }
  }

  async #pause(): Promise<void> {
    const endMs = performance.now() + PAUSE_MAX_MS * this.#random();
    while (performance.now() < endMs) await this.crowd.decides(1);
  }

  #trigger(trigger: Trigger): void {
    const times = trigger === 'all' ? 3 : 1;
    for (let i = 0; i < times; i++) {
      if (trigger === 'signal' || trigger === 'all') this.#server.child.kill('SIGHUP');
      if (trigger !== 'socket' && trigger !== 'all') continue;
      const request = { force: false, dryRun: i === 1 };
      const report = askServer(this.#data, 'POST', '/api/v1/reload', request);
      this.#asked.push(report.catch((error: Error) => error));
    }
  }

  get #isAlarmUp(): boolean {
    const last = this.#server.lines.findLast((line) => line.includes('reload_failed'));
    return last?.includes('ALARM') === true;
  }

  #count(pattern: RegExp): number {
    return this.#server.lines.filter((line) => pattern.test(line)).length;
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await this.crowd.decides(1);
      this.#checkTime();
    }
  }

  /** What goes wrong, or never comes, says after what. */
  #checkTime(): void {
    const done = this.steps.join('\n');
    expect(this.crowd.violations, done).toEqual([]);
    if (performance.now() - this.#stepMs > STEP_MAX_MS)
      throw new Error(`nothing comes of\n${done}`);
  }

  async #readOn(): Promise<void> {
    for (;;) {
      try {
        await this.#server.line(/$/);
      } catch {
        return; // it has ended
      }
    }
  }
}

test(
  `no request is decided by a half of a rule set or by none (seed ${SEED})`,
  async () => {
    const [port, otherPort] = [await freePort(), await freePort()];
    const torture = new Torture({ port, otherPort });
    await torture.begin();
    for (let step = 0; step < STEPS; step++) await torture.step();
    await torture.end();
  },
  60_000 + STEPS * 15_000,
);
