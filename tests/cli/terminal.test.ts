// Which terminals a log may write to without waiting.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { unblocked } from '../../src/cli/log/terminal.ts';
import { FakeOutput } from '../kit/fake-output.ts';

/** A file in the place of a terminal: what counts is whether it can be opened by its name. */
function openFile(): { file: string; fd: number } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-terminal-'));
  const file = path.join(folder, 'tty');
  const fd = fs.openSync(file, 'w');
  onTestFinished(() => {
    fs.closeSync(fd);
    fs.rmSync(folder, { recursive: true });
  });
  return { file, fd };
}

class Terminal extends FakeOutput {
  readonly fd: number;
  readonly asked: boolean[] = [];
  readonly _handle = { setBlocking: (isBlocking: boolean) => this.asked.push(isBlocking) };

  constructor(fd: number, isTTY = true) {
    super();
    this.fd = fd;
    this.isTTY = isTTY;
  }
}

function askedOf(fd: number, isTTY = true): boolean[] {
  const terminal = new Terminal(fd, isTTY);
  expect(unblocked(terminal)).toBe(terminal);
  return terminal.asked;
}

test('one that the process has to itself is not waited for', () => {
  const { fd } = openFile();
  expect(askedOf(fd)).toEqual([false]);
  expect(askedOf(fd, false)).toEqual([]); // it is none
});

test('one that it shares with the shell stays as it is', () => {
  const { file, fd } = openFile();
  fs.unlinkSync(file);
  expect(askedOf(fd)).toEqual([]);
  fs.writeFileSync(file, '');
  expect(askedOf(fd)).toEqual([]);
  expect(askedOf(-1)).toEqual([]);
});
