// `iothub pub` and `iothub sub` beside mosquitto_pub and mosquitto_sub: the same messages and formats give the same output, and the
// same endings the same exit codes. And by each way in.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { Certificates, listener } from './doors.ts';
import { type Finished, type Hub, run, startHub, startServing } from './hub.ts';

const OURS = [process.execPath, 'dist/cli/main.js'];

type Family = 'mosquitto' | 'iothub';

/** `mosquitto_sub` or `iothub sub` with these arguments. */
function client(family: Family, name: 'pub' | 'sub', args: readonly string[], input?: string) {
  if (family === 'iothub') return run(OURS[0], [OURS[1], name, ...args], input);
  // stdbuf: into a pipe it would print only at its end
  return run('stdbuf', ['-oL', `mosquitto_${name}`, ...args], input);
}

function at(hub: Hub): string[] {
  return ['-h', '127.0.0.1', '-p', String(hub.port)];
}

async function pub(hub: Hub, args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await client('iothub', 'pub', [...at(hub), ...args], input).finished;
  expect([code, stderr]).toEqual([0, '']);
}

/** Both, one after the other. */
async function both(name: 'pub' | 'sub', args: readonly string[]): Promise<[Finished, Finished]> {
  const theirs = await client('mosquitto', name, args).finished;
  return [theirs, await client('iothub', name, args).finished];
}

describe('retained messages look alike', { timeout: 120_000 }, () => {
  const PROPERTIES = [
    ...['-D', 'publish', 'content-type', 'text/x', '-D', 'publish', 'response-topic', 'r/t'],
    ...['-D', 'publish', 'user-property', 'a', '1', '-D', 'publish', 'user-property', 'a', '2'],
    ...['-D', 'publish', 'correlation-data', 'co"d', '-D', 'publish', 'payload-format-indicator'],
    '1',
  ];

  test('in every format', async () => {
    const hub = await startHub();
    const message = '{"x":1.0,"y":"ü/\\u0001"}';
    await pub(hub, ['-V', '5', '-q', '1', '-r', '-t', 'a/b', '-m', message, ...PROPERTIES]);
    const formats = [
      ['-v'],
      [],
      ['-N'],
      ['--retained-only', '-v'],
      ['-F', '%t|%p|%x|%X|%m|%l|%q|%r|%A|%C|%D|%E|%F|%P|%R|%S|%%'],
      ['-F', '%10t|%-10t|%.2t|%5l|%05l|%-5m|%05m|%5A|%-9C|%.2C|%5S|%5F|%6R|'],
      ['-F', '@Y @m @d @j @a @A @b @B @y @@ @z'],
      ['-F', 'a\\tb\\nc\\\\ \\e \\0 x\\a\\v\\r', '-N'],
    ];
    for (const format of formats) {
      const [theirs, ours] = await both('sub', [
        ...at(hub),
        ...['-V', '5', '-q', '1', '-t', 'a/#', '-C', '1', ...format],
        ...['-D', 'subscribe', 'subscription-identifier', '7'],
      ]);
      expect(ours, format.join(' ')).toEqual(theirs);
    }
    for (const format of [['%j'], ['%J'], ['%j', '--pretty'], ['%J', '--pretty']]) {
      const [theirs, ours] = await both('sub', [
        ...at(hub),
        ...['-V', '5', '-q', '1', '-t', 'a/#', '-C', '1', '-F', ...format],
      ]);
      expect(timeless(ours.stdout), format.join(' ')).toBe(timeless(theirs.stdout));
    }
  });

  /** They came at different times, and mosquitto_sub counts microseconds. */
  function timeless(json: string): string {
    expect(json).toMatch(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z[+-]\d{4}"/);
    return json.replace(/"\d{4}-[^"]*"/, '"…"');
  }
});

test.each([[['-v']], [[]], [['-N', '-v']], [['-F', '%t[%p]']]])(
  'queued messages look alike with %j, empty ones and those with line feeds, too',
  async (format) => {
    const hub = await startHub();
    const families = ['mosquitto', 'iothub'] as const;
    const sub = (family: Family, ...more: string[]) =>
      client(family, 'sub', [...at(hub), '-c', '-i', family, '-q', '2', '-t', 'l', ...more]);
    for (const family of families) {
      expect((await sub(family, '-E').finished).code).toBe(0);
    }
    await pub(hub, ['-t', 'l', '-l', '-q', '2'], 'one\n\ntwo\r\nthree');
    await pub(hub, ['-t', 'l', '-s', '-q', '1'], 'four\nfive\n');
    await pub(hub, ['-t', 'l', '-n', '-q', '1']);
    const got = await Promise.all(
      families.map((family) => sub(family, '-C', '6', ...format).finished),
    );
    expect(got[1]).toEqual(got[0]);
    expect(got[1].code).toBe(0);
  },
);

test('a hundred thousand bytes arrive as they were, from standard input and from a file', async () => {
  const hub = await startHub();
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 256));
  const file = path.join(temporaryFolder(), 'bytes');
  await writeFile(file, bytes);
  await pub(hub, ['-t', 'b', '-r', '-q', '1', '-f', file]);
  const [theirs, ours] = await both('sub', [...at(hub), '-t', 'b', '-C', '1', '-F', '%x']);
  expect(ours.stdout).toBe(`${bytes.toString('hex')}\n`);
  expect(ours).toEqual(theirs);
});

