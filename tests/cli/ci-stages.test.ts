import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { ROOT } from './command.ts';

/** A script that sources the stages, as `.ci/run` does. */
function script(...lines: string[]) {
  const text = ['set -uo pipefail', '. scripts/ci-stages.sh', ...lines].join('\n');
  const child = spawn('bash', ['-c', text], {
    cwd: ROOT,
    env: { ...process.env, report_folder: temporaryFolder() },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** What it prints, without how long each stage took, and its exit code. */
async function outcome(...lines: string[]) {
  const child = script(...lines);
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += String(chunk);
  });
  const [exitCode] = await once(child, 'close');
  return {
    exitCode,
    lines: stdout
      .replaceAll(/, \d+ s$/gm, '')
      .trimEnd()
      .split('\n'),
  };
}

test('each stage says what it prints, wherever it prints it, and how it ended', async () => {
  expect(
    await outcome(
      'stage good 10 bash -c "echo one; echo two >&2; printf three"',
      'stage also-good 10 true',
      'tell_failed_stages',
    ),
  ).toEqual({
    exitCode: 0,
    lines: [
      '=== good',
      'one',
      'two',
      'three',
      '=== good: ok',
      '=== also-good',
      '=== also-good: ok',
    ],
  });
});

test('a stage that fails hides none after it, and its last 25 lines come again at the end', async () => {
  const numbers = (from: number) => Array.from({ length: 40 - from }, (_, i) => String(i + from));
  expect(
    await outcome(
      'stage bad 10 bash -c "seq 0 39; exit 3"',
      'stage good 10 echo fine',
      'stage slow 0.5 bash -c "echo waits; sleep 60"',
      'tell_failed_stages',
    ),
  ).toEqual({
    exitCode: 1,
    lines: [
      ...['=== bad', ...numbers(0), '=== bad: FAILED with exit code 3'],
      ...['=== good', 'fine', '=== good: ok'],
      ...['=== slow', 'waits', '=== slow: FAILED, not done after 0.5 s'],
      ...['=== bad FAILED; its last lines were:', ...numbers(15)],
      ...['=== slow FAILED; its last lines were:', 'waits', 'failed: bad slow'],
    ],
  });
});

test('a process that a stage leaves behind does not hold up the next one', async () => {
  const { exitCode, lines } = await outcome(
    'stage leaves 10 bash -c \'setsid sleep 60 & echo "left $!"\'',
    'stage next 10 true',
    'tell_failed_stages',
  );
  process.kill(Number(/left (\d+)/.exec(lines.join())?.[1]));
  expect(exitCode).toBe(0);
  expect(lines.slice(2)).toEqual(['=== leaves: ok', '=== next', '=== next: ok']);
});

test('who is interrupted ends the stage that runs', async () => {
  // The stage has this output open, too: it ends when the last of them is gone.
  const child = script(
    'exec 9>&1',
    'trap stop_stage EXIT',
    'stage long 60 bash -c "echo runs; sleep 60"',
  );
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line === 'runs') child.kill();
  }
  expect(lines).toEqual(['=== long', 'runs']);
});
