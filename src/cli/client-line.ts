// The flags that `iothub pub`, `iothub sub` and `iothub bench` have in common, named as those of mosquitto_pub and mosquitto_sub. All of them are honoured;
// those of Mosquitto's that would not be are refused by name.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type PropertiesByPacket, readProperties, USER_PROPERTY } from '../client/property-flag.ts';
import {
  CLIENT_PORTS,
  parseServerUrl,
  type ServerAddress,
  type ServerUrl,
  WEBSOCKET_PATH,
} from '../client/server-address.ts';
import type { ProtocolVersion, QoS } from '../protocol/packet.ts';

/** What both need to connect. Files are named, not read. */
export interface ConnectionLine {
  readonly address: ServerAddress;
  /** The one in -L. */
  readonly topic: string | null;
  readonly protocolVersion: ProtocolVersion;
  /** null: one is made up. */
  readonly clientId: string | null;
  readonly clientIdPrefix: string | null;
  readonly username: string | null;
  readonly password: string | null;
  readonly keepAlive: number;
  readonly cleanStart: boolean;
  readonly will: WillLine | null;
  readonly properties: PropertiesByPacket;
  readonly cafile: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly isInsecure: boolean;
  readonly isDebug: boolean;
  readonly isQuiet: boolean;
}

export interface WillLine {
  readonly topicName: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
}

/** As commander gives them. */
export interface ConnectionOptions {
  readonly host?: string;
  readonly port?: number;
  readonly username?: string;
  readonly pw?: string;
  readonly id?: string;
  readonly idPrefix?: string;
  readonly keepalive: number;
  readonly qos: '0' | '1' | '2';
  readonly url?: string;
  readonly unix?: string;
  readonly ws?: boolean;
  readonly protocolVersion: string;
  readonly cafile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
  readonly willTopic?: string;
  readonly willPayload?: string;
  readonly willQos?: '0' | '1' | '2';
  readonly willRetain?: boolean;
  readonly disableCleanSession?: boolean;
  readonly sessionExpiryInterval?: number;
  readonly property?: readonly string[];
  readonly debug?: boolean;
  readonly quiet?: boolean;
}

const VERSIONS: Readonly<Record<string, ProtocolVersion>> = {
  ...{ mqttv31: 3, '31': 3, '3.1': 3 },
  ...{ mqttv311: 4, '311': 4, '3.1.1': 4 },
  ...{ mqttv5: 5, '5': 5, '5.0': 5 },
};
const NEVER = 0xffff_ffff;

/** Flags of Mosquitto's that are not ours, with those that take a value; where there is another way, it is said. */
const FOREIGN: readonly (readonly [flags: string, instead: string])[] = [
  ['-A <address>', ''],
  ['-S', ''],
  ['-o <file>', ''],
  ['--capath <dir>', 'name one file with --cafile'],
  ['--ciphers <list>', ''],
  ['--keyform <form>', ''],
  ['--nodelay', 'it is always so'],
  ['--no-tls', 'TLS is used with --cafile, mqtts:// or wss:// only'],
  ['--proxy <url>', ''],
  ['--psk <key>', ''],
  ['--psk-identity <identity>', ''],
  ['--tls-alpn <protocol>', ''],
  ['--tls-engine <engine>', ''],
  ['--tls-engine-kpass-sha1 <hash>', ''],
  ['--tls-use-os-certs', 'name the authorities with --cafile'],
  ['--tls-version <version>', ''],
];

/** Adds what `pub` and `sub` have in common to a command. */
export function addConnectionOptions(command: Command): Command {
  addServerFlags(command)
    .option('-i, --id <id>', 'the client id (default: one that is made up)')
    .option('-I, --id-prefix <prefix>', 'the client id is this and the number of the process')
    .option(
      '-c, --disable-clean-session',
      'come back to the session of this client id, and keep it',
    )
    .option(
      '-x, --session-expiry-interval <seconds>',
      'keep the session so long; -1: for ever (v5)',
      parseExpiry,
    )
    .option('--will-topic <topic>', 'the topic of a will')
    .option('--will-payload <payload>', 'its payload (default: empty)')
    .addOption(new Option('--will-qos <qos>', 'its QoS (default: 0)').choices(['0', '1', '2']))
    .option('--will-retain', 'it is retained')
    .option('-d, --debug', 'say on stderr which packets go to and fro')
    .option('--quiet', 'say nothing on stderr');
  addQosFlag(command);
  addTlsFlags(command);
  return command;
}

