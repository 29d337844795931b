// The servers that the scenario `observed` compares: one that nothing can be seen of, and what it costs to see something. What is
// switched off is the ledger of lost messages, the page of metrics, `$SYS` and the admin API; plain counters are always there.

import fs from 'node:fs';
import path from 'node:path';
import { freePort } from '../lib/processes.mjs';
import { TargetError } from './errors.mjs';

const TOKEN = 'a-token-of-the-benchmark-and-nobody-else';
const SCRAPE_MS = 1_000;
/** Whom the trace is about: no client of the load. */
const NOBODY = 'nobody';
const TRACE_MINUTES = 10;

/** Where the admin API of a server is, by its folder. @type {Map<string, string>} */
const urls = new Map();

/** A loopback port that nobody listens on, nor will. */
async function otherPort(taken) {
  for (;;) {
    const port = await freePort();
    if (port !== taken) return port;
  }
}

/** The admin API on a port of its own. @param {string} folder @param {{ port: number }} options where it serves MQTT */
async function withAdmin(folder, { port }) {
  const file = path.join(folder, 'token');
  fs.writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
  const url = `http://127.0.0.1:${await otherPort(port)}`;
  urls.set(folder, url);
  return ['[admin]', `url = "${url}"`, `token_file = ${JSON.stringify(file)}`];
}

async function ask(folder, route, { signal, ...rest }) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(`${urls.get(folder)}${route}`, { ...rest, headers, signal });
  if (response.ok) return response;
  throw new TargetError(`${route} answered ${response.status}: ${await response.text()}`);
}

/** Prometheus, more often than it asks by default. @param {string} folder */
async function scrape(folder) {
  const ending = new AbortController();
  const once = async () => {
    const page = await ask(folder, '/metrics', { signal: ending.signal });
    await page.text();
  };
  await once();
  const timer = setInterval(() => once().catch(() => ending.abort()), SCRAPE_MS);
  return () => {
    clearInterval(timer);
    if (ending.signal.aborted) throw new TargetError('a scrape of /metrics failed meanwhile');
    ending.abort();
  };
}

/** @param {string} folder */
async function traceNobody(folder) {
  const ending = new AbortController();
  const body = JSON.stringify({ clientId: NOBODY, forMs: TRACE_MINUTES * 60_000 });
  const { signal } = ending;
  const response = await ask(folder, '/api/v1/trace', { method: 'POST', body, signal });
  const reader = response.body.getReader();
  const { done } = await reader.read();
  if (done) throw new TargetError('the trace ended at once');
  return () => ending.abort();
}

const ON = { admin: true, configure: withAdmin };

/** @type {import('./target.mjs').Contestant[]} */
export const OBSERVED_VARIANTS = [
  {
    name: 'nothing',
    flags: ['--no-ledger', '--no-metrics'],
    configure: () => ['[sys]', 'interval = "0s"'],
  },
  { name: 'all by default', ...ON },
  { name: 'and scraped each second', ...ON, observe: scrape },
  { name: 'and a trace of nobody', ...ON, observe: traceNobody },
];
