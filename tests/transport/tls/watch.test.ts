import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { SILENT } from '../../../src/core/logger.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { FileWatcher } from '../../../src/transport/tls/watch.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import { turns, until } from '../../kit/until.ts';

const DEBOUNCE_MS = 1_000;
const POLL_MS = 30_000;
/** For tests in which the poll must not find what the folders should tell. */
const NEVER_MS = 1e12;
const BASE = temporaryFolder();

let folder = '';
let clock = new FakeClock();
let changes = 0;

beforeEach(() => {
  folder = mkdtempSync(path.join(BASE, 'watch-'));
  clock = new FakeClock();
  changes = 0;
});

function write(name: string, content: string): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** Turns a link in one step, as Kubernetes and others do. */
function turn(link: string, target: string): void {
  const file = path.join(folder, link);
  symlinkSync(target, `${file}.new`);
  renameSync(`${file}.new`, file);
}

async function watching(
  files: readonly string[],
  watchesFolders: boolean,
  pollMs = POLL_MS,
): Promise<FileWatcher> {
  const watcher = new FileWatcher({
    files,
    clock,
    logger: SILENT,
    debounceMs: DEBOUNCE_MS,
    pollMs,
    watchesFolders,
    onChange: () => changes++,
  });
  onTestFinished(() => watcher.close());
  await watcher.start();
  return watcher;
}

/** Lets time pass until so many changes were noticed. */
function untilNoticed(count: number): Promise<void> {
  return until(() => {
    clock.advance(DEBOUNCE_MS);
    return changes >= count;
  });
}

/** Each way that content gets into files; `arrange` returns the watched paths. */
const WAYS: readonly [string, () => string[], () => void][] = [
  ['a file is written in place', () => [write('a', '1')], () => write('a', '2')],
  ['a file grows', () => [write('a', '1')], () => appendFileSync(path.join(folder, 'a'), '2')],
  [
    'a file is replaced by a rename',
    () => [write('a', '1')],
    () => renameSync(write('a.tmp', '2'), path.join(folder, 'a')),
  ],
  ['a file comes into being', () => [path.join(folder, 'a')], () => write('a', '1')],
  ['a file goes away', () => [write('a', '1')], () => rmSync(path.join(folder, 'a'))],
  [
    'the second of two files is written',
    () => [write('a', '1'), write('deep/b', '1')],
    () => write('deep/b', '2'),
  ],
  [
    'Kubernetes turns ..data',
    () => {
      write('..1/tls.crt', '1');
      symlinkSync('..1', path.join(folder, '..data'));
      symlinkSync('..data/tls.crt', path.join(folder, 'tls.crt'));
      return [path.join(folder, 'tls.crt')];
    },
    () => {
      write('..2/tls.crt', '2');
      turn('..data', '..2');
      rmSync(path.join(folder, '..1'), { recursive: true });
    },
  ],
  [
    'a folder on the way is a link that is turned',
    () => {
      write('v1/certs/a', '1');
      write('v2/certs/a', '2');
      symlinkSync('v1', path.join(folder, 'current'));
      return [path.join(folder, 'current/certs/a')];
    },
    () => turn('current', 'v2'),
  ],
  [
    'what a link leads to is written in place',
    () => {
      symlinkSync(write('archive/a1', '1'), path.join(folder, 'a'));
      return [path.join(folder, 'a')];
    },
    () => write('archive/a1', '2'),
  ],
  [
    'the folder is replaced by another one',
    () => [write('certs/a', '1')],
    () => {
      write('new/a', '2');
      renameSync(path.join(folder, 'certs'), path.join(folder, 'old'));
      renameSync(path.join(folder, 'new'), path.join(folder, 'certs'));
    },
  ],
];

describe.each(WAYS)('when %s', (_way, arrange, change) => {
  test('it is noticed by what stirs in the folders', async () => {
    await watching(arrange(), true, NEVER_MS);
    change();
    await untilNoticed(1);
  });

  test('it is noticed by the poll where folders cannot be watched', async () => {
    await watching(arrange(), false);
    change();
    clock.advance(POLL_MS);
    await until(() => changes === 1);
  });

  test('it is noticed once', async () => {
    const watcher = await watching(arrange(), false);
    change();
    expect(await watcher.check()).toBe(true);
    expect(await watcher.check()).toBe(false);
    expect(changes).toBe(1);
  });
});

test('changes after the first are noticed too, also in folders that are new on the way', async () => {
  write('..1/a', '1');
  symlinkSync('..1', path.join(folder, '..data'));
  symlinkSync('..data/a', path.join(folder, 'a'));
  await watching([path.join(folder, 'a')], true, NEVER_MS);
  for (const version of ['2', '3', '4']) {
    const before = changes;
    write(`..${version}/a`, version);
    turn('..data', `..${version}`);
    await untilNoticed(before + 1);
  }
});

test('what a turned link leads to is watched from then on', async () => {
  write('1/a', '1');
  symlinkSync('1', path.join(folder, 'current'));
  await watching([path.join(folder, 'current/a')], true, NEVER_MS);
  write('2/a', '2');
  turn('current', '2');
  await untilNoticed(1);
  write('2/a', '3');
  await untilNoticed(2);
});

test('a folder that took the place of another one is watched from then on', async () => {
  await watching([write('certs/a', '1')], true, NEVER_MS);
  write('new/a', '2');
  renameSync(path.join(folder, 'certs'), path.join(folder, 'old'));
  renameSync(path.join(folder, 'new'), path.join(folder, 'certs'));
  await untilNoticed(1);
  write('certs/a', '3');
  await untilNoticed(2);
});

test('what has the same content as before is no change, whoever wrote it and when', async () => {
  const watcher = await watching([write('a', '1')], false);
  write('a', '1');
  expect(await watcher.check()).toBe(false);
  renameSync(write('a.tmp', '1'), path.join(folder, 'a'));
  expect(await watcher.check()).toBe(false);
  utimesSync(path.join(folder, 'a'), 1, 1);
  expect(await watcher.check()).toBe(false);
  expect(changes).toBe(0);
});

test('contents of the same length are told apart, however soon one follows the other', async () => {
  const watcher = await watching([write('a', '0')], false);
  for (let i = 1; i <= 100; i++) {
    write('a', `${i % 2}`);
    expect(await watcher.check()).toBe(true);
  }
});

test('a file beside the watched ones is none of our business', async () => {
  const watcher = await watching([write('a', '1')], true);
  write('b', '1');
  expect(await watcher.check()).toBe(false);
});

test('while folders stir, files wait, but not for ever', async () => {
  await watching([write('a', '1')], true, NEVER_MS);
  write('a', '2');
  let stirs = 0;
  await until(() => {
    write('b', `${stirs++}`);
    clock.advance(DEBOUNCE_MS - 1);
    return changes > 0;
  });
  expect(changes).toBe(1);
});

test('a folder that cannot be watched yet is polled until it is there', async () => {
  const file = path.join(folder, 'not/yet/a');
  await watching([file], true);
  write('not/yet/a', '1');
  clock.advance(POLL_MS);
  await until(() => changes === 1);
});

test('after close nothing is noticed any more', async () => {
  const watcher = await watching([write('a', '1')], true);
  watcher.close();
  write('a', '2');
  await turns(10);
  clock.advance(10 * POLL_MS);
  await watcher.check();
  expect(changes).toBe(0);
});
