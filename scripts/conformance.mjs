// Which statements of MQTT 5 the tests show, one by one: `npm run conformance` runs tests/wire and tests/transport and prints
// a table, or, given the path of a JSON result of vitest, reads that. A statement is covered when a test that passed cites it
// in its title, as [MQTT-3.1.0-1], and no test that cites it failed. The statements are those of docs/mqtt5-statements.tsv; what
// is waived for now, and why, is in docs/conformance-waivers.tsv. Exits with 1 when a testable statement is neither, when a
// waiver is not needed any more, or when a title cites what does not exist.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['tests/wire', 'tests/transport'];
const CITATION = /\[(MQTT-[\d.]+-\d+)\]/g;

/** The rows of a tab-separated file in docs/, as objects by the names of its first line. */
function readTable(name) {
  const [head, ...lines] = fs
    .readFileSync(path.join(ROOT, 'docs', name), 'utf8')
    .trim()
    .split('\n');
  const names = head.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    return Object.fromEntries(names.map((column, i) => [column, cells[i] ?? '']));
  });
}

/** Runs the tests that cite; returns the JSON result of vitest. */
function runTests() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-conformance-'));
  try {
    const file = path.join(folder, 'result.json');
    const vitest = path.join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
    const options = ['run', ...FOLDERS, '--reporter=json', `--outputFile=${file}`];
    const run = spawnSync(process.execPath, [vitest, ...options], { cwd: ROOT, encoding: 'utf8' });
    if (!fs.existsSync(file)) throw new Error(`vitest did not run:\n${run.stdout}\n${run.stderr}`);
    return readResult(file);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function readResult(file) {
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

/** What the tests say of each statement: id → { passed: titles, failed: titles }; and the files that did not even load. */
function collect(result) {
  const cited = new Map();
  const broken = [];
  let tests = 0;
  for (const { name, status, assertionResults } of result.testResults) {
    const file = name.split(path.sep).join('/');
    if (!FOLDERS.some((folder) => file.includes(`/${folder}/`))) continue;
    const shortName = path.posix.basename(file);
    if (status === 'failed' && assertionResults.length === 0) broken.push(shortName);
    for (const { title, status: outcome } of assertionResults) {
      tests++;
      for (const [, id] of title.matchAll(CITATION)) {
        if (!cited.has(id)) cited.set(id, { passed: [], failed: [] });
        const where = `${shortName}: ${title.replace(/ \[.*$/, '')}`;
        if (outcome === 'passed') cited.get(id).passed.push(where);
        else if (outcome === 'failed') cited.get(id).failed.push(where);
      }
    }
  }
  return { cited, broken, tests };
}

/** covered, waived, failing or missing; and by what or why. */
function judge(statement, waivers, cited) {
  const { passed, failed } = cited.get(statement.id) ?? { passed: [], failed: [] };
  if (failed.length > 0) return { state: 'failing', note: failed[0] };
  if (passed.length > 0) {
    const more = passed.length > 1 ? ` (and ${passed.length - 1} more)` : '';
    return { state: 'covered', note: passed[0] + more };
  }
  if (statement.testable === 'waive') return { state: 'waived', note: statement.gist };
  const waiver = waivers.get(statement.id);
  if (waiver !== undefined) return { state: 'waived', note: `here: ${waiver}` };
  return { state: 'missing', note: statement.gist };
}

function main() {
  const statements = readTable('mqtt5-statements.tsv');
  const waivers = new Map(
    readTable('conformance-waivers.tsv').map(({ id, reason }) => [id, reason]),
  );
  const file = process.argv[2];
  const { cited, broken, tests } = collect(file === undefined ? runTests() : readResult(file));
  const totals = { covered: 0, waived: 0, missing: 0, failing: 0 };
  const problems = broken.map((name) => `${name} did not run`);
  for (const statement of statements) {
    const { state, note } = judge(statement, waivers, cited);
    totals[state]++;
    console.log(`${statement.id.padEnd(15)} ${state.padEnd(8)} ${note}`);
    if (state === 'missing' || state === 'failing') problems.push(`${statement.id} is ${state}`);
    if (state === 'covered' && waivers.has(statement.id)) {
      problems.push(`${statement.id} is covered: docs/conformance-waivers.tsv need not waive it`);
    }
  }
  const known = new Set(statements.map(({ id }) => id));
  for (const id of [...cited.keys(), ...waivers.keys()]) {
    if (!known.has(id)) problems.push(`${id} is no statement of docs/mqtt5-statements.tsv`);
  }
  console.log(
    `\n${statements.length} statements, ${tests} tests: ${totals.covered} covered, ${totals.waived} waived, ` +
      `${totals.missing} missing, ${totals.failing} failing`,
  );
  if (problems.length === 0) return;
  console.log(`\n${problems.join('\n')}`);
  process.exitCode = 1;
}

main();
