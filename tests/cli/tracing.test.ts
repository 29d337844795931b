// OpenTelemetry traces of a server that runs as people run it: on, off and over by a reload, the last spans at a stop, and no
// secret in anything it says.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { freePort } from '../kit/free-port.ts';
import { OtlpCollector } from '../kit/otlp-collector.ts';
import { SecureClient } from '../kit/secure-server.ts';
import { until } from '../kit/until.ts';
import { RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

class Hub {
  readonly folder = temporaryFolder();
  readonly data = temporaryFolder();
  readonly file = path.join(this.folder, 'iothub.toml');
  readonly server: RunningServer;
  readonly #listener: string;

  constructor(port: number, tracing: string) {
    // A machine that is busy with other tests is no reason to refuse clients.
    this.#listener = `[limits]\nloop_lag_max = 0\n[[listeners]]\nurl = "mqtt://127.0.0.1:${port}"\n`;
    this.#write(tracing);
    this.server = new RunningServer({ isPlaced: true }, '--config', this.file, '--data', this.data);
    onTestFinished(() => this.server.kill());
  }

  async reload(tracing: string): Promise<void> {
    this.#write(tracing);
    this.server.child.kill('SIGHUP');
    await this.server.line(/The configuration was reloaded/);
  }

  #write(tracing: string): void {
    writeFileSync(this.file, `${this.#listener}${tracing}`, { mode: 0o600 });
  }
}

const topics = (collector: OtlpCollector): unknown[] =>
  collector.spans.map(({ attributes }) => attributes['messaging.destination.name']);

async function publish(publisher: SecureClient, topicName: string): Promise<void> {
  publisher.publish(topicName, '1', 1);
  await publisher.next(PacketType.Puback);
}

test('a reload switches it on, over and off; a stop sends what is left', async () => {
  const collector = await OtlpCollector.start();
  const section = (filter: string): string => `
[tracing]
endpoint = "${collector.url}?key=k3y"
topics = ["${filter}"]
[tracing.headers]
authorization = "Bearer s3cret"
`;
  const port = await freePort();
  const hub = new Hub(port, '');
  await hub.server.port();
  const publisher = await SecureClient.plain(port, 'p');
  await publish(publisher, 'a');
  await hub.reload(section('b'));
  await publish(publisher, 'a');
  await publish(publisher, 'b');
  await until(() => collector.endpoint.asked.length === 1);
  expect(collector.endpoint.asked[0].headers.authorization).toBe('Bearer s3cret');
  await hub.reload(section('c'));
  await publish(publisher, 'b');
  await publish(publisher, 'c');
  const printed = await inProcess('config', 'print', '--live', '--data', hub.data);
  expect(printed.stdout).toContain('tracing.headers.authorization');
  expect(printed.stdout).toContain(`tracing.endpoint = "${collector.url}?…"`);
  await hub.reload('');
  await publish(publisher, 'c');
  await hub.reload(section('d'));
  await publish(publisher, 'd');
  hub.server.child.kill('SIGTERM');
  expect(await hub.server.exit).toBe(0);
  expect(topics(collector)).toEqual(['b', 'c', 'd']);
  expect(printed.stdout + hub.server.lines.join('\n')).not.toMatch(/s3cret|k3y/);
}, 60_000);
