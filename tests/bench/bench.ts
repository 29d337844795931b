// Runs the load generator as people do, and reads what it wrote.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { vi } from 'vitest';
import { type Outcome, ROOT, runNode } from '../cli/command.ts';
import { temporaryFolder } from '../kit/folder.ts';

const MAIN = path.join(ROOT, 'bench/load/main.mjs');
const FOLDER = temporaryFolder();

let runs = 0;

/** See bench/load/integrity.mjs. */
export interface Integrity {
  readonly sent: number;
  readonly expected: number;
  readonly received: number;
  readonly lost: readonly number[];
  readonly duplicates: readonly number[];
  readonly outOfOrder: number;
  readonly damaged: number;
  readonly refused: number;
  readonly unanswered: number;
  readonly failures: readonly string[];
}

export interface Flood {
  readonly sent: number;
  readonly received: number;
  readonly dropped: number;
  readonly counted: number;
}

/** What of the messages that a question is about was delivered; see bench/load/access-steps.mjs. */
export interface AccessCheck {
  readonly delivered: number;
  readonly isAlive: boolean;
}

/** See bench/load/logins.mjs. */
export interface Logins {
  readonly asked: number;
  readonly done: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly waiting: number;
  readonly failures: readonly string[];
}

export interface Result {
  readonly integrity: Integrity;
  readonly isStalled: boolean;
  /** Of the TLS handshakes of `connect`. */
  readonly resumedPart?: number | null;
  readonly checks?: Readonly<Record<string, AccessCheck>>;
  /** null: nobody came. */
  readonly logins?: Logins | null;
  readonly floods?: readonly { readonly flood: Flood }[];
}

export interface BenchOutcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly results: readonly Result[];
  readonly violations: readonly string[];
}

/** Runs it to its end; without results when it did not get that far. */
export function bench(...args: string[]): Promise<BenchOutcome> {
  return benchWith(process.env, ...args);
}

/** The same with this environment. */
export async function benchWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<BenchOutcome> {
  const file = path.join(FOLDER, `${++runs}.json`);
  const outcome = await runNode([MAIN, ...args, '--json', file], { env });
  try {
    const { entries, violations } = JSON.parse(readFileSync(file, 'utf8'));
    const results = entries.flatMap((entry: { results: Result[] }) => entry.results);
    return { ...outcome, results, violations };
  } catch {
    return { ...outcome, results: [], violations: [] };
  }
}

/** The same in this process, for what ends before anything is measured. */
export async function benchInProcess(...args: string[]): Promise<Outcome> {
  const { runCommandLine } = await benchModule('load/main.mjs');
  const said = { stdout: '', stderr: '' };
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.stderr += String(text);
    return true;
  });
  const stdout = vi.spyOn(console, 'log').mockImplementation((text) => {
    said.stdout += `${text}\n`;
  });
  try {
    const run = runCommandLine as (argv: readonly string[]) => Promise<number>;
    return { exitCode: await run(args), ...said };
  } finally {
    stderr.mockRestore();
    stdout.mockRestore();
  }
}

/** A module of the benchmarks, which are plain JavaScript. */
export function benchModule(file: string): Promise<Record<string, unknown>> {
  return import(new URL(`../../bench/${file}`, import.meta.url).href);
}
