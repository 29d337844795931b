// Shell completion: in bash it is really asked; for zsh and fish the scripts have what they must have.

import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { completionScript } from '../../src/cli/completion.ts';
import { commandTree } from '../../src/cli/options.ts';

const PROGRAM = commandTree(() => {});

/** What bash offers for the last of these words. */
function offered(...words: string[]): string[] {
  const script = `${completionScript(PROGRAM, 'bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_iothub || true # compgen fails when it finds nothing
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['-euc', script, 'bash', ...words], {
    encoding: 'utf8',
    cwd: '/',
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('bash completes', () => {
  test.each([
    [['iothub', 'sto'], ['store']],
    [['iothub', 'store', 'st'], ['stats']],
    [['iothub', 'store', 'stats', '--j'], ['--json']],
    [['iothub', '--data', 'x', 'users', 'gr'], ['groups']],
    [['iothub', '--log-level', 'wa'], ['warn']],
    [
      ['iothub', 'sub', '-q', ''],
      ['0', '1', '2'],
    ],
    [
      ['iothub', 'completion', ''],
      ['bash', 'zsh', 'fish', '-h', '--help'],
    ],
    [['iothub', '--config', 'et'], ['etc']],
    [['iothub', 'pub', '-m', 'st'], []],
    [['iothub', 'pub', '--prox'], []],
  ])('%j', (words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });

  test('every command, in its place', () => {
    const all = offered('iothub', '');
    for (const { name } of PROGRAM.commands.map((one) => ({ name: one.name() }))) {
      expect(all).toContain(name);
    }
    expect(all).toContain('start');
    expect(new Set(all).size).toBe(all.length);
  });
});

test.each(['zsh', 'fish'] as const)('the script for %s has every command and flag', (shell) => {
  const script = completionScript(PROGRAM, shell);
  for (const command of [PROGRAM, ...PROGRAM.commands.flatMap((one) => [one, ...one.commands])]) {
    if (command !== PROGRAM) expect(script).toContain(`'${command.name()}'`);
    for (const { long } of command.createHelp().visibleOptions(command)) {
      const flag = long ?? '';
      expect(script).toContain(shell === 'fish' ? `-l ${flag.slice(2)}` : `'${flag}'`);
    }
  }
});
