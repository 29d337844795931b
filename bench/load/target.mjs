// The server that is measured: one that runs already, or IoTHub, built, in a process of its own, with a store in memory and bounds
// so wide that it drops nothing (what happens at the bounds is what the scenario `slow` shows).

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAnswering, Server } from '../lib/processes.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
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

/** The server that was named cannot be loaded. */
export class TargetError extends Error {}

/** @typedef {{ host: string, port: number, pids: number[], name: string, stop(): Promise<void> }} Target */

const IOTHUB = {
  key: 'iothub',
  name: 'IoTHub',
  async commands({ folder, port }) {
    const config = path.join(folder, 'iothub.toml');
    fs.writeFileSync(config, `${CONFIG.join('\n')}\n`);
    const args = [MAIN, '--config', config, '--store', 'memory', '--port', String(port)];
    return [{ command: process.execPath, args }];
  },
};

/** @param {string} folder @returns {Promise<Target>} */
async function startIotHub(folder) {
  const server = await new Server(IOTHUB, folder).start();
  const { pids, port } = server;
  return { host: '127.0.0.1', port, pids, name: 'IoTHub', stop: () => server.stop() };
}

/**
 * Rejects with TargetError when nobody answers there, or nobody has that process id.
 * @param {{ host: string, port: number } | null} url null: IoTHub is started
 * @param {number[]} pids @param {string} folder
 * @returns {Promise<Target>}
 */
export async function targetOf(url, pids, folder) {
  if (url === null) return startIotHub(folder);
  const { host, port } = url;
  if (!(await isAnswering(host, port))) {
    throw new TargetError(
      `No MQTT server lets a client in at ${host}:${port}; start it, and allow anonymous clients.`,
    );
  }
  for (const pid of pids) {
    if (!fs.existsSync(`/proc/${pid}`))
      throw new TargetError(`There is no process ${pid} (--pid) here.`);
  }
  return { host, port, pids, name: `${host}:${port}`, stop: async () => {} };
}
