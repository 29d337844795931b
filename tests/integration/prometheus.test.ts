// Prometheus itself (Debian's) with the page of a built server under traffic: promtool finds nothing to complain about, scraping
// works in the format that Prometheus asks for, and every panel of the board and every alert has something to show. The page comes by
// the control socket, which Prometheus cannot open: a door on loopback hands it on.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../cli/command.ts';
import { alertsOf, comparedBy, panelsOf } from '../kit/board.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { freePort } from '../kit/free-port.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { Authority } from '../support/certificates.ts';
import { type Hub, run, startHub, within } from './hub.ts';

const TEST_MS = 120_000;
const ALERTS = path.join(ROOT, 'deploy/prometheus/alerts.yml');
/** Between two questions to another process. */
const POLL_MS = 200;

/** A server on a store of its own, with TLS, and with clients that do what there are figures of. */
async function busyHub(data: string): Promise<Hub> {
  mkdirSync(data, { recursive: true });
  const issued = Authority.root().server();
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => path.join(data, name));
  writeFileSync(cert, issued.cert);
  writeFileSync(key, issued.key, { mode: 0o600 });
  const tls = `mqtts://127.0.0.1:0?anonymous=true&cert=${cert}&key=${key}`;
  const hub = await startHub('--data', data, '--listener', 'mqtt://127.0.0.1:0', '--listener', tls);
  const subscriber = PacketClient.tcp(hub.port);
  subscriber.sendConnect('subscriber', { properties: { sessionExpiryInterval: 60 } });
  subscriber.subscribe({ topicFilter: 'a/#', qos: 1 });
  const publisher = PacketClient.tcp(hub.port);
  publisher.sendConnect('publisher');
  const timer = setInterval(() => {
    publisher.publish('a/b', 'payload', 1, { retain: true });
    publisher.publish('nobody', 'payload', 0);
  }, 100);
  onTestFinished(() => {
    clearInterval(timer);
    for (const client of [subscriber, publisher]) client.destroy();
  });
  return hub;
}

interface Door {
  readonly address: string;
  /** Of the answers so far. */
  readonly contentTypes: ReadonlySet<string>;
}

/** Hands GET /metrics on to the control socket of that data folder. */
async function doorTo(data: string): Promise<Door> {
  const contentTypes = new Set<string>();
  const socketPath = path.join(data, 'control.sock');
  const server = http.createServer((question, answer) => {
    const { url, headers } = question;
    const accept = headers.accept ?? '';
    const inner = http.get({ socketPath, path: url, headers: { accept }, agent: false }, (said) => {
      const type = said.headers['content-type'] ?? '';
      contentTypes.add(type);
      answer.writeHead(said.statusCode ?? 500, { 'content-type': type });
      said.pipe(answer);
    });
    inner.on('error', () => answer.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, contentTypes };
}

async function pageOf({ address }: Door): Promise<string> {
  const response = await fetch(`http://${address}/metrics`);
  return response.text();
}

interface Group {
  readonly rules: readonly { readonly health: string; readonly lastError?: string }[];
}

class Prometheus {
  readonly #url: string;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/api/v1`;
  }

  /** Scrapes the door every second, by the rules for alerts. */
  static async start({ address }: Door): Promise<Prometheus> {
    const folder = temporaryFolder();
    const file = path.join(folder, 'prometheus.yml');
    const seconds = 'scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s';
    const job = `{ job_name: iothub, static_configs: [{ targets: ['${address}'] }] }`;
    writeFileSync(
      file,
      `global: { ${seconds} }\nrule_files: ['${ALERTS}']\nscrape_configs:\n  - ${job}\n`,
    );
    const port = await freePort();
    run('prometheus', [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    const prometheus = new Prometheus(port);
    await prometheus.until('is ready', () =>
      fetch(`http://127.0.0.1:${port}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return prometheus;
  }

  /** Values that an expression has now. Rejects with what is wrong with it. */
  async ask(expression: string): Promise<number> {
    const query = new URLSearchParams({ query: expression });
    const answer = (await (await fetch(`${this.#url}/query?${query}`)).json()) as {
      readonly status: string;
      readonly error?: string;
      readonly data?: { readonly result: readonly unknown[] };
    };
    if (answer.data !== undefined) return answer.data.result.length;
    throw new Error(`${expression}: ${answer.error}`);
  }

  async get(route: string): Promise<unknown> {
    const answer = (await (await fetch(`${this.#url}/${route}`)).json()) as { data: unknown };
    return answer.data;
  }

  until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const poll = async (): Promise<void> => {
      while (!(await isSo())) await delay(POLL_MS);
    };
    return within(poll(), `Prometheus ${what}`, 30_000);
  }
}

test('promtool has nothing to say against the rules, and their test passes', async () => {
  const rules = await run('promtool', ['check', 'rules', ALERTS]).finished;
  expect(rules).toMatchObject({ code: 0, stderr: '' });
  const tests = ALERTS.replace('.yml', '.test.yml');
  const tested = await run('promtool', ['test', 'rules', tests]).finished;
  expect(tested.stderr + tested.stdout).toContain('SUCCESS');
  expect(tested.code).toBe(0);
});

test(
  'promtool has nothing to say against the page',
  async () => {
    const data = path.join(temporaryFolder(), 'data');
    await busyHub(data);
    const page = await pageOf(await doorTo(data));
    expect(page).toContain('iothub_packets_total{packet="publish",direction="sent"}');
    const { code, stdout, stderr } = await run('promtool', ['check', 'metrics'], page).finished;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    // It does find something, where there is.
    const wrong = await run('promtool', ['check', 'metrics'], '# TYPE a_total gauge\na_total 1\n');
    expect((await wrong.finished).code).not.toBe(0);
  },
  TEST_MS,
);

test(
  'Prometheus scrapes it, and every panel and every alert has something to show',
  async () => {
    const data = path.join(temporaryFolder(), 'data');
    await busyHub(data);
    const door = await doorTo(data);
    const prometheus = await Prometheus.start(door);
    await prometheus.until('has scraped some times', async () => {
      return (await prometheus.ask('count_over_time(up{job="iothub"}[1m]) >= 5')) === 1;
    });
    const targets = (await prometheus.get('targets')) as {
      readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[];
    };
    expect(targets.activeTargets).toMatchObject([{ health: 'up', lastError: '' }]);
    expect([...door.contentTypes]).toEqual([
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    ]);
    const asked = [
      ...panelsOf('10s'),
      ...alertsOf().map(({ what, expression }) => ({ what, expression: comparedBy(expression) })),
    ];
    for (const { what, expression } of asked) {
      expect(await prometheus.ask(expression), `${what}: ${expression}`).toBeGreaterThan(0);
    }
    for (const { expression } of alertsOf()) await prometheus.ask(expression);
    await prometheus.until('has evaluated all rules', async () => {
      const { groups } = (await prometheus.get('rules')) as { readonly groups: readonly Group[] };
      const rules = groups.flatMap((group) => group.rules);
      expect(rules.map(({ lastError = '' }) => lastError).join('')).toBe('');
      return rules.length > 0 && rules.every(({ health }) => health === 'ok');
    });
    // Nothing fires where all is well.
    expect(await prometheus.ask('ALERTS{alertstate="firing"}')).toBe(0);
  },
  TEST_MS,
);

test('a server that is started with --no-metrics has no page, and says so', async () => {
  const data = path.join(temporaryFolder(), 'data');
  await startHub('--data', data, '--no-metrics');
  const { error } = JSON.parse(await pageOf(await doorTo(data)));
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(error.message).toContain('--no-metrics');
});
