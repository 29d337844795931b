// What SIGHUP and new certificate files do to a server that runs as people run it.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type DisconnectPacket, PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { freePort } from '../kit/free-port.ts';
import { Load, LoadClient } from '../kit/load.ts';
import { CA, dial, dialSecure, expectServed, SecureClient, shown } from '../kit/secure-server.ts';
import { KubernetesVolume, RenamedFiles, type SwappedFolder } from '../kit/swapped-folder.ts';
import { until } from '../kit/until.ts';
import type { Issued } from '../support/certificates.ts';
import { RunningServer } from './command.ts';

const CLIENTS = 10;

/** A server with a configuration file, which may be written again. */
class Configured {
  readonly file = path.join(temporaryFolder(), 'iothub.toml');
  readonly server: RunningServer;

  constructor(toml: string) {
    this.write(toml);
    this.server = new RunningServer({ isPlaced: true }, '--config', this.file);
    onTestFinished(() => this.server.kill());
  }

  write(toml: string): void {
    writeFileSync(this.file, toml);
  }

  /** Reads the log up to a line like that, as its fields. */
  async line(pattern: RegExp): Promise<Record<string, unknown>> {
    return JSON.parse((await this.server.line(pattern)).input) as Record<string, unknown>;
  }

  /** Asks for a reload, and waits until it is done. */
  async reload(toml?: string): Promise<Record<string, unknown>> {
    if (toml !== undefined) this.write(toml);
    this.server.child.kill('SIGHUP');
    return await this.line(/The configuration was reloaded/);
  }

  /** The same for one that fails, with that problem. */
  async reloadInVain(toml: string, problem: string): Promise<void> {
    this.write(toml);
    this.server.child.kill('SIGHUP');
    for (;;) {
      const line = await this.line(/The configuration stays as it was/);
      expect(line.level).toBe('error');
      if (String(line.problem).includes(problem)) return;
    }
  }
}

function listener(url: string, more = ''): string {
  return `[[listeners]]\nurl = "${url}"\n${more}\n`;
}

async function knock(port: number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

async function pair(port: number): Promise<() => Promise<void>> {
  const publisher = await SecureClient.plain(port, 'publisher');
  const subscriber = await (await SecureClient.plain(port, 'subscriber')).subscribed('served');
  return async () => {
    await expectServed(publisher, subscriber);
    expect([publisher.hasEnded, subscriber.hasEnded]).toEqual([false, false]);
  };
}

describe('SIGHUP', () => {
  test('adds, changes and removes listeners; the clients of those that stay notice nothing', async () => {
    const [first, second, third] = [await freePort(), await freePort(), await freePort()];
    const A = listener(`mqtt://127.0.0.1:${first}`);
    const B = listener(`mqtt://127.0.0.1:${second}`);
    const hub = new Configured(A + B);
    await hub.server.port();
    await hub.server.port();
    const goOn = await pair(first);
    const leaving = await SecureClient.plain(second, 'leaving');
    const C = listener(`mqtt://127.0.0.1:${third}`);
    const changed = listener(`mqtt://127.0.0.1:${first}`, 'connections_max = 3');
    expect(await hub.reload(changed + C)).toMatchObject({
      added: [`mqtt://127.0.0.1:${third}`],
      changed: [`mqtt://127.0.0.1:${first}`],
      removed: [`mqtt://127.0.0.1:${second}`],
    });
    const packet = (await leaving.next(PacketType.Disconnect)) as DisconnectPacket;
    expect(packet.reasonCode).toBe(0x98);
    await until(() => leaving.isClosed);
    await expect(knock(second)).rejects.toThrow('ECONNREFUSED');
    await SecureClient.plain(third, 'newcomer');
    await SecureClient.plain(first, 'third-of-first');
    const tooMany = new SecureClient(dial(first));
    await until(() => tooMany.isClosed);
    await goOn();
  });

  test('with a broken file changes nothing and says what is wrong; a good one counts again', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const A = listener(`mqtt://127.0.0.1:${first}`);
    const hub = new Configured(A);
    await hub.server.port();
    const goOn = await pair(first);
    const B = `mqtt://127.0.0.1:${second}`;
    await hub.reloadInVain(`${A}[[[`, 'iothub.toml');
    await hub.reloadInVain(listener(B, 'conections_max = 3'), 'connections_max');
    await hub.reloadInVain(A + listener(B.replace('mqtt', 'mqtts')), 'cert');
    const missing = `[listeners.tls]\ncert = "/nowhere/tls.crt"\nkey = "/nowhere/tls.key"`;
    await hub.reloadInVain(A + listener(B.replace('mqtt', 'mqtts'), missing), '/nowhere/tls.key');
    const other = net.createServer().listen(second, '127.0.0.1');
    await once(other, 'listening');
    await hub.reloadInVain(A + listener(B), `Port ${second} on 127.0.0.1 is in use: stop`);
    other.close();
    await once(other, 'close');
    await goOn();
    expect(await hub.reload(A + listener(B))).toMatchObject({
      added: [B],
      changed: [],
      removed: [],
    });
    await knock(second);
    await goOn();
  });

  test('says which parts count only after a restart, until they are as they were', async () => {
    const A = listener(`mqtt://127.0.0.1:${await freePort()}`);
    const hub = new Configured(A);
    await hub.server.port();
    await hub.reload(`${A}[limits]\nsessions_max = 10\n`);
    expect(await hub.line(/counts only after a restart/)).toMatchObject({
      level: 'warn',
      changed: ['limits'],
    });
    await hub.reload(`${A}[limits]\nsessions_max = 10\n[log]\nlevel = "debug"\n`);
    expect(await hub.line(/counts only after a restart/)).toMatchObject({
      changed: ['limits'],
    });
    await hub.reload(A);
    hub.server.child.kill('SIGTERM');
    const before = hub.server.lines.length;
    await hub.server.line(/Stopped/);
    expect(hub.server.lines.slice(before).join('\n')).not.toContain('restart');
  });

  test('twice quickly: what the file says last counts', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const A = listener(`mqtt://127.0.0.1:${first}`);
    const hub = new Configured(A);
    await hub.server.port();
    const goOn = await pair(first);
    for (const toml of [A + listener(`mqtt://127.0.0.1:${second}`), A]) {
      hub.write(toml);
      hub.server.child.kill('SIGHUP');
      hub.server.child.kill('SIGHUP');
    }
    hub.write(A + listener(`mqtt://127.0.0.1:${second}`));
    await hub.reload();
    await goOn();
    for (;;) {
      // Signals that come while one waits are one: it is the last reload that tells.
      const { added, removed } = await hub.reload();
      if ([added, removed].flat().length === 0) break;
    }
    await knock(second);
    await goOn();
  });

  test('of a file that is empty, or being written, changes nothing', async () => {
    const port = await freePort();
    const hub = new Configured(listener(`mqtt://127.0.0.1:${port}`));
    await hub.server.port();
    const goOn = await pair(port);
    await hub.reloadInVain('', 'is empty');
    hub.write('');
    hub.server.child.kill('SIGHUP');
    hub.write(listener(`mqtt://127.0.0.1:${port}`));
    expect(await hub.line(/The configuration was reloaded/)).toMatchObject({ removed: [] });
    await goOn();
  });

  test('while it stops is too late, and harms nobody', async () => {
    const hub = new Configured(listener(`mqtt://127.0.0.1:${await freePort()}`));
    await hub.server.port();
    hub.server.child.kill('SIGSTOP');
    hub.server.child.kill('SIGTERM');
    hub.server.child.kill('SIGHUP');
    hub.server.child.kill('SIGCONT');
    expect(await hub.server.exit).toBe(0);
  });
});

