// Files of access control that others replace while the server runs: in the ways of editors and of Kubernetes, and a
// configuration that is gone for a while. Nobody asks for a reload.

import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { LoginClient } from '../kit/login-client.ts';
import { dial } from '../kit/secure-server.ts';
import { KubernetesVolume, RenamedFiles } from '../kit/swapped-folder.ts';
import { RunningServer } from './command.ts';
import { contentOf, PASSWORD } from './torture/rule-sets.ts';

class Watched {
  readonly config = path.join(temporaryFolder(), 'iothub.toml');
  readonly server: RunningServer;
  port = 0;

  constructor(passwords: string, acl: string) {
    this.configure(passwords, acl);
    this.server = new RunningServer({ isPlaced: true }, '--config', this.config);
    onTestFinished(() => this.server.kill());
  }

  configure(passwords: string, acl: string): void {
    const toml = [
      '[[listeners]]\nurl = "mqtt://127.0.0.1:0"\n',
      '[penalties]\nfailures_max = 0\naddress_failures_max = 0\n',
      `[[authenticators]]\ntype = "password-file"\nfile = "${passwords}"\n`,
      `[[authorizers]]\ntype = "acl-file"\nfile = "${acl}"\n`,
    ];
    writeFileSync(this.config, toml.join(''));
  }

  async enters(username: string): Promise<number | null> {
    const client = LoginClient.on(dial(this.port));
    client.show({ username, password: PASSWORD });
    const code = await client.code();
    client.destroy();
    return code;
  }
}

const place = { passwords: '', acl: '', port: 0, otherPort: 0 };

test.each([
  ['by renames', RenamedFiles],
  ['in a volume of Kubernetes', KubernetesVolume],
] as const)(
  '%s: they count when they are right, and raise an alarm when not',
  async (_, Folder) => {
    const folder = new Folder();
    const swap = (version: string): void =>
      folder.swap({
        passwords: contentOf('passwords', version, place),
        acl: contentOf('acl', version, place),
      });
    swap('1');
    const hub = new Watched(folder.path('passwords'), folder.path('acl'));
    hub.port = await hub.server.port();
    expect(await hub.enters('passwords-1')).toBe(0);
    swap('2');
    await hub.server.line(/The configuration was reloaded/);
    expect(await Promise.all([hub.enters('passwords-1'), hub.enters('passwords-2')])).toEqual([
      0x86, 0,
    ]);
    folder.swap({ acl: 'topic my topic\n' });
    await hub.server.line(/"problem":"[^"]*acl:1: .*The configuration stays as it was/);
    await hub.server.line(/ALARM reload_failed/);
    expect(await hub.enters('passwords-2')).toBe(0);
    folder.swap({ acl: '' });
    await hub.server.line(/nothing is left; if that is meant.*The configuration stays as it was/);
    swap('3');
    await hub.server.line(/The configuration was reloaded/);
    await hub.server.line(/alarm over: reload_failed/);
    expect(await Promise.all([hub.enters('passwords-2'), hub.enters('passwords-3')])).toEqual([
      0x86, 0,
    ]);
  },
  60_000,
);

async function watched() {
  const folder = new RenamedFiles();
  const swap = (version: string): void =>
    folder.swap({ passwords: contentOf('passwords', version, place) });
  swap('1');
  folder.swap({ acl: contentOf('acl', '1', place) });
  const hub = new Watched(folder.path('passwords'), folder.path('acl'));
  hub.port = await hub.server.port();
  return { folder, hub, swap };
}

test('a configuration that is being edited, or gone, does not count when a file changes, until somebody asks', async () => {
  const { folder, hub, swap } = await watched();
  const elsewhere = `${folder.path('passwords')}-elsewhere`;
  writeFileSync(elsewhere, contentOf('passwords', '3', place));
  hub.configure(elsewhere, folder.path('acl'));
  swap('2');
  await hub.server.line(/The configuration was reloaded/);
  const all = () => Promise.all(['1', '2', '3'].map((one) => hub.enters(`passwords-${one}`)));
  expect(await all()).toEqual([0x86, 0, 0x86]);
  renameSync(hub.config, `${hub.config}.away`);
  swap('1');
  await hub.server.line(/The configuration was reloaded/);
  expect(await all()).toEqual([0, 0x86, 0x86]);
  renameSync(`${hub.config}.away`, hub.config);
  hub.server.child.kill('SIGHUP');
  await hub.server.line(/The configuration was reloaded/);
  expect(await all()).toEqual([0x86, 0x86, 0]);
}, 30_000);

test('a reload that was asked for, and failed, is made up for when a file changes', async () => {
  const { folder, hub, swap } = await watched();
  renameSync(hub.config, `${hub.config}.away`);
  hub.server.child.kill('SIGHUP');
  await hub.server.line(/there is no such file.*The configuration stays as it was/);
  await hub.server.line(/ALARM reload_failed/);
  swap('2');
  await hub.server.line(/there is no such file.*The configuration stays as it was/);
  const all = () => Promise.all(['1', '2'].map((one) => hub.enters(`passwords-${one}`)));
  expect(await all()).toEqual([0, 0x86]);
  renameSync(`${hub.config}.away`, hub.config);
  folder.swap({ acl: contentOf('acl', '2', place) });
  await hub.server.line(/alarm over: reload_failed/);
  expect(await all()).toEqual([0x86, 0]);
}, 30_000);
