// `iothub check`.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { inProcess } from './in-process.ts';

function fileWith(content: string): string {
  const file = path.join(temporaryFolder(), 'f.toml');
  writeFileSync(file, content);
  return file;
}

describe('iothub check', () => {
  test('says what would run', async () => {
    const file = fileWith(`
      [[listeners]]
      url = "mqtt://127.0.0.1:1883"
      [[authenticators]]
      type = "users"
      [[rules]]
      effect = "allow"
      actions = ["publish"]
      topics = ["a/#"]
    `);
    expect(await inProcess('check', '-c', file, '--data', '/var/x')).toEqual({
      exitCode: 0,
      stdout: [
        'ok',
        `file: ${file}`,
        'variables: none',
        'listener: mqtt://127.0.0.1:1883: known by users',
        'authorizers: rules; 1 rule',
        'store: lmdb in /var/x',
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  test('says it as JSON, of flags, too', async () => {
    const { exitCode, stdout } = await inProcess(
      ...['check', '--json', '--store', 'memory'],
      ...['--listener', 'mqtt://:1884?anonymous=true'],
    );
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      listeners: [{ url: 'mqtt://:1884', anonymous: true, authenticators: [] }],
      store: { type: 'memory' },
    });
  });

  test('says what is wrong, with exit code 78', async () => {
    const file = fileWith('[limits]\nqos_max = 3');
    expect(await inProcess('check', '--config', file)).toEqual({
      exitCode: 78,
      stdout: '',
      stderr: `${file}:2: limits.qos_max: 3 is not one of 0, 1, 2\n`,
    });
  });

  test('reads certificates, as -t does', async () => {
    const file = fileWith('');
    const listener = `mqtts://127.0.0.1:0?cert=${file}&key=${file}`;
    for (const args of [['check'], ['-t']]) {
      const { exitCode, stderr } = await inProcess(...args, '--listener', listener);
      expect([exitCode, stderr]).toEqual([78, expect.stringContaining(file)]);
    }
  });

  test.each([
    [['check', 'now'], 'too many arguments'],
    [['check', '--port', '1e3'], 'A port is a whole number'],
    [['check', '-l', 'tcp://x'], 'unknown protocol'],
  ])('%j is a wrong command line', async (args, sentence) => {
    const { exitCode, stderr } = await inProcess(...args);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(sentence)]);
  });
});
