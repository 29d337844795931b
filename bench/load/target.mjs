// The server that is measured: one that runs already, one that a command starts, or IoTHub, built, in a process of its own, with a
// store in memory and bounds so wide that it drops nothing (what happens at the bounds is what the scenario `slow` shows).

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server } from '../lib/processes.mjs';
import { throwAwayCertificate } from './certificate.mjs';
import { Connection } from './connection.mjs';
import { TargetError } from './errors.mjs';
import { hasFrames } from './wire.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const HOST = '127.0.0.1';
const PATH = '/mqtt';
const CONFIG = [
  '[limits]',
  'queue_messages_max = 1000000',
  'queue_bytes_max = "4GiB"',
  'subscriptions_per_client_max = 1000000',
  'retained_messages_max = 10000000',
  'retained_bytes_max = "4GiB"',
  '[log]',
  'level = "warn"',
];
const ANSWER_MAX_MS = 3_000;
/** In the command of another server. */
const PLACEHOLDERS = /\{(acl|cert|key|passwords|port|transport)\}/g;

/**
 * @typedef {import('./wire.mjs').Place} Place
 * @typedef {{ place: Place, pids: number[], folder: string | null, stop(): Promise<void> }} Target
 *
 * How a server is started; what is in braces in its command is filled in. Folders are the server's own.
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string | null} [command] absent or null: IoTHub
 * @property {import('./login.mjs').Login} [login] who its clients say they are; default: nobody
 * @property {boolean} [admitsAnonymous] also of an IoTHub that asks others who they are
 * @property {(folder: string, options: object & { port: number }) => string[] | Promise<string[]>} [configure] lines of IoTHub's configuration
 * @property {readonly string[]} [flags] more of IoTHub's command line
 * @property {boolean} [admin] its configuration says where the admin API is; default: nowhere
 * @property {(folder: string) => Promise<() => void>} [observe] begins to look at it, until what it resolves with is called
 * @property {(folder: string, options: object) => Record<string, string>} [filesFor] more for its command
 * @property {(folder: string) => (count: number) => import('./login.mjs').Login | null} [loginsOf] once it runs
 * @property {import('./access-variants.mjs').Denies} [denies]
 */

/** @type {Contestant} */
export const IOTHUB = { name: 'IoTHub' };

/**
 * What a client has to know of a server that is started here, but for its port.
 * @param {Place['protocol']} protocol @param {import('./where.mjs').Where['reach']} reach @param {string} folder
 * @returns {Place}
 */
export function placeHere(protocol, { ca, isInsecure, frames }, folder) {
  const files = throwAwayCertificate(protocol, folder);
  const own = files === null ? [] : [fs.readFileSync(files.cert, 'utf8')];
  const trust = { ca: [...own, ...ca], cert: null, key: null, isInsecure };
  return { protocol, host: HOST, port: 0, path: PATH, trust, frames };
}

/**
 * @param {Contestant} contestant @param {Place} place
 * @param {object} options of the scenario
 * @param {string} folder
 * @returns {Promise<Target>}
 */
export async function startServer(contestant, place, options, folder) {
  const { name, command = null, login = null } = contestant;
  const { protocol } = place;
  const files = throwAwayCertificate(protocol, folder);
  const server = await new Server(
    {
      key: name.replace(/\W+/g, '-'),
      name,
      async commands({ folder: own, port }) {
        if (command === null)
          return [await iotHub(contestant, own, protocol, port, options, files)];
        const more = contestant.filesFor?.(own, options) ?? {};
        const words = { ...files, ...more, port: String(port), transport: protocol };
        const filled = command.replace(PLACEHOLDERS, (_, word) => words[word] ?? '');
        return [{ command: '/bin/sh', args: ['-c', `exec ${filled}`] }];
      },
      answers: async (port) => (await whyNot({ ...place, port, login })) === null,
    },
    folder,
  ).start();
  return {
    place: { ...place, port: server.port, login },
    pids: server.pids,
    folder: server.folder,
    stop: () => server.stop(),
  };
}

async function iotHub(contestant, folder, protocol, port, options, files) {
  const { configure, admitsAnonymous = false, flags = [], admin = false } = contestant;
  const lines = (await configure?.(folder, { ...options, port })) ?? [];
  const config = path.join(folder, 'iothub.toml');
  fs.writeFileSync(config, `${[...CONFIG, ...lines].join('\n')}\n`);
  const parameters = new URLSearchParams({ ...files, ...(admitsAnonymous && { anonymous: true }) });
  const query = parameters.size === 0 ? '' : `?${parameters}`;
  const url = `${protocol}://${HOST}:${port}${hasFrames(protocol) ? PATH : ''}${query}`;
  const store = lines.includes('[storage]') ? [] : ['--store', 'memory'];
  const own = [...(admin ? [] : ['--no-admin']), ...flags];
  const args = [MAIN, ...own, '--config', config, ...store, '--listener', url];
  return { command: process.execPath, args };
}

/**
 * Rejects with TargetError when nobody answers there, or nobody has that process id.
 * @param {Place} place @param {number[]} pids
 * @returns {Promise<Target>}
 */
export async function runningServer(place, pids) {
  const problem = await whyNot(place);
  if (problem !== null) throw new TargetError(problem);
  for (const pid of pids) {
    if (!fs.existsSync(`/proc/${pid}`))
      throw new TargetError(`There is no process ${pid} (--pid) here.`);
  }
  return { place, pids, folder: null, stop: async () => {} };
}

class Probe extends Connection {
  /** Whoever asked is told by `connect`. */
  onFailed() {}
}

/** Why a client cannot get in there, in a sentence; null: it can. @param {Place} place @returns {Promise<string | null>} */
async function whyNot(place) {
  const { protocol, host, port } = place;
  const probe = new Probe({ ...place, version: 4 });
  const timer = setTimeout(() => probe.destroy(), ANSWER_MAX_MS);
  try {
    await probe.connect('is-it-up');
    await probe.disconnect();
    return null;
  } catch (error) {
    const reason = error.message || error.code;
    const shown = `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    return probe.isDistrusted
      ? `The certificate of ${shown} is not to be trusted (${reason}): say with --ca FILE who signed it, or give --insecure.`
      : `No MQTT server lets a client in at ${shown} (${reason}); start it, and allow anonymous clients, or say with --username and --password who they are.`;
  } finally {
    clearTimeout(timer);
    probe.destroy();
  }
}