describe('new certificate files', () => {
  function named(commonName: string): Issued {
    return CA.server({ commonName, dns: ['localhost'], ip: ['127.0.0.1'] });
  }

  async function shownBy(port: number): Promise<unknown> {
    const socket = dialSecure(port);
    await once(socket, 'secureConnect');
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  }

  function swap(folder: SwappedFolder, { cert, key }: Issued): void {
    folder.swap({ 'tls.crt': cert, 'tls.key': key });
  }

  test.each([
    ['by renames', RenamedFiles],
    ['in a volume of Kubernetes', KubernetesVolume],
  ] as const)(
    '%s count without a signal, or at once with one; broken ones are an alarm',
    async (_, Folder) => {
      const folder = new Folder();
      swap(folder, named('first'));
      const tls = `[listeners.tls]\ncert = "${folder.path('tls.crt')}"\nkey = "${folder.path('tls.key')}"`;
      const hub = new Configured(listener('mqtts://127.0.0.1:0', tls));
      const port = await hub.server.port();
      const load = await Load.begin(CLIENTS, () => new LoadClient(dialSecure(port)));

      swap(folder, named('second'));
      await hub.reload();
      expect(await shownBy(port)).toBe('second');
      swap(folder, named('third'));
      await hub.line(/"subject":"CN=third".*TLS certificate reloaded/);
      expect(await shownBy(port)).toBe('third');
      await load.goesOn();

      folder.swap({ 'tls.crt': named('fourth').cert });
      hub.server.child.kill('SIGHUP');
      expect(await hub.line(/ALARM tls_reload_failed/)).toMatchObject({ level: 'warn' });
      expect(await shownBy(port)).toBe('third');
      swap(folder, named('fifth'));
      await hub.line(/alarm over: tls_reload_failed/);
      await hub.line(/"subject":"CN=fifth".*TLS certificate reloaded/);
      expect(await shownBy(port)).toBe('fifth');
      await load.goesOn();
      await load.end();
    },
  );

  test('and a list that revokes a client end it by SIGHUP', async () => {
    const folder = new RenamedFiles();
    const stolen = CA.client({ commonName: 'stolen' });
    const known = CA.client({ commonName: 'known' });
    swap(folder, named('server'));
    folder.swap({ 'ca.crt': CA.issued.cert, 'ca.crl': CA.crl() });
    const keys = ['cert = "tls.crt"', 'key = "tls.key"', 'ca = "ca.crt"', 'crl = "ca.crl"'].map(
      (line) => line.replace(/"(.*)"/, (_, name: string) => `"${folder.path(name)}"`),
    );
    const tls = ['[listeners.tls]', ...keys, 'client_certificate = "required"'].join('\n');
    const hub = new Configured(listener('mqtts://127.0.0.1:0', tls));
    const port = await hub.server.port();
    const publisher = await SecureClient.over(port, 'publisher', shown(known));
    const subscriber = await SecureClient.over(port, 'subscriber', shown(known));
    await subscriber.subscribed('served');
    const thief = await SecureClient.over(port, 'thief', shown(stolen));
    folder.swap({ 'ca.crl': CA.crl({ revoked: [stolen], number: 2 }) });
    hub.server.child.kill('SIGHUP');
    expect(await thief.next(PacketType.Disconnect)).toMatchObject({ reasonCode: 0x87 });
    expect(await hub.line(/a client is ended/)).toMatchObject({ subject: 'CN=stolen' });
    await until(() => thief.isClosed);
    await expectServed(publisher, subscriber);
  });
});