test('what would act on a terminal is escaped there, and nowhere else', async () => {
  const hub = await startHub();
  await pub(hub, ['-t', 'x\u009b', '-r', '-q', '1', '-m', 'a\x1b[31mred\x07\n\tb']);
  const args = ['sub', ...at(hub), '-v', '-t', '#', '-C', '1'];
  const raw = await client('iothub', 'sub', args.slice(1)).finished;
  expect(raw.stdout).toBe('x\u009b a\x1b[31mred\x07\n\tb\n');
  // util-linux: a terminal for a program
  const shell = [...OURS, ...args].map((word) => `'${word}'`).join(' ');
  const terminal = await run('script', ['-qec', shell, '/dev/null']).finished;
  expect(terminal.stdout.replaceAll('\r\n', '\n')).toBe('x\\u009b a\\u001b[31mred\\u0007\n\tb\n');
});

test('who filters by topic, and removes what is retained, leaves the same', async () => {
  const hub = await startHub();
  for (const topic of ['r/1', 'r/2', 'r/x/3']) await pub(hub, ['-t', topic, '-r', '-m', topic]);
  const args = [...at(hub), '-t', 'r/#', '-T', 'r/x/+', '-v', '-W', '1'];
  const [theirs, ours] = await both('sub', args);
  expect([ours.code, ours.stdout]).toEqual([theirs.code, theirs.stdout]);
  const removing = [...at(hub), '-t', 'r/#', '-T', 'r/x/+', '--remove-retained', '-C', '2'];
  expect((await client('iothub', 'sub', removing).finished).code).toBe(0);
  const left = await client('mosquitto', 'sub', [...at(hub), '-t', 'r/#', '-W', '1']).finished;
  expect(left.stdout).toBe('r/x/3\n');
});

test('--retained-only ends at the first message that is not', async () => {
  const hub = await startHub();
  await pub(hub, ['-t', 'r/1', '-r', '-m', 'kept']);
  const args = [...at(hub), '-c', '-i', 'x', '-q', '1', '-t', 'r/#'];
  expect((await client('iothub', 'sub', [...args, '-E']).finished).code).toBe(0);
  await pub(hub, ['-t', 'r/2', '-q', '1', '-m', 'live']);
  const ended = await client('iothub', 'sub', [...args, '--retained-only']).finished;
  expect(ended.code).toBe(0);
});

