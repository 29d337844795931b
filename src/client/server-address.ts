// Where a client connects to, and the URL that says it: mqtt://user:password@host:1883, mqtts://, ws://host:8083/mqtt, wss://. What
// mosquitto_sub's -L takes is taken, topic included. No message repeats the URL, since passwords stand in it.

export type ClientProtocol = 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'unix';

export interface ServerAddress {
  readonly protocol: ClientProtocol;
  /** Without brackets; empty for a unix socket. */
  readonly host: string;
  readonly port: number;
  /** Of the WebSocket, or the file of the unix socket. */
  readonly path: string;
}

export interface ServerUrl {
  readonly address: ServerAddress;
  readonly username: string | null;
  readonly password: string | null;
  /** What stands after the host of mqtt:// and mqtts://; null: nothing. */
  readonly topic: string | null;
}

/** Where servers listen unless something else is said. */
export const CLIENT_PORTS: Readonly<Record<ClientProtocol, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 8083,
  wss: 8084,
  unix: 0,
};
export const WEBSOCKET_PATH = '/mqtt';

/** What the URL says, or what is wrong with it: a sentence without its subject. The topic is taken as it stands. */
export function parseServerUrl(text: string): ServerUrl | string {
  const match = /^(mqtts?|wss?):\/\/([^/]*)(\/.*)?$/s.exec(text);
  if (match === null) return 'begins with none of mqtt://, mqtts://, ws://, wss://';
  const [, scheme, authority, rest = '/'] = match;
  const protocol = scheme as Exclude<ClientProtocol, 'unix'>;
  if (/(?:^|@)(?::\d*)?$/.test(authority)) return 'names no host: write mqtt://127.0.0.1:1883';
  if (/[?#]/.test(authority))
    return 'has a "?" or "#" before its topic: in a password write %3F, %23';
  let url: URL;
  let username: string;
  let password: string;
  try {
    url = new URL(`http://${authority}`);
    [username, password] = [url.username, url.password].map(decodeURIComponent);
  } catch {
    return 'is no URL with a host, as mqtt://127.0.0.1:1883; in a password write % as %25, / as %2F';
  }
  const isWebSocket = protocol === 'ws' || protocol === 'wss';
  const topic = rest.slice(1);
  return {
    address: {
      protocol,
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      // URL leaves out a port that is HTTP's.
      port: Number(/:(\d+)$/.exec(authority)?.[1] ?? CLIENT_PORTS[protocol]),
      path: isWebSocket ? (topic === '' ? WEBSOCKET_PATH : rest) : '',
    },
    username: url.username === '' ? null : username,
    password: url.password === '' ? null : password,
    topic: isWebSocket || topic === '' ? null : topic,
  };
}

/** For messages: never with a user or a password. */
export function describeAddress({ protocol, host, port, path }: ServerAddress): string {
  if (protocol === 'unix') return path;
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}
