// The metrics page: its formats, what each figure counts, and how the families are named.

import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { FAMILIES } from '../../src/admin/metrics/families.ts';
import { nameOf } from '../../src/admin/metrics/mosquitto-exporter.ts';
import { formatFor } from '../../src/admin/metrics/negotiate.ts';
import { renderPage } from '../../src/admin/metrics/page.ts';
import { DROP_REASON_NAMES, DropReason } from '../../src/core/drop.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { PacketType } from '../../src/protocol/index.ts';
import { Server } from '../../src/server/server.ts';
import { sysFigures } from '../../src/server/sys-figures.ts';
import { MemoryStorage } from '../../src/storage/memory.ts';
import { familyOf, metricsOf, readPage, samplesOf } from '../kit/metrics.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { settle } from '../kit/wire.ts';

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0';
/** What Prometheus asks for. */
const PROMETHEUS =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

let server: Server;

beforeEach(async () => {
  server = new Server({ clock: new FakeClock(), storage: new MemoryStorage() });
  await server.start();
  onTestFinished(async () => {
    server.abort();
    await server.stop();
  });
});

async function connected(clientId: string): Promise<PacketClient> {
  const client = new PacketClient(server.connect());
  client.sendConnect(clientId);
  await settle();
  return client;
}

async function family(name: string): Promise<Record<string, number>> {
  return familyOf((await readPage(metricsOf(server))).samples, name);
}