describe('endings', () => {
  test('-W in vain is 27', async () => {
    const hub = await startHub();
    const [theirs, ours] = await both('sub', [...at(hub), '-t', 'never', '-W', '1']);
    expect([theirs.code, ours.code]).toEqual([27, 27]);
  });

  test.each([
    ['mqttv311', 4],
    ['mqttv5', 0x86],
  ])('a CONNACK that refuses is its code, in %s', async (version, code) => {
    const folder = temporaryFolder();
    const file = (name: string) => path.join(folder, name);
    const passwd = [OURS[1], 'passwd', '-b', '-c', file('passwords'), 'me', 'right'];
    expect((await run(OURS[0], passwd).finished).code).toBe(0);
    const config = `
      [[listeners]]
      url = "mqtt://127.0.0.1:0"
      [[authenticators]]
      type = "password-file"
      file = "passwords"
    `;
    await writeFile(file('iothub.toml'), config);
    const hub = await startServing(1, ['--config', file('iothub.toml')]);
    const args = [...at(hub), '-V', version, '-t', 't', '-u', 'me'];
    for (const name of ['pub', 'sub'] as const) {
      const more = name === 'pub' ? ['-m', 'x'] : ['-E'];
      const [theirs, ours] = await both(name, [...args, ...more, '-P', 'wrong']);
      expect([theirs.code, ours.code]).toEqual([code, code]);
      expect(ours.stderr).toContain('the server refuses the connection: ');
      const right = await client('iothub', name, [...args, ...more, '-P', 'right']).finished;
      expect(right).toMatchObject({ code: 0, stderr: '' });
    }
  });

  test('nobody listens: 1, as mosquitto_sub', async () => {
    const hub = await startHub();
    await hub.stop();
    for (const name of ['pub', 'sub'] as const) {
      const args = [...at(hub), '-t', 't', ...(name === 'pub' ? ['-m', 'x'] : [])];
      const [theirs, ours] = await both(name, args);
      expect([theirs.code, ours.code]).toEqual([1, 1]);
      expect(ours.stderr).toMatch(/^iothub \w+: cannot connect to mqtt:\/\/127.0.0.1:\d+: nothing/);
    }
  });

  test('a message, or all subscriptions, that are refused have the code of the server', async () => {
    const hub = await startHub();
    const refused = [...at(hub), '-V', '5', '-q', '1', '-t', '$SYS/x'];
    const message = await client('iothub', 'pub', [...refused, '-m', 'x']).finished;
    expect([message.code, message.stderr]).toEqual([
      0x87,
      'iothub pub: the server refuses the message: Not authorized (0x87)\n',
    ]);
    expect((await client('iothub', 'sub', refused).finished).code).toBe(0x87);
    const v3 = await client('iothub', 'sub', [...at(hub), '-t', '$SYS/x']).finished;
    expect(v3.code).toBe(0x80);
  });

  test('a server that stops is told in version 5, and waited for in version 3', async () => {
    const hub = await startHub();
    const v5 = client('iothub', 'sub', [...at(hub), '-d', '-V', '5', '-t', 't']);
    const v3 = client('iothub', 'sub', [...at(hub), '-d', '-t', 't', '-C', '1']);
    await Promise.all([v5.prints('received SUBACK'), v3.prints('received SUBACK')]);
    await hub.stop();
    expect((await v5.finished).code).toBe(0x8b);
    await v3.prints('connecting again');
    const again = await startHub('--listener', `mqtt://127.0.0.1:${hub.port}`);
    await pub(again, ['-t', 't', '-q', '1', '-r', '-m', 'back']);
    expect(await v3.finished).toMatchObject({ code: 0, stdout: 'back\n' });
  });

  test('SIGINT disconnects and ends with 0, so that no will is left', async () => {
    const hub = await startHub();
    const args = ['-d', '-t', 't', '--will-topic', 'w', '--will-payload', 'bye', '--will-retain'];
    const subscriber = client('iothub', 'sub', [...at(hub), ...args]);
    await subscriber.prints('received SUBACK');
    subscriber.kill('SIGINT');
    expect(await subscriber.finished).toMatchObject({ code: 0 });
    const wills = await client('iothub', 'sub', [...at(hub), '-t', 'w', '-W', '1']).finished;
    expect([wills.code, wills.stdout]).toEqual([27, '']);
  });

  test('a will is left by who is killed', async () => {
    const hub = await startHub();
    const args = ['-d', '-t', 't', '--will-topic', 'w', '--will-payload', 'bye', '--will-retain'];
    const subscriber = client('iothub', 'sub', [...at(hub), ...args]);
    await subscriber.prints('received SUBACK');
    subscriber.kill('SIGKILL');
    await subscriber.finished;
    const wills = await client('mosquitto', 'sub', [...at(hub), '-t', 'w', '-C', '1']).finished;
    expect(wills.stdout).toBe('bye\n');
  });

  test('a standard output that nobody reads any more ends it', async () => {
    const hub = await startHub();
    const shell = `${OURS.join(' ')} sub -p ${hub.port} -t t -q 1 -c -i x`;
    expect((await run('sh', ['-c', `${shell} -E`]).finished).code).toBe(0);
    // It notices when it writes again, as every program.
    const repeat = ['--repeat', '1000', '--repeat-delay', '0.05'];
    const publisher = client('iothub', 'pub', [
      ...at(hub),
      '-t',
      't',
      '-q',
      '1',
      '-m',
      'one',
      ...repeat,
    ]);
    const piped = await run('sh', ['-c', `${shell} | head -n 1`]).finished;
    await publisher.end();
    expect(piped).toMatchObject({ code: 0, stdout: 'one\n' });
  });
});

