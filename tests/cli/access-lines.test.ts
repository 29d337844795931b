// The command lines of `iothub acl`, `ban` and `reload`: every flag, wherever it stands, and what is no such line.

import { CommanderError } from 'commander';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';

const parse = (...args: string[]): unknown => parseCommandLine(args);

describe('iothub acl', () => {
  const question = {
    ...{ username: null, clientId: 'c', groups: [], claims: {} },
    ...{ action: 'publish', topic: 't', qos: 0, retain: false },
  };

  test('asks the files about an anonymous client, unless more is said', () => {
    const line = { command: 'acl', json: false, config: null, live: null, question };
    expect(parse('acl', 'test', '--client', 'c', 'publish', 't')).toEqual({
      ...line,
      action: 'test',
    });
    expect(parse('acl', 'explain', 'publish', 't', '--client', 'c')).toEqual({
      ...line,
      action: 'explain',
    });
  });

  test('takes every flag', () => {
    const who = ['--as', 'ann', '--client', '', '-g', 'a', '--group', 'b', '--claim', 'x=1=2'];
    const what = ['--qos', '2', '--retain', '--json', '--config', 'f'];
    expect(parse('acl', 'test', 'publish', 't/#', ...who, ...what)).toEqual({
      ...{ command: 'acl', action: 'test', json: true, config: 'f', live: null },
      question: {
        ...{ username: 'ann', clientId: '', groups: ['a', 'b'], claims: { x: '1=2' } },
        ...{ action: 'publish', topic: 't/#', qos: 2, retain: true },
      },
    });
    const live = ['--live', '--data', 'd', '-q', '1', '--client', 'c', '--as', ''];
    expect(parse('acl', 'explain', 'subscribe', '$share/g/t', ...live)).toMatchObject({
      ...{ live: 'd', config: null },
      question: { username: '', action: 'subscribe', topic: '$share/g/t', qos: 1 },
    });
    expect(parse('--data', 'd', '-c', 'f', 'acl', 'test', 'receive', 't', '--client', 'c')).toEqual(
      expect.objectContaining({ live: null, config: 'f' }),
    );
    expect(parse('--data', 'd', 'acl', 'test', 'receive', 't', '--client', 'c', '--live')).toEqual(
      expect.objectContaining({ live: 'd' }),
    );
  });
});

describe('iothub ban', () => {
  const line = { command: 'ban', data: './data', json: false };

  test('lists, adds and lifts', () => {
    expect(parse('ban', 'list')).toEqual({ ...line, task: { action: 'list' } });
    const added = { action: 'add', durationMs: null, reason: '', kick: false };
    expect(parse('ban', 'add', '--address', '10.0.0.0/8')).toEqual({
      ...line,
      task: { ...added, kind: 'address', pattern: '10.0.0.0/8' },
    });
    expect(parse('ban', 'remove', '--username', 'x*')).toEqual({
      ...line,
      task: { action: 'remove', kind: 'username', pattern: 'x*' },
    });
  });

  test('takes every flag', () => {
    const flags = ['--for', '1.5h', '--reason', 'a b', '--kick', '--json', '--data', 'd'];
    expect(parse('ban', 'add', '--client-id', 'c', ...flags)).toEqual({
      ...{ command: 'ban', data: 'd', json: true },
      task: {
        ...{ action: 'add', kind: 'client_id', pattern: 'c' },
        ...{ durationMs: 5_400_000, reason: 'a b', kick: true },
      },
    });
    expect(parse('--data', 'd', 'ban', 'list', '--json')).toMatchObject({ data: 'd', json: true });
    expect(parse('ban', 'add', '--username', 'u', '--for', '90')).toMatchObject({
      task: { durationMs: 90_000 },
    });
  });
});

test('iothub reload takes every flag', () => {
  const request = { force: false, dryRun: false };
  expect(parse('reload')).toEqual({ command: 'reload', data: './data', json: false, request });
  expect(parse('reload', '--force', '--dry-run', '--json', '--data', 'd')).toEqual({
    ...{ command: 'reload', data: 'd', json: true },
    request: { force: true, dryRun: true },
  });
});

test.each([
  [['acl'], 'Usage: iothub acl'],
  [['acl', 'test', '--client', 'c'], "missing required argument 'action'"],
  [['acl', 'test', 'publish', '--client', 'c'], "missing required argument 'topic'"],
  [['acl', 'test', 'publish', 't'], "required option '--client <id>' not specified"],
  [['acl', 'test', 'connect', 't', '--client', 'c'], 'It is publish, subscribe or receive'],
  [['acl', 'test', 'publish', '', '--client', 'c'], 'It must not be empty'],
  [['acl', 'test', 'publish', 't', '--client', 'c', '-q', '3'], 'Allowed choices are 0, 1, 2'],
  [['acl', 'test', 'subscribe', 't', '--client', 'c', '-r'], '--retain goes with publish only'],
  [['acl', 'test', 'publish', 't', '--client', 'c', '--claim', 'x'], 'written as name=value'],
  [['acl', 'test', 'publish', 't', 'u', '--client', 'c'], 'too many arguments'],
  [['acl', 'forbid'], "unknown command 'forbid'"],
  [['ban'], 'Usage: iothub ban'],
  [['ban', 'add'], 'give one of --address, --username and --client-id'],
  [['ban', 'remove'], 'give one of --address, --username and --client-id'],
  [['ban', 'add', '--address', '10.0.0.1', '--username', 'u'], 'give one of --address'],
  [['ban', 'add', '--client-id', ''], 'It must not be empty'],
  [['ban', 'add', '--username', 'u', '--for', '0'], 'A duration is written as'],
  [['ban', 'add', '--username', 'u', '--for', 'long'], 'A duration is written as'],
  [['ban', 'add', '--username', 'u', '--for', '-1h'], 'A duration is written as'],
  [['ban', 'list', 'all'], 'too many arguments'],
  [['reload', 'now'], 'too many arguments'],
  [['reload', '--dryrun'], "unknown option '--dryrun'"],
])('%j is refused: %s', (args, sentence) => {
  let said = '';
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  onTestFinished(() => stderr.mockRestore());
  expect(() => parse(...args)).toThrow(CommanderError);
  expect(said).toContain(sentence);
});
