// Checks a store in a process of its own, since opening a damaged one may kill the process that does. What the child says
// counts; when it says nothing, the way it ended does: killed by its own doing means a damaged store, anything else that the
// store could not be looked at.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { CheckMode, CheckReport } from './check-main.ts';
import { look } from './header.ts';
import { StoreError, storeError } from './store-error.ts';

export interface CheckOptions {
  /** The program that checks; default: the one that was built with this. */
  readonly checkProgram?: string;
  /** Stops the check, which then rejects. */
  readonly signal?: AbortSignal;
  /** How long the check may take; default: by the size of the file. Milliseconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MIN_MS = 60_000;
/** Slower than a worn-out SD card. */
const BYTES_PER_MS_MIN = 500;
const SAID_CHARACTERS_MAX = 1_048_576;
const COMPLAINT_CHARACTERS_MAX = 2_000;

/** Signals by which a process ends through its own doing. */
const CRASHES = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGSYS']);

/** Looks at the store in this file. Throws StoreError when it could not be looked at, whatever it holds. */
export async function checkStore(
  file: string,
  mode: CheckMode,
  options: CheckOptions = {},
): Promise<CheckReport> {
  try {
    const stats = await stat(file);
    if (stats.isDirectory()) return verdict('foreign', 'it is a folder');
    if (!stats.isFile()) return verdict('foreign', 'it is not a file');
    const looks = await look(file);
    if (looks.kind !== 'store') return verdict(looks.kind, looks.reason);
    const timeoutMs =
      options.timeoutMs ?? TIMEOUT_MIN_MS + Math.round(stats.size / BYTES_PER_MS_MIN);
    return await checkInChild(file, mode, timeoutMs, options);
  } catch (error) {
    throw storeError(error, file);
  }
}

function verdict(outcome: 'damaged' | 'foreign', problem: string): CheckReport {
  return {
    outcome,
    version: null,
    knownVersion: 0,
    isClean: null,
    isWhole: false,
    records: 0,
    problems: [problem],
    problemCount: 1,
  };
}

async function checkInChild(
  file: string,
  mode: CheckMode,
  timeoutMs: number,
  { checkProgram = defaultProgram(), signal: stopped }: CheckOptions,
): Promise<CheckReport> {
  stopped?.throwIfAborted();
  const child = spawn(process.execPath, [checkProgram, file, mode], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' }, // no second inspector
  });
  let said = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < SAID_CHARACTERS_MAX) said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT_CHARACTERS_MAX);
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const stop = (): boolean => child.kill('SIGKILL');
  stopped?.addEventListener('abort', stop);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    stopped?.throwIfAborted();
    if (isLate) {
      return verdict('damaged', `its check did not end within ${Math.round(timeoutMs / 1_000)} s`);
    }
    return judge(file, said, complaint, code, signal);
  } finally {
    clearTimeout(timer);
    stopped?.removeEventListener('abort', stop);
  }
}

function judge(
  file: string,
  said: string,
  complaint: string,
  code: number | null,
  signal: string | null,
): CheckReport {
  const report = parseReport(said); // what it said counts, however it ended after that
  if (report !== null) {
    if (report.outcome !== 'unusable') return report;
    throw new StoreError('unusable', `the store ${file} cannot be used: ${report.problems[0]}`);
  }
  if (signal !== null && CRASHES.has(signal)) {
    return verdict('damaged', `reading it kills the process that does (${signal})`);
  }
  const end = signal === null ? `exit code ${code}` : `it was ended by ${signal}`;
  const last = complaint.trim();
  throw new StoreError(
    'failed',
    `the store ${file} could not be checked (${end})${last === '' ? '' : `: ${last}`}`,
  );
}

function parseReport(said: string): CheckReport | null {
  try {
    return JSON.parse(said) as CheckReport;
  } catch {
    return null;
  }
}

function defaultProgram(): string {
  return fileURLToPath(new URL('./check-main.js', import.meta.url));
}