/** Where the server is, as whom, and how. */
export function addServerFlags(command: Command): Command {
  return command
    .helpOption('--help', 'print this')
    .option('-h, --host <host>', 'the server (default: localhost)')
    .option('-p, --port <port>', 'its port (default: 1883, with TLS 8883)', parsePort)
    .option('-L, --url <url>', 'mqtt(s)://[user[:password]@]host[:port][/topic], or ws(s)://…/path')
    .option('--unix <path>', 'the unix socket of the server')
    .option(
      '--ws',
      `by WebSocket, to the path ${WEBSOCKET_PATH} (default port: 8083, with TLS 8084)`,
    )
    .option('-u, --username <name>', 'the user name')
    .option('-P, --pw <password>', 'the password; others on this machine can see it')
    .option('-k, --keepalive <seconds>', '0, or 5 to 65535', parseKeepAlive, 60)
    .addOption(
      new Option('-V, --protocol-version <version>', 'mqttv31, mqttv311, mqttv5, or 31, 311, 5')
        .choices(Object.keys(VERSIONS))
        .default('mqttv311'),
    )
    .option(
      '-D, --property <words>',
      'a v5 property: packet, name, value, or packet, user-property, name, value; may be repeated',
      gather,
    );
}

export function addQosFlag(command: Command): void {
  command.addOption(new Option('-q, --qos <qos>', 'the QoS').choices(['0', '1', '2']).default('0'));
}

/** Those of TLS, and what is refused by name. */
export function addTlsFlags(command: Command): void {
  command
    .option('--cafile <file>', 'use TLS, and believe these authorities only')
    .option('--cert <file>', 'the certificate of the client')
    .option('--key <file>', 'its key')
    .option('--insecure', 'do not look whether the certificate is one of this host');
  for (const [flags] of FOREIGN) command.addOption(foreign(flags));
}

/** A flag that is known, and refused. */
export function foreign(flags: string): Option {
  return new Option(flags).hideHelp();
}

function refuseForeign(command: Command): void {
  for (const option of command.options) {
    if (!option.hidden || command.getOptionValueSource(option.attributeName()) !== 'cli') continue;
    const [name] = option.flags.split(/,? /);
    const instead = FOREIGN.find(([flags]) => flags === option.flags)?.[1] ?? '';
    const hint = instead === '' ? '' : `: ${instead}`;
    command.error(`error: iothub has no ${name}${hint}`, { exitCode: 2 });
  }
}

/** What the flags say, and MQTT_URL where they do not say it. Ends the command with a usage error. */
export function connectionOf(
  options: ConnectionOptions,
  command: Command,
  environment: NodeJS.ProcessEnv,
): ConnectionLine {
  const fail = (sentence: string): never => command.error(`error: ${sentence}`, { exitCode: 2 });
  refuseForeign(command);
  const protocolVersion = VERSIONS[options.protocolVersion];
  const properties = propertiesOf(options, protocolVersion, fail);
  const { address, url, fromEnvironment } = placeOf(options, environment, fail);
  const username = options.username ?? url?.username ?? null;
  const password = options.pw ?? url?.password ?? null;
  const { id: clientId = null, idPrefix: clientIdPrefix = null } = options;
  if (password !== null && username === null && protocolVersion !== 5) {
    fail('-P needs -u: only version 5 knows a password without a user name');
  }
  if (clientId !== null && clientIdPrefix !== null) fail('-i and -I do not go together');
  if (options.disableCleanSession === true && clientId === null && clientIdPrefix === null) {
    fail('-c needs -i: a session that lasts is found by its client id');
  }
  if (clientId === '') fail('-i needs a client id that is not empty');
  if ((options.cert === undefined) !== (options.key === undefined)) {
    fail('--cert and --key go together');
  }
  return {
    address,
    topic: fromEnvironment ? null : (url?.topic ?? null),
    ...{ protocolVersion, clientId, clientIdPrefix, username, password, properties },
    keepAlive: options.keepalive,
    cleanStart: options.disableCleanSession !== true,
    will: willOf(options, fail),
    cafile: options.cafile ?? null,
    cert: options.cert ?? null,
    key: options.key ?? null,
    isInsecure: options.insecure === true,
    isDebug: options.debug === true,
    isQuiet: options.quiet === true,
  };
}

type Fail = (sentence: string) => never;

interface Place {
  readonly address: ServerAddress;
  readonly url: ServerUrl | null;
  readonly fromEnvironment: boolean;
}

