import { describe, expect, test } from 'vitest';
import { type CommandLine, parseCommandLine } from '../../src/cli/options.ts';
import { iothub } from './command.ts';
import { inProcess } from './in-process.ts';

describe('the command line of what is stored', () => {
  test.each<[string, CommandLine]>([
    ['store stats', { command: 'stats', data: './data', json: false }],
    ['store stats --json --data d', { command: 'stats', data: 'd', json: true }],
    ['--data d store stats', { command: 'stats', data: 'd', json: false }],
    ['--data d store stats --data e', { command: 'stats', data: 'e', json: false }],
    ['store verify', { command: 'verify', data: './data', json: false }],
    ['store export', { command: 'export', data: './data', output: null }],
    ['store export -o f', { command: 'export', data: './data', output: 'f' }],
    ['store compact', { command: 'compact', data: './data', json: false }],
    ['store backup b --data d', { command: 'backup', data: 'd', folder: 'b', json: false }],
    ['store restore --data d b --json', { command: 'restore', data: 'd', folder: 'b', json: true }],
    [
      'sessions purge --offline-for 30d --dry-run',
      {
        command: 'purge',
        data: './data',
        json: false,
        offlineForMs: 30 * 86_400_000,
        dryRun: true,
      },
    ],
    [
      'sessions purge --offline-for 90 --data d --json',
      { command: 'purge', data: 'd', json: true, offlineForMs: 90_000, dryRun: false },
    ],
  ])('%s is understood', (line, meaning) => {
    expect(parseCommandLine(line.split(' '))).toEqual(meaning);
  });

  test.each([
    ['', {}],
    ['start', {}],
    ['--data d --store memory --strict-store', { data: 'd', store: 'memory', strictStore: true }],
    ['start --data d --store ./own.js -p 1', { data: 'd', store: './own.js', port: 1 }],
  ])('"%s" starts a server', (line, options) => {
    const argv = line.split(' ').filter((word) => word !== '');
    expect(parseCommandLine(argv)).toEqual({ command: 'start', options });
  });

  test.each([
    [['store', 'stat'], "unknown command 'stat'"],
    [['store', 'stats', '--bogus'], "unknown option '--bogus'"],
    [['store', 'stats', 'now'], 'too many arguments'],
    [['store', 'backup'], "missing required argument 'folder'"],
    [['store', 'verify', '--data', ''], 'must not be empty'],
    [['sessions', 'purge'], "required option '--offline-for <duration>' not specified"],
    [['sessions', 'purge', '--offline-for', '30x'], 'A duration is written as'],
    [['sessions', 'purge', '--offline-for', '-1'], 'A duration is written as'],
  ])('%j is refused in one sentence, with exit code 2', async (args, sentence) => {
    const { exitCode, stdout, stderr } = await inProcess(...args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(sentence);
    const path = args[1] === 'stat' ? 'store' : args.slice(0, 2).join(' ');
    expect(stderr).toMatch(/^iothub: .*\n$/);
    expect(stderr).toMatch(new RegExp(` See iothub ${path} --help\\.\n$`));
  });

  test.each(['store', 'sessions'])('"%s" alone says what there is', async (command) => {
    const { exitCode, stderr } = await iothub(command);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`Usage: iothub ${command}`);
  });

  test('--help of a command names its flags and the exit codes', async () => {
    const { exitCode, stdout } = await inProcess('store', '--help');
    expect(exitCode).toBe(0);
    for (const word of ['stats', 'verify', 'export', 'compact', 'backup', 'restore']) {
      expect(stdout).toContain(word);
    }
    for (const code of [0, 1, 2, 74, 75]) expect(stdout).toMatch(`${code} `);
    expect((await inProcess('store', 'export', '--help')).stdout).toContain('--output <file>');
  });

  test('--help of the program names the flags of the store and its exit codes', async () => {
    const { stdout } = await inProcess('--help');
    for (const word of ['--data', '--store', '--strict-store', 'sessions', 'store', '74 ', '75 ']) {
      expect(stdout).toContain(word);
    }
  });
});
