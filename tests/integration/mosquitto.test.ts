// mosquitto_pub and mosquitto_sub, what users have in their fingers, in all three versions against the built server.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { type Hub, run, startHub } from './hub.ts';

function sub(hub: Hub, ...args: string[]) {
  // stdbuf: into a pipe it would print only at its end
  return run('stdbuf', [
    '-oL',
    'mosquitto_sub',
    '-h',
    '127.0.0.1',
    '-p',
    String(hub.port),
    '-d',
    ...args,
  ]);
}

async function pub(hub: Hub, ...args: string[]): Promise<void> {
  const { code, stderr } = await run('mosquitto_pub', [
    '-h',
    '127.0.0.1',
    '-p',
    String(hub.port),
    ...args,
  ]).finished;
  expect(code, stderr).toBe(0);
}

/** What `mosquitto_sub -d` printed besides its debug lines. */
function lines(stdout: string): string[] {
  return stdout.split('\n').filter((line) => line !== '' && !/^(Client|Subscribed)/.test(line));
}

describe.each(['mqttv31', 'mqttv311', 'mqttv5'])('%s', (version) => {
  test.each(['0', '1', '2'])('gets a message at QoS %s', async (qos) => {
    const hub = await startHub();
    const subscriber = sub(hub, '-V', version, '-q', qos, '-t', 'a/#', '-v', '-C', '2');
    await subscriber.prints('Subscribed');
    await pub(hub, '-V', version, '-q', qos, '-t', 'a/b', '-m', 'one');
    await pub(hub, '-V', version, '-q', qos, '-t', 'a', '-m', 'two');
    const { code, stdout } = await subscriber.finished;
    expect(code).toBe(0);
    expect(lines(stdout)).toEqual(['a/b one', 'a two']);
  });

  test('gets retained messages', async () => {
    const hub = await startHub();
    await pub(hub, '-V', version, '-q', '1', '-r', '-t', 'state/x', '-m', 'kept');
    const { code, stdout } = await sub(hub, '-V', version, '-t', 'state/#', '-C', '1').finished;
    expect([code, lines(stdout)]).toEqual([0, ['kept']]);
  });

  test('leaves a will when it is killed', async () => {
    const hub = await startHub();
    const watcher = sub(hub, '-V', version, '-t', 'will/#', '-v', '-C', '1');
    await watcher.prints('Subscribed');
    const dying = sub(
      hub,
      ...['-V', version, '-t', 'none', '--will-topic', 'will/t', '--will-payload', 'bye'],
    );
    await dying.prints('Subscribed');
    dying.kill('SIGKILL');
    expect(lines((await watcher.finished).stdout)).toEqual(['will/t bye']);
  });

  test('comes back to a session that was not cleaned', async () => {
    const hub = await startHub();
    const durable = ['-V', version, '-c', '-i', 'durable', '-q', '1', '-t', 'later'];
    if (version === 'mqttv5') durable.push('-x', '3600');
    const { code } = await sub(hub, ...durable, '-E').finished;
    expect(code).toBe(0);
    await pub(hub, '-V', version, '-q', '1', '-t', 'later', '-m', 'waited');
    expect(lines((await sub(hub, ...durable, '-C', '1').finished).stdout)).toEqual(['waited']);
  });

  test('shares a subscription', async () => {
    const hub = await startHub();
    const members = [1, 2].map(() => sub(hub, '-V', version, '-t', '$share/g/s', '-C', '1'));
    for (const member of members) await member.prints('Subscribed');
    await pub(hub, '-V', version, '-q', '1', '-t', 's', '-m', 'one');
    await pub(hub, '-V', version, '-q', '1', '-t', 's', '-m', 'two');
    const got = await Promise.all(
      members.map(async ({ finished }) => lines((await finished).stdout)),
    );
    expect(got.flat().sort()).toEqual(['one', 'two']);
  });
});

test('user properties and content type arrive with mosquitto_sub’s %P and %C', async () => {
  const hub = await startHub();
  const subscriber = sub(hub, '-V', '5', '-t', 'p', '-F', '%P|%C|%p', '-C', '1');
  await subscriber.prints('Subscribed');
  await pub(
    hub,
    ...['-V', '5', '-t', 'p', '-m', 'x', '-D', 'publish', 'content-type', 'text/x'],
    ...['-D', 'publish', 'user-property', 'a', '1', '-D', 'publish', 'user-property', 'b', '2'],
  );
  expect(lines((await subscriber.finished).stdout)).toEqual(['a:1 b:2|text/x|x']);
});

