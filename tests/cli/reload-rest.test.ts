// Files are read when they are at rest: what somebody writes in pieces counts when it is whole, whoever asks for a reload
// meanwhile.

import { appendFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lookAt } from '../../src/cli/access/rest.ts';
import { watchAccess } from '../../src/cli/access/watch.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { until } from '../kit/until.ts';
import { AccessHub } from './access-hub.ts';

const SOON = { lookMs: 5, restMs: 200, patienceMs: 10_000 };

function aclOf(...users: string[]): string {
  return users.map((user) => `user ${user}\ntopic readwrite ${user}/#\n`).join('');
}

const ACL = '[[authorizers]]\ntype = "acl-file"\nfile = "acl"\n';

/** Whose lines are in force. */
async function usersOf(hub: AccessHub): Promise<string[]> {
  const { authorizer } = hub.access.options;
  const client = { clientId: 'c', protocolVersion: 5, remoteAddress: '' } as const;
  const all = ['a', 'b', 'c', 'd', 'e', 'f'];
  const answers = await Promise.all(
    all.map((username) =>
      authorizer?.authorizePublish({ ...client, username }, `${username}/x`, 0, false),
    ),
  );
  return all.filter((_, i) => answers[i] === 0);
}

test('a file that was written just now is fresh, however it is dated; so is one that is not there', async () => {
  const file = path.join(temporaryFolder(), 'file');
  writeFileSync(file, 'a');
  utimesSync(file, 1, 1);
  const written = await lookAt([file]);
  expect(written.isFresh).toBe(true);
  writeFileSync(`${file}.new`, 'b');
  utimesSync(`${file}.new`, 1, 1);
  renameSync(`${file}.new`, file);
  const replaced = await lookAt([file]);
  expect(replaced.signatures.get(file)).not.toBe(written.signatures.get(file));
  rmSync(file);
  const missing = await lookAt([file]);
  expect([missing.isFresh, missing.signatures.get(file)]).toEqual([true, 'ENOENT']);
  expect((await lookAt(['/'])).isFresh).toBe(false);
});

test('a file in pieces is not read before its last one, though each would do by itself', async () => {
  const hub = new AccessHub({ times: SOON });
  const file = hub.write('acl', aclOf('a', 'b', 'c', 'd'));
  await hub.start(ACL);
  const reports: unknown[] = [];
  writeFileSync(file, aclOf('a', 'b', 'e'));
  const reload = hub.reloads().then((report) => reports.push(report));
  let writtenMs = performance.now();
  for (const user of ['c', 'd', 'f']) {
    const pauseUntilMs = performance.now() + SOON.restMs / 2;
    await until(() => performance.now() >= pauseUntilMs);
    expect([reports, await usersOf(hub)]).toEqual([[], ['a', 'b', 'c', 'd']]);
    appendFileSync(file, aclOf(user));
    writtenMs = performance.now();
  }
  await reload;
  expect(performance.now() - writtenMs).toBeGreaterThanOrEqual(SOON.restMs);
  expect(reports).toMatchObject([{ problems: [] }]);
  expect(await usersOf(hub)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('a file that never rests is given up, and what was in force stays so', async () => {
  const hub = new AccessHub({ times: { ...SOON, patienceMs: 300 } });
  const file = hub.write('acl', aclOf('a'));
  await hub.start(ACL);
  let isDone = false;
  const reload = hub.reloads().finally(() => {
    isDone = true;
  });
  await until(() => {
    appendFileSync(file, '# more\n');
    return isDone;
  });
  const [problem] = (await reload).problems;
  expect(problem).toContain('do not come to rest: somebody keeps writing them');
  expect(hub.server.alarms.isRaised('reload_failed')).toBe(true);
  expect(await usersOf(hub)).toEqual(['a']);
  expect(await hub.reloads()).toMatchObject({ problems: [] });
  expect(hub.server.alarms.isRaised('reload_failed')).toBe(false);
});

test('a file that only the new configuration names must be at rest, too', async () => {
  const hub = new AccessHub({ times: SOON });
  hub.write('acl', aclOf('a'));
  await hub.start(ACL);
  const other = hub.write('other', aclOf('b'));
  hub.configure(ACL.replace('"acl"', '"other"'));
  const reload = hub.reloads();
  const pauseUntilMs = performance.now() + SOON.restMs / 2;
  await until(() => performance.now() >= pauseUntilMs);
  appendFileSync(other, aclOf('c'));
  expect(await reload).toMatchObject({ problems: [] });
  expect(await usersOf(hub)).toEqual(['b', 'c']);
});

test('what is written between the reading and the watching is noticed', async () => {
  const hub = new AccessHub();
  const file = hub.write('acl', aclOf('a'));
  await hub.start(ACL);
  writeFileSync(file, aclOf('a', 'b'));
  const watching = watchAccess(hub.access, hub.reload, hub.log);
  onTestFinished(() => watching.close());
  await until(() => hub.log.infos.some(({ message }) => message.includes('was reloaded')));
  expect(await usersOf(hub)).toEqual(['a', 'b']);
});

test('a reload begins and ends the watching of files', async () => {
  const hub = new AccessHub();
  const file = hub.write('acl', aclOf('a'));
  const unwatched = `${ACL}[access]\nwatch = false\n`;
  await hub.start(unwatched);
  const watching = watchAccess(hub.access, hub.reload, hub.log);
  onTestFinished(() => watching.close());
  const told = (text: string) => hub.log.infos.filter(({ message }) => message.includes(text));
  const changes = () => told('has changed').length;
  writeFileSync(file, aclOf('a', 'b'));
  hub.configure(ACL);
  await hub.reloads();
  expect(await usersOf(hub)).toEqual(['a', 'b']);
  writeFileSync(file, aclOf('a', 'b', 'c'));
  await until(() => told('was reloaded').length === 2);
  expect([changes(), await usersOf(hub)]).toEqual([1, ['a', 'b', 'c']]);
  hub.configure(unwatched);
  await hub.reloads();
  writeFileSync(file, aclOf('a', 'b', 'c', 'd'));
  hub.configure(ACL);
  await hub.reloads();
  expect([changes(), await usersOf(hub)]).toEqual([1, ['a', 'b', 'c', 'd']]);
});