function placeOf(options: ConnectionOptions, environment: NodeJS.ProcessEnv, fail: Fail): Place {
  const { host, port, unix, ws = false } = options;
  const isTls = [options.cafile, options.cert, options.insecure].some((one) => one !== undefined);
  const isNamed = host !== undefined || port !== undefined || ws;
  if (unix !== undefined) {
    if (isNamed || options.url !== undefined || isTls) {
      fail('--unix goes with none of -h, -p, -L, --ws and the flags of TLS');
    }
    const address = { protocol: 'unix', host: '', port: 0, path: unix } as const;
    return { address, url: null, fromEnvironment: false };
  }
  if (options.url !== undefined && isNamed) fail('-L goes with none of -h, -p and --ws');
  // Not as the parser of the option: its message would show the URL, and the password in it.
  const url =
    options.url === undefined
      ? isNamed
        ? null
        : urlIn(environment, fail)
      : urlOf('-L', options.url, fail);
  if (url !== null) {
    const { protocol } = url.address;
    if (isTls && (protocol === 'mqtt' || protocol === 'ws')) {
      fail(`the flags of TLS go with ${protocol === 'mqtt' ? 'mqtts' : 'wss'}:// only`);
    }
    return { address: url.address, url, fromEnvironment: options.url === undefined };
  }
  const isEncrypted = isTls || port === CLIENT_PORTS.mqtts;
  const protocol = ws ? (isTls ? 'wss' : 'ws') : isEncrypted ? 'mqtts' : 'mqtt';
  return {
    address: {
      protocol,
      host: host ?? 'localhost',
      port: port ?? CLIENT_PORTS[protocol],
      path: ws ? WEBSOCKET_PATH : '',
    },
    url: null,
    fromEnvironment: false,
  };
}

function urlIn({ MQTT_URL: text = '' }: NodeJS.ProcessEnv, fail: Fail): ServerUrl | null {
  if (text === '') return null;
  const url = urlOf('MQTT_URL', text, fail);
  if (url.topic !== null) fail('MQTT_URL says where the server is; topics are named by -t');
  return url;
}

function urlOf(source: string, text: string, fail: Fail): ServerUrl {
  const url = parseServerUrl(text);
  return typeof url === 'string' ? fail(`${source} ${url}`) : url;
}

function propertiesOf(
  options: ConnectionOptions,
  protocolVersion: ProtocolVersion,
  fail: Fail,
): PropertiesByPacket {
  const given = (options.property ?? []).map((words) => JSON.parse(words) as string[]);
  const read = readProperties(given);
  if (typeof read === 'string') return fail(`--property: ${read}`);
  const { sessionExpiryInterval, disableCleanSession = false } = options;
  if (protocolVersion !== 5) {
    if (given.length > 0) fail('--property needs -V 5');
    if (sessionExpiryInterval !== undefined) fail('-x needs -V 5');
    return read;
  }
  if (options.willTopic === undefined && Object.keys(read.will).length > 0) {
    fail('a property of the will needs --will-topic');
  }
  const expiry = sessionExpiryInterval ?? read.connect.sessionExpiryInterval;
  const wanted = expiry ?? (disableCleanSession ? NEVER : undefined);
  if (wanted === undefined) return read;
  return { ...read, connect: { ...read.connect, sessionExpiryInterval: wanted } };
}

function willOf(options: ConnectionOptions, fail: Fail): WillLine | null {
  const { willTopic: topicName, willPayload = '', willQos = '0', willRetain = false } = options;
  if (topicName === undefined) {
    const rest = [options.willPayload, options.willQos, options.willRetain];
    if (rest.some((one) => one !== undefined)) fail('a will needs --will-topic');
    return null;
  }
  if (topicName === '' || /[+#\0]/.test(topicName)) fail('--will-topic is no topic name');
  return { topicName, payload: willPayload, qos: Number(willQos) as QoS, retain: willRetain };
}

/** `-D` takes as many words as its property needs: they are made one, so that commander sees an option with a value. */
export function foldProperties(argv: readonly string[], command: Command): string[] {
  const folded: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i];
    if (word === '--') return [...folded, ...argv.slice(i)];
    if (word !== '-D' && word !== '--property') {
      folded.push(word);
      const option = command.options.find(({ short, long }) => word === short || word === long);
      if (option?.required === true && i + 1 < argv.length) folded.push(argv[++i]);
      continue;
    }
    const count = argv[i + 2] === USER_PROPERTY ? 4 : 3;
    folded.push('--property', JSON.stringify(argv.slice(i + 1, i + 1 + count)));
    i += count;
  }
  return folded;
}

function gather(value: string, values: readonly string[] = []): readonly string[] {
  return [...values, value];
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port > 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a whole number from 1 to 65535.');
}

function parseKeepAlive(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,5}$/.test(text) && (seconds === 0 || (seconds >= 5 && seconds <= 65_535))) {
    return seconds;
  }
  throw new InvalidArgumentError('It is 0, or 5 to 65535 seconds.');
}

function parseExpiry(text: string): number {
  if (text === '-1' || text === '∞') return NEVER;
  const seconds = Number(text);
  if (/^\d{1,10}$/.test(text) && seconds <= NEVER) return seconds;
  throw new InvalidArgumentError('It is -1 (for ever), or 0 to 4294967295 seconds.');
}
