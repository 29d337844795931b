// Prints what test runs amounted to, from JSON reports of vitest, as a line `N passed, N failed`, after the tests that failed
// and why (what the run itself printed of them may be far above). Fails when a test or a test file failed, when a report is
// missing, and when a run had no test. Usage: node scripts/ci-summary.mjs REPORT...

import fs from 'node:fs';
import path from 'node:path';

/** How many lines of a failure are repeated. */
const LINES_MAX = 12;

function* failuresOf(suite) {
  const file = path.relative(process.cwd(), suite.name);
  for (const { status, fullName, failureMessages } of suite.assertionResults) {
    if (status !== 'failed') continue;
    const lines = failureMessages.join('\n').split('\n').slice(0, LINES_MAX);
    yield `failed: ${file}: ${fullName}\n  ${lines.join('\n  ')}`;
  }
}

function summarize(file) {
  if (!fs.existsSync(file)) {
    return { passed: 0, failed: 1, notes: [`the tests wrote no report ${path.basename(file)}`] };
  }
  const report = JSON.parse(fs.readFileSync(file, 'utf8'));
  const notes = [];
  let failed = report.numFailedTests;
  for (const suite of report.testResults) {
    notes.push(...failuresOf(suite));
    const hasFailedTest = suite.assertionResults.some((test) => test.status === 'failed');
    if (suite.status !== 'failed' || hasFailedTest) continue;
    // A file that does not even load has no tests to fail.
    failed++;
    notes.push(`${suite.name} failed as a whole`);
  }
  const left = report.numPendingTests + report.numTodoTests;
  if (left > 0) notes.push(`${left} skipped or to do`);
  if (report.numPassedTests === 0) notes.push('no test passed');
  if (!report.success && failed === 0) {
    failed = 1;
    notes.push('the run failed outside of its tests');
  }
  return { passed: report.numPassedTests, failed, notes };
}

let passed = 0;
let failed = 0;
let isIncomplete = process.argv.length < 3;
for (const file of process.argv.slice(2)) {
  const summary = summarize(file);
  passed += summary.passed;
  failed += summary.failed;
  if (summary.passed === 0) isIncomplete = true;
  for (const note of summary.notes) console.log(note);
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || isIncomplete) process.exitCode = 1;