test('by TLS, WebSocket and a unix socket, with certificates of both sides', async () => {
  const certificates = new Certificates();
  const mutual = { 'client-certificate': 'required', ca: certificates.ca };
  const socket = path.join(temporaryFolder(), 's');
  const hub = await startHub(
    ...listener('tls', certificates, mutual),
    ...listener('ws', certificates),
    ...listener('wss', certificates),
    ...['--listener', `mqtt+unix://${socket}`],
  );
  const ports = hub.urls.map((url) => /:(\d+)(?:\/|$)/.exec(url)?.[1] ?? '');
  const { cert, key } = certificates.client({ commonName: 'me' });
  const doors = [
    ['-p', ports[0], '--cafile', certificates.ca, '--cert', cert, '--key', key],
    ['-p', ports[1], '--ws'],
    ['-L', `wss://localhost:${ports[2]}/mqtt`, '--cafile', certificates.ca],
    ['--unix', socket],
  ];
  for (const [i, door] of doors.entries()) {
    const message = ['-t', `t/${i}`, '-q', '2', '-r', '-m', String(i)];
    const { code, stderr } = await client('iothub', 'pub', [...door, ...message]).finished;
    expect([code, stderr]).toEqual([0, '']);
    const got = await client('iothub', 'sub', [...door, '-t', `t/${i}`, '-C', '1']).finished;
    expect(got).toEqual({ code: 0, stdout: `${i}\n`, stderr: '' });
  }
  const strangers = [
    [['-p', ports[0]], 'closed'],
    [['-p', ports[0], '--insecure'], '--cafile'],
    [['-h', '127.0.0.2', '-p', ports[2], '--ws', '--cafile', certificates.ca], 'nothing listens'],
    [['-p', ports[1], '--cafile', certificates.ca], 'is this port one for TLS'],
  ] as const;
  for (const [door, sentence] of strangers) {
    const { code, stderr } = await client('iothub', 'sub', [...door, '-t', 't']).finished;
    expect([code, stderr]).toEqual([1, expect.stringContaining(sentence)]);
  }
});