describe('the formats', () => {
  test.each([
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    [OPENMETRICS, 'openmetrics'],
    [PROMETHEUS, 'openmetrics'],
    ['APPLICATION/OpenMetrics-Text', 'openmetrics'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=0.4, text/plain;q=0.5', 'text'],
    ['application/openmetrics-text; q=0.5, text/plain; q=0.5', 'openmetrics'],
    ['application/openmetrics-text;q=2', 'text'],
    ['application/openmetrics-textual', 'text'],
    [';;,q=,', 'text'],
  ])('who accepts “%s” gets %s', (accept, format) => {
    expect(formatFor(accept)).toBe(format);
  });

  test('text is the default: version 0.0.4, a family after the other', async () => {
    const { contentType, text } = await readPage(metricsOf(server));
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toMatch(/^# HELP iothub_bytes_total /m);
    expect(text).toMatch(/^# TYPE iothub_bytes_total counter$/m);
    expect(text.endsWith('\n')).toBe(true);
  });

  test('OpenMetrics names a counter without _total, its samples with it, and ends with # EOF', async () => {
    const { contentType, text, samples } = await readPage(metricsOf(server), OPENMETRICS);
    expect(contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(text).toMatch(/^# TYPE iothub_bytes counter$/m);
    expect(samples.has('iothub_bytes_total{direction="sent"}')).toBe(true);
    expect(text.endsWith('\n# EOF\n')).toBe(true);
  });

  test('pages of both formats that are asked for at once do not touch each other', async () => {
    const control = metricsOf(server);
    const pages = await Promise.all(
      ['', OPENMETRICS, '', OPENMETRICS].map((accept) => readPage(control, accept)),
    );
    const keys = pages.map(({ samples }) => [...samples.keys()]);
    for (const other of keys) expect(other).toEqual(keys[0]);
    expect(pages[0].text).toMatch(/^# TYPE iothub_bytes_total counter$/m);
  });
});

describe('the families', () => {
  test.each(FAMILIES)(
    '$name is named by the rules of Prometheus',
    ({ name, type, labels, help }) => {
      expect(name).toMatch(/^(iothub|process|nodejs)_[a-z0-9_]+[a-z0-9]$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(name).not.toMatch(/_(ms|milliseconds|count|sum|bucket)(_total)?$/);
      expect(help).toMatch(/^[A-Z].+\.$/s);
      expect(help).not.toContain('\n');
      const bounded = ['reason', 'qos', 'packet', 'direction', 'listener', 'state', 'kind'];
      const more = ['purpose', 'severity', 'alarm', 'version', 'node'];
      for (const label of labels) expect([...bounded, ...more]).toContain(label);
    },
  );

  test('are different', () => {
    const names = FAMILIES.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  test('have the labels that they say, on every sample', async () => {
    const { text } = await readPage(metricsOf(server));
    for (const { name, labels, type } of FAMILIES) {
      const suffix = type === 'histogram' ? '_bucket' : '';
      const said = type === 'histogram' ? [...labels, 'le'] : labels;
      for (const key of Object.keys(familyOf(samplesOf(text), name + suffix))) {
        const found = [...key.matchAll(/(\w+)="/g)].map(([, label]) => label);
        expect(found.sort(), name).toEqual([...said].sort());
      }
    }
  });

  test('count the same twice when nothing happens', async () => {
    await connected('a');
    const control = metricsOf(server);
    const ours = async () =>
      [...(await readPage(control)).samples].filter(([key]) => key.startsWith('iothub_'));
    expect(await ours()).toEqual(await ours());
  });

  test('know every reason for a lost message before one is lost', async () => {
    const reasons = Object.fromEntries(DROP_REASON_NAMES.map((name) => [`{reason="${name}"}`, 0]));
    expect(await family('iothub_dropped_messages_total')).toEqual(reasons);
  });
});

describe('the figures', () => {
  test('are those of the wire: packets, PUBLISH by QoS, bytes', async () => {
    const a = await connected('a');
    a.subscribe({ topicFilter: 't', qos: 2 });
    await settle();
    a.publish('t', 'x', 0);
    a.publish('t', 'x', 1);
    a.send({ type: PacketType.Pingreq });
    await settle();
    const { samples } = await readPage(metricsOf(server));
    const packets = familyOf(samples, 'iothub_packets_total');
    const some = Object.entries(packets).filter(([, count]) => count > 0);
    expect(Object.fromEntries(some)).toEqual({
      '{packet="connect",direction="received"}': 1,
      '{packet="connack",direction="sent"}': 1,
      '{packet="subscribe",direction="received"}': 1,
      '{packet="suback",direction="sent"}': 1,
      '{packet="publish",direction="received"}': 2,
      '{packet="publish",direction="sent"}': 2,
      '{packet="puback",direction="sent"}': 1,
      '{packet="pingreq",direction="received"}': 1,
      '{packet="pingresp",direction="sent"}': 1,
    });
    expect(familyOf(samples, 'iothub_publish_messages_total')).toEqual({
      '{qos="0",direction="received"}': 1,
      '{qos="1",direction="received"}': 1,
      '{qos="2",direction="received"}': 0,
      '{qos="0",direction="sent"}': 1,
      '{qos="1",direction="sent"}': 1,
      '{qos="2",direction="sent"}': 0,
    });
    expect(samples.get('iothub_inflight_messages')).toBe(1);
    const { bytesReceived, bytesSent } = server.metrics;
    expect(familyOf(samples, 'iothub_bytes_total')).toEqual({
      '{direction="received"}': bytesReceived,
      '{direction="sent"}': bytesSent,
    });
  });

  test('tell connections by listener and state, subscriptions by kind', async () => {
    const a = await connected('a');
    a.subscribe('t');
    a.subscribe('$share/g/t');
    new PacketClient(server.connect());
    await settle();
    expect(await family('iothub_connections')).toEqual({
      '{listener="memory",state="connected"}': 1,
      '{listener="memory",state="half_connected"}': 1,
    });
    expect(await family('iothub_subscriptions')).toEqual({
      '{kind="plain"}': 1,
      '{kind="shared"}': 1,
    });
    expect((await family('iothub_connections_opened_total'))['']).toBe(2);
  });

  test('a listener has a series before anybody comes', async () => {
    const other = new Server({ listeners: [{ protocol: 'mqtt', host: '127.0.0.1', port: 0 }] });
    await other.start();
    onTestFinished(() => other.stop());
    const [{ url }] = other.addresses;
    const { samples } = await readPage(metricsOf(other));
    expect(familyOf(samples, 'iothub_connections')).toEqual({
      [`{listener="${url}",state="connected"}`]: 0,
      [`{listener="${url}",state="half_connected"}`]: 0,
    });
    expect(familyOf(samples, 'iothub_certificate_expiry_timestamp_seconds')).toEqual({});
  });

  test('limits that refuse connections have a series before they do', async () => {
    expect(await family('iothub_connections_refused_total')).toMatchObject({
      '{reason="connections"}': 0,
      '{reason="open-files"}': 0,
    });
  });

  test('alarms are there by name while they are up', async () => {
    expect(await family('iothub_alarm_active')).toEqual({});
    server.alarms.raise('store_failing', 'critical', 'm');
    expect(await family('iothub_alarm_active')).toEqual({
      '{alarm="store_failing",severity="critical"}': 1,
    });
    expect(await family('iothub_alarms')).toEqual({
      '{severity="warning"}': 0,
      '{severity="critical"}': 1,
    });
    server.alarms.clear('store_failing');
    expect(await family('iothub_alarm_active')).toEqual({});
  });

  test('a histogram counts in every bucket what is in those below it', async () => {
    const { commitDurations } = server.metrics;
    for (const seconds of [0.000_4, 0.003, 0.003, 60]) commitDurations.observe(seconds);
    const before = server.metrics.commits;
    const { samples } = await readPage(metricsOf(server));
    const count = samples.get('iothub_commit_duration_seconds_count') ?? 0;
    expect(count).toBe(4 + before);
    const buckets = familyOf(samples, 'iothub_commit_duration_seconds_bucket');
    expect(buckets['{le="10"}']).toBe(count - 1);
    expect(buckets['{le="+Inf"}']).toBe(count);
    expect(buckets['{le="0.005"}'] - buckets['{le="0.0025"}']).toBe(2);
    const counts = Object.values(buckets);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
  });

  test('a commit is counted with the time that it took', async () => {
    const client = new PacketClient(server.connect());
    client.sendConnect('d', { cleanStart: false, properties: { sessionExpiryInterval: 60 } });
    await settle();
    const { samples } = await readPage(metricsOf(server));
    const commits = samples.get('iothub_commits_total');
    expect(commits).toBeGreaterThan(0);
    expect(samples.get('iothub_commit_duration_seconds_count')).toBe(commits);
  });

  test('memory is told by what it is for', async () => {
    const a = await connected('a');
    a.publish('topic', 'payload', 0, { retain: true });
    a.subscribe('x');
    await settle();
    a.write(Uint8Array.of(0x30, 0x20, 0x00)); // the beginning of a packet of 34 bytes
    await settle();
    const memory = await family('iothub_memory_bytes');
    expect(memory['{purpose="retained"}']).toBe(2 + 'topic'.length + 'payload'.length);
    expect(memory['{purpose="connections"}']).toBe(32); // room for its body
    expect(memory['{purpose="router"}']).toBeGreaterThan(0);
    expect(memory['{purpose="queues"}']).toBe(0);
  });

  test('the process has its own, and no family that is not known there', async () => {
    const { samples } = await readPage(metricsOf(server));
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(samples.get('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(samples.get('nodejs_eventloop_lag_max_seconds')).toBeGreaterThanOrEqual(0);
    expect(samples.get(`iothub_build_info{version="1.2.3",node="${process.version}"}`)).toBe(1);
  });
});

describe('names of others', () => {
  const ALIASES = /^(broker|emqx)_/;

  test('are not there unless they are wished', async () => {
    const { samples } = await readPage(metricsOf(server));
    expect([...samples.keys()].filter((key) => ALIASES.test(key))).toEqual([]);
  });

  test('mosquitto-exporter: those of its boards', async () => {
    await connected('a');
    const { samples } = await readPage(metricsOf(server, ['mosquitto-exporter']));
    expect(samples.get('broker_clients_connected')).toBe(1);
    expect(samples.get('broker_messages_received')).toBe(1);
    expect(samples.get('broker_bytes_received')).toBe(server.metrics.bytesReceived);
    expect(samples.get('broker_uptime')).toBeGreaterThan(0);
  });

  test('mosquitto-exporter: every figure of $SYS, as $SYS has it', async () => {
    const clock = new FakeClock();
    const other = new Server({ clock, sys: { intervalMs: 10_000, version: '1.2.3' } });
    await other.start();
    onTestFinished(() => other.stop());
    const away = new PacketClient(other.connect());
    away.sendConnect('a', { properties: { sessionExpiryInterval: 60 } });
    away.subscribe({ topicFilter: 'a', qos: 1 });
    await settle();
    away.destroy();
    const client = new PacketClient(other.connect());
    client.sendConnect('b');
    client.publish('a', 'queued, and kept', 1, { retain: true });
    await settle();
    other.drops.counts[DropReason.Overload]++;
    clock.advance(10_000);
    await settle();
    const { samples } = await readPage(metricsOf(other, ['mosquitto-exporter']));
    expect(samples.get('broker_publish_messages_dropped')).toBe(1);
    const said = (await other.figures()).sys;
    expect(Object.keys(said)).toHaveLength(sysFigures().length);
    for (const [topic, value] of Object.entries(said)) {
      if (topic === 'version') continue;
      const found = samples.get(nameOf(topic));
      if (/^(uptime|heap)/.test(topic)) expect(found, topic).toBeGreaterThan(0);
      else expect(found, topic).toBe(Number(value));
    }
    expect(samples.get('broker_store_messages_count')).toBe(2);
    expect(samples.get('broker_load_connections_1min')).toBeGreaterThan(0);
  });

  test('mosquitto-exporter: averages are not there where $SYS makes none', async () => {
    const { samples } = await readPage(metricsOf(server, ['mosquitto-exporter']));
    expect([...samples.keys()].filter((key) => key.startsWith('broker_load'))).toEqual([]);
    expect(samples.get('broker_store_messages_bytes')).toBe(0);
  });

  test('what an overloaded server does not keep for slow clients is dropped, to every name', async () => {
    server.drops.counts[DropReason.Overload] += 3;
    const { samples } = await readPage(metricsOf(server, ['mosquitto-exporter', 'emqx']));
    expect(samples.get('broker_publish_messages_dropped')).toBe(3);
    expect(samples.get('emqx_delivery_dropped')).toBe(3);
    expect(samples.get('emqx_delivery_dropped_qos0_msg')).toBe(3);
  });

  test('EMQX: those of its boards', async () => {
    const a = await connected('a');
    a.publish('nobody', 'x', 0);
    await settle();
    const { samples } = await readPage(metricsOf(server, ['emqx']));
    expect(samples.get('emqx_connections_count')).toBe(1);
    expect(samples.get('emqx_packets_connect')).toBe(1);
    expect(samples.get('emqx_packets_publish_received')).toBe(1);
    expect(samples.get('emqx_messages_qos0_received')).toBe(1);
    expect(samples.get('emqx_messages_dropped_no_subscribers')).toBe(1);
    expect(samples.get('emqx_client_disconnected')).toBe(0);
    a.destroy();
    await settle();
    const after = await readPage(metricsOf(server, ['emqx']));
    expect(after.samples.get('emqx_client_disconnected')).toBe(1);
  });

  test('are there once, however often they are wished', async () => {
    const { samples } = await readPage(metricsOf(server, ['emqx', 'emqx']));
    expect(samples.get('emqx_connections_count')).toBe(0);
  });

  test('keep their names in OpenMetrics', async () => {
    const control = metricsOf(server, ['mosquitto-exporter', 'emqx']);
    const [text, openMetrics] = await Promise.all([
      renderPage(control, ''),
      renderPage(control, OPENMETRICS),
    ]);
    expect(namesOf(openMetrics.text)).toEqual(namesOf(text.text));
  });

  function namesOf(text: string): string[] {
    return [...samplesOf(text).keys()].filter((key) => ALIASES.test(key));
  }
});
