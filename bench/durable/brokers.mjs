// The servers that are compared, each as it has to be started: on a loopback port, with all it keeps in one folder, limits
// raised so that nothing is dropped, and everything else as it comes, but for what its acknowledgement means.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../lib/processes.mjs';

const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const QUEUE_MAX = 1_000_000;
/** To one subscriber, of every server. */
const IN_FLIGHT = 100;

/**
 * @typedef {{ folder: string, port: number }} Place
 * @typedef {{ command: string, args: string[], env?: Record<string, string> }} Command
 * @typedef {{ key: string, name: string, promise: string, version: string, commands(place: Place): Promise<Command[]> }} Broker
 */

function write(folder, name, lines) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** A copy of what was built, so that a build meanwhile changes nothing. @param {string} parent */
export function copyOfIotHub(parent) {
  const folder = path.join(parent, 'iothub');
  fs.cpSync(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
  fs.copyFileSync(path.join(ROOT, 'package.json'), path.join(folder, 'package.json'));
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return path.join(folder, 'dist/cli/main.js');
}

/**
 * @param {string} main its entry
 * @param {'always' | 'relaxed' | 'memory'} level
 * @param {string[]} nodeArgs
 * @returns {Broker}
 */
export function iotHub(main, level, nodeArgs = [], env = {}) {
  const promises = {
    always: 'written and fsynced',
    relaxed: 'handed to the operating system',
    memory: 'in memory',
  };
  return {
    key: `iothub-${level}`,
    name: `IoTHub ${level}`,
    promise: promises[level],
    version: execFileSync(process.execPath, [main, '--version'], { encoding: 'utf8' }).trim(),
    async commands({ folder, port }) {
      const config = write(folder, 'iothub.toml', [
        '[[listeners]]',
        `port = ${port}`,
        '[limits]',
        `queue_messages_max = ${QUEUE_MAX}`,
        'queue_bytes_max = "4GiB"',
        `inflight_messages_max = ${IN_FLIGHT}`,
        '[storage]',
        ...(level === 'memory'
          ? ['type = "memory"']
          : [`level = "${level}"`, `path = ${JSON.stringify(path.join(folder, 'data'))}`]),
        '[log]',
        'level = "warn"',
      ]);
      return [
        {
          command: process.execPath,
          args: [...nodeArgs, main, '--no-admin', '--config', config],
          env,
        },
      ];
    },
  };
}

/** @returns {Broker} */
function mosquitto() {
  return {
    key: 'mosquitto',
    name: 'Mosquitto',
    promise: 'in memory; all of it is saved every 30 minutes',
    version: debianVersion('mosquitto'),
    async commands({ folder, port }) {
      const config = write(folder, 'mosquitto.conf', [
        `listener ${port} 127.0.0.1`,
        'allow_anonymous true',
        'user root',
        'persistence true',
        `persistence_location ${folder}/`,
        'autosave_interval 1800',
        `max_inflight_messages ${IN_FLIGHT}`,
        'max_queued_messages 0',
        'set_tcp_nodelay true',
        'log_type error',
      ]);
      return [{ command: '/usr/sbin/mosquitto', args: ['-c', config] }];
    },
  };
}

/** @param {'classic' | 'quorum'} type @returns {Broker} */
function rabbitMq(type) {
  return {
    key: `rabbitmq-${type}`,
    name: `RabbitMQ ${type}`,
    promise: 'publisher confirm of a durable queue: written and fsynced',
    version: debianVersion('rabbitmq-server'),
    async commands({ folder, port }) {
      const config = write(folder, 'rabbitmq.conf', [
        'listeners.tcp = none',
        `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`,
        'mqtt.tcp_listen_options.nodelay = true',
        'mqtt.allow_anonymous = true',
        `mqtt.prefetch = ${IN_FLIGHT}`,
        `mqtt.durable_queue_type = ${type}`,
        'log.console = false',
        'log.file.level = error',
      ]);
      const plugins = write(folder, 'enabled_plugins', ['[rabbitmq_mqtt].']);
      const nameServer = { ERL_EPMD_PORT: String(await freePort()), ERL_EPMD_ADDRESS: '127.0.0.1' };
      const env = {
        ...nameServer,
        HOME: folder,
        RABBITMQ_NODENAME: `bench${port}@localhost`,
        RABBITMQ_DIST_PORT: String(await freePort()),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
        RABBITMQ_CONF_ENV_FILE: '/dev/null',
        RABBITMQ_CONFIG_FILE: config,
        RABBITMQ_GENERATED_CONFIG_DIR: path.join(folder, 'generated'),
        RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
        RABBITMQ_MNESIA_BASE: path.join(folder, 'mnesia'),
        RABBITMQ_SCHEMA_DIR: path.join(folder, 'schema'),
        RABBITMQ_LOG_BASE: path.join(folder, 'log'),
        RABBITMQ_PID_FILE: path.join(folder, 'pid'),
      };
      return [
        // Otherwise Erlang starts one that outlives it.
        { command: '/usr/bin/epmd', args: [], env: nameServer },
        { command: RABBITMQ, args: [], env },
      ];
    },
  };
}

/** @param {'default' | 'always' | '+S'} sync @returns {Broker} */
function nats(sync) {
  const promises = {
    default: 'written, fsynced within a minute or two',
    always: 'written and fsynced (sync_interval: always)',
    '+S': 'written into files that the kernel writes through (chattr +S)',
  };
  return {
    key: `nats-${sync === '+S' ? 'sync' : sync}`,
    name: `NATS JetStream ${sync === '+S' ? 'write-through' : sync}`,
    promise: promises[sync],
    version: debianVersion('nats-server'),
    async commands({ folder, port }) {
      const config = natsConfig(folder, port, await freePort(), sync === 'always');
      if (sync === '+S') {
        fs.mkdirSync(path.join(folder, 'store'));
        execFileSync('chattr', ['+S', path.join(folder, 'store')]);
      }
      return [{ command: '/usr/sbin/nats-server', args: ['-c', config] }];
    },
  };
}

function natsConfig(folder, port, natsPort, isAlways) {
  return write(folder, 'nats.conf', [
    'server_name: bench',
    `listen: "127.0.0.1:${natsPort}"`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(path.join(folder, 'store'))}`,
    '  max_file_store: 20GB',
    '  max_memory_store: 1GB',
    ...(isAlways ? ['  sync_interval: always'] : []),
    '}',
    `mqtt { host: "127.0.0.1", port: ${port}, max_ack_pending: ${IN_FLIGHT} }`,
  ]);
}

/** Whether this version knows `sync_interval: always` (2.10 and later do). */
function natsCanSync(folder) {
  const config = natsConfig(folder, 1, 2, true);
  return spawnSync('/usr/sbin/nats-server', ['-t', '-c', config]).status === 0;
}

function debianVersion(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', name], { encoding: 'utf8' });
  return stdout?.trim().split('\t')[1] ?? 'of unknown version';
}

/** All that are installed. @param {string} folder for what has to be tried @returns {Broker[]} */
export function allBrokers(folder, main) {
  const found = [iotHub(main, 'always'), iotHub(main, 'relaxed'), iotHub(main, 'memory')];
  if (fs.existsSync('/usr/sbin/mosquitto')) found.push(mosquitto());
  if (fs.existsSync(RABBITMQ)) found.push(rabbitMq('classic'), rabbitMq('quorum'));
  if (fs.existsSync('/usr/sbin/nats-server')) {
    found.push(nats('default'), nats(natsCanSync(folder) ? 'always' : '+S'));
  }
  return found;
}
