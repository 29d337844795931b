// Prints what a test run amounted to, from the JSON report of vitest, as a line `N passed, N failed`; fails when a test or a
// test file failed, when the report is missing, and when nothing was run. Usage: node scripts/ci-summary.mjs REPORT

import fs from 'node:fs';

function summarize(file) {
  if (!fs.existsSync(file)) return { passed: 0, failed: 1, notes: ['the tests wrote no report'] };
  const report = JSON.parse(fs.readFileSync(file, 'utf8'));
  const notes = [];
  let failed = report.numFailedTests;
  for (const suite of report.testResults) {
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

const { passed, failed, notes } = summarize(process.argv[2]);
for (const note of notes) console.log(note);
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
