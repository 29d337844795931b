// Which servers the command line means, and how clients reach them.

import fs from 'node:fs';
import { UsageError } from './errors.mjs';
import { hasFrames, hasTls } from './wire.mjs';

/** When a URL names no port: those of the WebSocket are fixed by the standard for URLs. */
const DEFAULT_PORTS = { mqtt: 1_883, mqtts: 8_883, ws: 80, wss: 443 };
const TRANSPORTS = Object.keys(DEFAULT_PORTS);
const FRAMES = ['message', 'batch'];

export const WHERE_OPTIONS = {
  url: { type: 'string' },
  pid: { type: 'string', multiple: true },
  remote: { type: 'boolean' },
  transport: { type: 'string' },
  against: { type: 'string', multiple: true },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  username: { type: 'string' },
  password: { type: 'string' },
  insecure: { type: 'boolean' },
  frames: { type: 'string' },
  resume: { type: 'boolean' },
};

/**
 * @typedef {object} Where
 * @property {import('./wire.mjs').Place | null} url a server that runs already
 * @property {number[]} pids of it
 * @property {('mqtt' | 'mqtts' | 'ws' | 'wss')[]} transports of servers that are started here
 * @property {import('./target.mjs').Contestant[]} against what else is started
 * @property {{ ca: string[], isInsecure: boolean, frames: 'message' | 'batch' }} reach how those are reached
 */

/** @param {Record<string, any>} values @param {number[]} pids @returns {Where} */
export function whereOf(values, pids) {
  const { url, remote = false, against = [], frames = 'message' } = values;
  if (!FRAMES.includes(frames)) {
    throw new UsageError(`--frames is ${JSON.stringify(frames)}, but has to be message or batch.`);
  }
  const trust = trustOf(values);
  const login = loginOf(values);
  const reach = { ca: trust.ca, isInsecure: trust.isInsecure, frames };
  if (url === undefined) {
    if (pids.length > 0) {
      throw new UsageError(
        '--pid says whose CPU to read, so it needs --url, which says whom to load.',
      );
    }
    const transports = transportsOf(values.transport ?? 'mqtt');
    checkTransports(values, transports);
    return { url: null, pids, transports, against: contestantsOf(against), reach };
  }
  for (const name of ['transport', 'against']) {
    if (values[name] !== undefined) {
      throw new UsageError(
        `--${name} is about servers that are started here, and --url names one that runs: give one of them.`,
      );
    }
  }
  const place = placeOf(url);
  if (place === null) {
    throw new UsageError(
      `--url is ${JSON.stringify(url)}, but has to be like mqtt://127.0.0.1:1883, mqtts://localhost:8883 or ws://127.0.0.1:8083/mqtt.`,
    );
  }
  if (!remote && !isLoopback(place.host)) {
    throw new UsageError(
      `--url names ${place.host}, which is not this machine: a load test can harm a server. Give --remote if it is yours to load.`,
    );
  }
  checkTransports(values, [place.protocol]);
  return {
    url: { ...place, trust, frames, login },
    pids,
    transports: [place.protocol],
    against: [],
    reach,
  };
}

function placeOf(text) {
  if (!URL.canParse(text)) return null;
  const { protocol: scheme, hostname, port, pathname, search, username } = new URL(text);
  const protocol = scheme.slice(0, -1);
  if (!TRANSPORTS.includes(protocol) || hostname === '' || username !== '') return null;
  const isBare = (pathname === '' || pathname === '/') && search === '';
  if (!isBare && !hasFrames(protocol)) return null;
  const host = hostname.replace(/^\[|\]$/g, '');
  const number = port === '' ? DEFAULT_PORTS[protocol] : Number(port);
  return { protocol, host, port: number, path: `${pathname}${search}` };
}

function isLoopback(host) {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function transportsOf(text) {
  const transports = text.split(',');
  const unknown = transports.find((one) => !TRANSPORTS.includes(one));
  if (unknown === undefined && new Set(transports).size === transports.length) return transports;
  throw new UsageError(
    `--transport is ${JSON.stringify(text)}, but has to be one of ${TRANSPORTS.join(', ')}, or several with commas between, each once.`,
  );
}

/** Options that none of the transports has a use for are mistakes. */
function checkTransports(values, transports) {
  const tlsOptions = ['ca', 'cert', 'key', 'insecure', 'resume'];
  const idle = [
    ...(transports.some(hasTls) ? [] : tlsOptions.map((name) => [name, 'TLS: mqtts or wss'])),
    ...(transports.some(hasFrames) ? [] : [['frames', 'WebSockets: ws or wss']]),
  ].find(([name]) => values[name] !== undefined);
  if (idle === undefined) return;
  const [name, wanted] = idle;
  throw new UsageError(`--${name} is about ${wanted}, and nothing here is loaded by one.`);
}

function trustOf({ url, ca, cert, key, insecure = false }) {
  if ((cert === undefined) !== (key === undefined)) {
    const [has, lacks] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    throw new UsageError(`--${has} needs --${lacks}: together they say who the clients are.`);
  }
  if (cert !== undefined && url === undefined) {
    throw new UsageError(
      '--cert and --key say who the clients are, which a server of --url may ask; one that is started here does not.',
    );
  }
  return {
    ca: ca === undefined ? [] : [readPem('ca', ca)],
    cert: cert === undefined ? null : readPem('cert', cert),
    key: key === undefined ? null : readPem('key', key),
    isInsecure: insecure,
  };
}

function loginOf({ url, username, password }) {
  if (username === undefined && password === undefined) return null;
  if (username === undefined || password === undefined) {
    throw new UsageError(
      '--username and --password belong together: they say who the clients are.',
    );
  }
  if (url === undefined) {
    throw new UsageError(
      '--username and --password say who the clients are, which a server of --url may ask; one that is started here does not.',
    );
  }
  return { kind: 'password', username, password };
}

function readPem(name, file) {
  try {
    const text = fs.readFileSync(file, 'utf8');
    if (text.includes('-----BEGIN ')) return text;
  } catch (error) {
    throw new UsageError(`--${name} cannot be read: ${error.message}.`);
  }
  throw new UsageError(`--${name} is ${file}, which is no PEM file: it has no line -----BEGIN.`);
}

function contestantsOf(against) {
  const contestants = against.map((text) => {
    const [, name, command] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (command?.includes('{port}')) return { name: name.trim(), command };
    throw new UsageError(
      `--against is ${JSON.stringify(text)}, but has to be like 'Mosquitto=/usr/sbin/mosquitto -p {port}': a name, and what starts that server on a port.`,
    );
  });
  const names = ['IoTHub', ...contestants.map(({ name }) => name)];
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return contestants;
  throw new UsageError(
    `There are two servers with the name ${twice}; give each --against another.`,
  );
}