test('--retain-as-published keeps the flag', async () => {
  const hub = await startHub();
  const subscriber = sub(hub, '-V', '5', '-t', 'r', '--retain-as-published', '-F', '%r', '-C', '1');
  await subscriber.prints('Subscribed');
  await pub(hub, '-V', '5', '-t', 'r', '-m', 'x', '-r');
  expect(lines((await subscriber.finished).stdout)).toEqual(['1']);
});

test('a subscriber that waits in vain ends with 27, as with every server', async () => {
  const hub = await startHub();
  expect((await sub(hub, '-t', 'never', '-W', '1').finished).code).toBe(27);
});

test('mosquitto_pub sends a thousand lines at QoS 2, and each arrives once, in order', async () => {
  const hub = await startHub();
  const subscriber = sub(hub, '-V', '5', '-q', '2', '-t', 'lines', '-C', '1000');
  await subscriber.prints('Subscribed');
  const sent = Array.from({ length: 1_000 }, (_, i) => `line ${i}`);
  const publisher = run(
    'mosquitto_pub',
    ['-h', '127.0.0.1', '-p', String(hub.port), '-V', '5', '-q', '2', '-t', 'lines', '-l'],
    `${sent.join('\n')}\n`,
  );
  expect((await publisher.finished).code).toBe(0);
  expect(lines((await subscriber.finished).stdout)).toEqual(sent);
});

test('a retained will is there for those who come later', async () => {
  const hub = await startHub();
  const watcher = sub(hub, '-t', 'status', '-C', '1');
  await watcher.prints('Subscribed');
  const dying = sub(
    hub,
    ...['-t', 'none', '--will-topic', 'status', '--will-payload', 'offline'],
    ...['--will-retain', '--will-qos', '1'],
  );
  await dying.prints('Subscribed');
  dying.kill('SIGKILL');
  await watcher.finished;
  const later = await sub(hub, '-t', 'status', '--retained-only', '-C', '1').finished;
  expect([later.code, lines(later.stdout)]).toEqual([0, ['offline']]);
});

test('mosquitto_pub ends with 1 when nobody listens', async () => {
  const hub = await startHub();
  await hub.stop();
  const args = ['-h', '127.0.0.1', '-p', String(hub.port), '-t', 't', '-m', 'x'];
  const { code, stderr } = await run('mosquitto_pub', args).finished;
  expect([code, stderr.trim()]).toEqual([1, 'Error: Connection refused']);
});

test('mosquitto_sub in version 5 is told 0x8B when the server stops', async () => {
  const hub = await startHub();
  const subscriber = sub(hub, '-V', '5', '-t', 't');
  await subscriber.prints('Subscribed');
  expect(await hub.stop()).toBe(0);
  expect((await subscriber.finished).stdout).toContain('Received DISCONNECT (139)');
});

test('mosquitto_sub gets what the server says of itself, and then what changes', async () => {
  const folder = temporaryFolder();
  const config = path.join(folder, 'iothub.toml');
  const rule = '[[rules]]\neffect = "allow"\nactions = ["subscribe"]\ntopics = ["$SYS/#"]\n';
  writeFileSync(config, `${rule}[sys]\ninterval = "200ms"\n`);
  const hub = await startHub('--config', config);
  const all = sub(hub, '-t', '$SYS/#', '-v', '-W', '2');
  await all.prints('clients/connected 1');
  await all.prints('bytes/received');
  const got = lines((await all.finished).stdout);
  expect(got[0]).toMatch(/^\$SYS\/broker\//);
  expect(got.some((line) => /^\$SYS\/broker\/uptime \d+ seconds$/.test(line))).toBe(true);
  expect(got.some((line) => /^\$SYS\/broker\/version iothub version /.test(line))).toBe(true);
  const retained = sub(hub, '-t', '$SYS/broker/retained messages/count', '-C', '1');
  expect(lines((await retained.finished).stdout)).toEqual(['0']);
});
