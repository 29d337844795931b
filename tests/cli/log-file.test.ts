// The log in a file: renamed by somebody, not writable, and written to the end.

import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { LogFile } from '../../src/cli/log/log-file.ts';
import { createLog } from '../../src/cli/logger.ts';
import { temporaryFolder } from '../kit/folder.ts';

async function open(file = path.join(temporaryFolder(), 'iothub.log')) {
  const complaints: string[] = [];
  const log = await LogFile.open(file, (sentence) => complaints.push(sentence));
  return { complaints, file, log };
}

test('lines are there in order, in a file that not everybody may read', async () => {
  const { file, log } = await open();
  for (let i = 0; i < 100; i++) log.write(`${i}\n`);
  await log.close();
  expect(readFileSync(file, 'utf8')).toBe(Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''));
  expect(statSync(file).mode & 0o007).toBe(0);
});

test('a file that was renamed and opened again has lost no line, and none is cut', async () => {
  const { file, log } = await open();
  const written: string[] = [];
  const write = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const line = `line ${written.length} ${'x'.repeat(200)}\n`;
      written.push(line);
      log.write(line);
    }
  };
  for (let round = 0; round < 5; round++) {
    write(500);
    renameSync(file, `${file}.${round}`);
    write(500);
    const reopened = log.reopen();
    write(500);
    await reopened;
    write(10);
  }
  await log.close();
  const files = [0, 1, 2, 3, 4].map((round) => `${file}.${round}`);
  const texts = [...files, file].map((name) => readFileSync(name, 'utf8'));
  expect(texts.join('')).toBe(written.join(''));
  expect(texts.every((text) => text === '' || text.endsWith('\n'))).toBe(true);
});

test('where it cannot be opened again it goes on in the former file, and says so', async () => {
  const { complaints, file, log } = await open();
  const gone = path.dirname(file);
  log.write('one\n');
  renameSync(gone, `${gone}-moved`);
  await log.reopen();
  log.write('two\n');
  await log.close();
  expect(readFileSync(path.join(`${gone}-moved`, 'iothub.log'), 'utf8')).toBe('one\ntwo\n');
  expect(complaints).toEqual([
    expect.stringContaining('the log file was not opened again, and is the former one: ENOENT'),
  ]);
  rmSync(`${gone}-moved`, { recursive: true });
});

test('a file that is a folder cannot be opened at all', async () => {
  const folder = path.join(temporaryFolder(), 'log');
  mkdirSync(folder);
  await expect(open(folder)).rejects.toThrow('EISDIR');
});

test('what cannot be written is counted, said once, and told as soon as it can be', async () => {
  const { complaints, log } = await open('/dev/full');
  log.write('one\n');
  log.write('two\n');
  await log.reopen();
  log.write('three\n');
  await log.reopen();
  expect(complaints).toEqual([expect.stringContaining('the log file cannot be written: ENOSPC')]);
  expect(log.takeLostLines()).toBe(3);
  expect(log.takeLostLines()).toBe(0);
  await log.close();
});

test('lines that a file lost are told like those that nobody read', async () => {
  const { log: output } = await open('/dev/full');
  const log = createLog({ format: 'json' }, output);
  for (const lost of [1, 2, 3]) {
    log.logger.info({}, 'lost'); // with what is said of those before
    await output.reopen();
    expect(log.control.state().lostLines).toBe(lost);
  }
  await output.close();
});

test('the end of the process writes what waits, at once', async () => {
  const { file, log } = await open();
  log.write('last words\n');
  log.flushSync();
  expect(readFileSync(file, 'utf8')).toBe('last words\n');
  await log.close();
  expect(readFileSync(file, 'utf8')).toBe('last words\n');
});
