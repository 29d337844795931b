import { describe, expect, test } from 'vitest';
import { createLog, createLogger } from '../../src/cli/logger.ts';
import { prettyLine } from '../../src/cli/pretty.ts';
import { FakeOutput } from '../kit/fake-output.ts';

describe('the JSON log', () => {
  test('writes one object a line: level, time, fields, message', () => {
    const output = new FakeOutput();
    createLogger({ level: 'info', format: 'json' }, output)
      .child({ listener: 'tcp' })
      .info({ clientId: 'c' }, 'hello');
    expect(output.text).toHaveLength(1);
    expect(JSON.parse(output.text[0])).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      listener: 'tcp',
      clientId: 'c',
      msg: 'hello',
    });
  });

  test('escapes what would steer a terminal, and still means the same', () => {
    const output = new FakeOutput();
    const clientId = 'a\n\u001b[31m\u009b1m\u202egnp.exe\u2028\u200b';
    createLogger({ level: 'info', format: 'json' }, output).info({ clientId }, 'hello');
    expect(output.text[0]).toMatch(/^[\x20-\x7e]*\n$/);
    expect(JSON.parse(output.text[0]).clientId).toBe(clientId);
  });

  test('escapes what nobody sees, also beyond the first 65,536 characters, and nothing else', () => {
    const output = new FakeOutput();
    const logger = createLogger({ level: 'info', format: 'json' }, output);
    const unseen = ['\u00ad', '\u180e', '\u2065', '\u{e0001}', '\u{e0041}', '\u0600', '\u{1bca0}'];
    for (const text of unseen) logger.info({ clientId: `a${text}` }, 'hello');
    for (const line of output.text) expect(line).toMatch(/^[\x20-\x7e]*\n$/);
    expect(output.entries.map(({ clientId }) => clientId)).toEqual(unseen.map((one) => `a${one}`));
    output.text.length = 0;
    const seen = 'Größe 温度 🌡 ‰';
    logger.info({ clientId: seen }, 'hello');
    expect(output.text[0]).toContain(seen);
  });

  test('holds back what is below the level', () => {
    const output = new FakeOutput();
    const logger = createLogger({ level: 'warn', format: 'json' }, output);
    logger.info({}, 'no');
    logger.warn({}, 'yes');
    expect(output.text).toHaveLength(1);
    expect(logger.isLevelEnabled?.('info')).toBe(false);
  });

  test('loses lines rather than memory when nobody reads, and says how many', () => {
    const output = new FakeOutput();
    const logger = createLogger({ level: 'info', format: 'json' }, output);
    output.writableLength = 1_048_576;
    logger.info({}, 'still taken');
    output.writableLength = 1_048_577;
    logger.info({}, 'lost');
    logger.info({}, 'lost');
    output.writableLength = 0;
    logger.info({}, 'taken again');
    expect(output.entries.map(({ msg }) => msg)).toEqual([
      'still taken',
      'log lines were lost because they were not read in time',
      'taken again',
    ]);
    expect(output.entries[1]).toMatchObject({ lostLines: 2, lostInAll: 2 });
  });

  test('falls silent when its reader has gone, and counts what nobody gets', () => {
    const output = new FakeOutput();
    const { control, logger } = createLog({ level: 'info', format: 'json' }, output);
    output.fail(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    logger.info({}, 'to nobody');
    expect(output.text).toEqual([]);
    expect(control.state().lostLines).toBe(1);
  });

  test('goes on when a disk that was full has room again', () => {
    const output = new FakeOutput();
    const { control, logger } = createLog({ level: 'info', format: 'json' }, output);
    const full = Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' });
    logger.info({}, 'lost');
    output.fail(full);
    logger.info({}, 'lost with what was said of the first');
    expect(output.text).toHaveLength(2);
    output.fail(full);
    output.text.length = 0;
    logger.info({}, 'taken again');
    expect(output.entries).toMatchObject([{ lostLines: 1, lostInAll: 2 }, { msg: 'taken again' }]);
    expect(control.state().lostLines).toBe(2);
  });
});

describe('the log for people', () => {
  test('is chosen on a terminal and by the configuration', () => {
    const output = new FakeOutput();
    createLogger({ level: 'info', format: 'pretty' }, output).info({ port: 1883 }, 'hello');
    expect(output.text[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}hello {2}port=1883\n$/);
    output.isTTY = true;
    createLogger({ level: 'info', format: 'auto' }, output).info({}, 'hello');
    expect(output.text[1]).toMatch(/INFO.*hello\n$/);
    createLogger({ level: 'info', format: 'json' }, output).info({}, 'hello');
    expect(() => JSON.parse(output.text[2])).not.toThrow();
  });

  test('lets no client write a line of its own or steer the terminal', () => {
    const line = prettyLine(
      JSON.stringify({
        level: 'warn',
        time: '2026-01-02T03:04:05.678Z',
        clientId: 'a"\n03:04:05.678 INFO  forged\u001b[2J\u009b\u202e',
        msg: 'refused',
      }),
      false,
    );
    expect(line).toBe(
      '03:04:05.678 WARN  refused  clientId="a\\"\\n03:04:05.678 INFO  forged\\u001b[2J\\u009b\\u202e"\n',
    );
  });

  test('shows plain values bare and others quoted', () => {
    const entry = {
      level: 'info',
      time: '',
      topic: 'a/b/#',
      name: 'a b',
      list: [1, 2],
      none: null,
    };
    expect(prettyLine(JSON.stringify({ ...entry, msg: 'm' }), false)).toBe(
      ' INFO  m  topic=a/b/#  name="a b"  list=[1,2]  none=null\n',
    );
  });

  test('shows the stack of an error below its line, indented', () => {
    const output = new FakeOutput();
    const err = new Error('first\nsecond');
    createLogger({ level: 'info', format: 'pretty' }, output).error({ err }, 'it failed');
    const lines = output.text[0].trimEnd().split('\n');
    expect(lines[0]).toMatch(/ERROR it failed$/);
    expect(lines[1]).toBe('    Error: first');
    for (const line of lines.slice(1)) expect(line).toMatch(/^ {4}\S/);
  });
});
