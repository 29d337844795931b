// The door of WebSockets: who comes in, and what those are told who do not. Requests are literal.

import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Logger } from '../../src/core/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { TimerWheel } from '../../src/lib/timer-wheel.ts';
import type { Stream } from '../../src/transport/stream.ts';
import type { WebSocketOptions } from '../../src/transport/websocket/options.ts';
import { chooseProtocol } from '../../src/transport/websocket/request.ts';
import { SocketPeer } from '../contracts/peer.ts';
import { clientFrame } from '../kit/frames.ts';
import { turns, until } from '../kit/until.ts';
import { WebSocketListener } from '../kit/websocket-listener.ts';

interface Line {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

function recorder(lines: Line[]): Logger {
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recorder(lines),
  };
}

interface Door {
  readonly listener: WebSocketListener;
  readonly clock: FakeClock;
  readonly streams: Stream[];
  readonly log: Line[];
  connect(): Promise<SocketPeer>;
  /** What a request is answered with until the server closes, or only the head of it. */
  ask(request: string, part?: 'head'): Promise<string>;
}

async function door(options: Partial<WebSocketOptions> = {}): Promise<Door> {
  const log: Line[] = [];
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  const listener = new WebSocketListener({ path: '/mqtt', ...options }, recorder(log), wheel);
  const streams: Stream[] = [];
  const { port } = await listener.listen((stream) => streams.push(stream));
  const connect = async () => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    const peer = new SocketPeer(socket);
    onTestFinished(() => peer.reset());
    return peer;
  };
  onTestFinished(async () => {
    for (const stream of streams) stream.destroy();
    await listener.close();
  });
  const ask = async (request: string, part?: 'head') => {
    const peer = await connect();
    peer.write(Buffer.from(request, 'latin1'));
    await until(() => peer.hasEnded || (part === 'head' && peer.received.includes('\r\n\r\n')));
    return peer.received.toString();
  };
  return { listener, clock, streams, log, connect, ask };
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** An upgrade request; a header that is given replaces the usual one, an empty one leaves it out. */
function upgrade(headers: Record<string, string> = {}, target = '/mqtt', method = 'GET'): string {
  const all = {
    Host: 'hub.example:8083',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': 'mqtt',
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== '');
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/1.1\r\n${text}\r\n`;
}

describe('an upgrade', () => {
  test('is answered as RFC 6455 says, with the sub-protocol mqtt [MQTT-6.0.0-4]', async () => {
    const { ask, streams, listener } = await door();
    const answer = await ask(upgrade(), 'head');
    expect(answer).toBe(
      [
        'HTTP/1.1 101 Switching Protocols',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', // RFC 6455 §1.3
        'Sec-WebSocket-Protocol: mqtt',
        '\r\n',
      ].join('\r\n'),
    );
    expect(streams.map(({ transport, remoteAddress }) => [transport, remoteAddress])).toEqual([
      ['ws', '127.0.0.1'],
    ]);
    expect(listener.refusals).toEqual([]);
  });

  test('takes what came together with the request', async () => {
    const { connect, streams } = await door();
    const peer = await connect();
    const frame = clientFrame(2, Uint8Array.of(1, 2, 3));
    peer.write(Buffer.concat([Buffer.from(upgrade()), frame.subarray(0, 5)]));
    await until(() => streams.length === 1);
    const got: number[] = [];
    streams[0].open({
      onData: (chunk, length) => got.push(...chunk.subarray(0, length)),
      onWritten() {},
      onEnd() {},
      onClose() {},
    });
    await turns(50);
    peer.write(frame.subarray(5));
    await until(() => got.length === 3);
    expect(got).toEqual([1, 2, 3]);
  });

  test('is read from a request in tiny pieces', async () => {
    const { connect, streams } = await door();
    const peer = await connect();
    for (const byte of Buffer.from(upgrade())) {
      peer.write(Uint8Array.of(byte));
      await turns(1);
    }
    await until(() => streams.length === 1);
  });

  test.each(['/mqtt?token=1', '/mqtt#x'])('finds its path in %s', async (target) => {
    const { ask } = await door();
    expect(await ask(upgrade({}, target), 'head')).toContain(' 101 ');
  });

  test.each(['/', '/any/where?x=/mqtt', '*'])(
    'goes by any path where none is set: %s',
    async (target) => {
      const { ask } = await door({ path: null });
      expect(await ask(upgrade({}, target), 'head')).toContain(' 101 ');
    },
  );

  test.each(['/', '/mqtt/', '/MQTT', '/mqttx', '/x?/mqtt'])(
    'to another path is told the right one: %s',
    async (target) => {
      const { ask, listener } = await door();
      const answer = await ask(upgrade({}, target));
      expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
      expect(answer).toMatch(/\r\n\r\nMQTT over WebSocket is served at \/mqtt\n$/);
      expect(listener.refusals).toEqual(['path']);
    },
  );

  test.each([
    ['a key that is none', { 'Sec-WebSocket-Key': 'abc' }, 'Sec-WebSocket-Key'],
    ['no key', { 'Sec-WebSocket-Key': '' }, 'Sec-WebSocket-Key'],
    ['an old version', { 'Sec-WebSocket-Version': '8' }, 'Sec-WebSocket-Version must be 13'],
    ['another upgrade', { Upgrade: 'h2c' }, 'Upgrade: websocket'],
  ])('with %s is refused with 400', async (_, headers, why) => {
    const { ask, listener } = await door();
    const answer = await ask(upgrade(headers));
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain(why);
    expect(listener.refusals).toEqual(['handshake']);
  });

  test('by another method than GET is refused', async () => {
    const { ask, listener } = await door();
    expect(await ask(upgrade({}, '/mqtt', 'POST'))).toContain('A WebSocket begins with GET.');
    expect(listener.refusals).toEqual(['handshake']);
  });

  test('takes the client’s address from where it is told to', async () => {
    const { ask, streams } = await door({
      addressOf: ({ headers }, peer) => `${headers['x-forwarded-for']} by ${peer}`,
    });
    await ask(upgrade({ 'X-Forwarded-For': '192.0.2.7' }), 'head');
    expect([streams[0].remoteAddress, streams[0].remotePort]).toEqual([
      '192.0.2.7 by 127.0.0.1',
      0,
    ]);
  });
});

describe('the sub-protocol', () => {
  test.each([
    [['mqtt'], 'mqtt'],
    [['mqttv3.1', 'mqtt'], 'mqtt'],
    [['mqttv3.1'], 'mqttv3.1'],
    [['x', 'mqttv5', 'mqttv3.1'], 'mqttv5'],
    [['mqtt-v3.1.1'], 'mqtt-v3.1.1'],
    [['mqttv3'], 'mqttv3'],
    [['MQTT'], null],
    [['chat'], null],
    [['mqttv6'], null],
    [[], null],
  ])('offered as %j is %s', (offered, chosen) => {
    expect(chooseProtocol(offered)).toBe(chosen);
  });

  test('is answered as it was offered', async () => {
    const { ask } = await door();
    const answer = await ask(upgrade({ 'Sec-WebSocket-Protocol': 'chat,mqttv3.1' }), 'head');
    expect(answer).toContain('\r\nSec-WebSocket-Protocol: mqttv3.1\r\n');
  });

  test.each(['', 'chat'])('“%s” is refused, and how to offer it is said', async (offered) => {
    const { ask, listener } = await door();
    const answer = await ask(upgrade({ 'Sec-WebSocket-Protocol': offered }));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("new WebSocket(url, 'mqtt')");
    expect(listener.refusals).toEqual(['sub-protocol']);
  });
});

describe('the origin', () => {
  const allowed: [string, string, string[]][] = [
    ['http://192.0.2.7:8083', '192.0.2.7:8083', []],
    ['http://localhost:8083', 'localhost:8083', []],
    ['http://hub.localhost:8083', 'hub.localhost:8083', []],
    ['http://hub.example:8083', 'hub.example:8083', ['http://hub.example:8083']],
    ['https://hub.example', 'hub.example', []],
    ['https://hub.example', 'hub.example:443', []],
    ['https://hub.example', 'HUB.example:443', []],
    ['http://LOCALHOST', 'localhost:80', []],
    ['http://[::1]:8083', '[::1]:8083', []],
    ['https://app.example', 'hub.example', ['https://app.example']],
    ['https://app.example', 'hub.example', ['https://APP.example:443/']],
    ['capacitor://localhost', 'hub.example', ['capacitor://localhost']],
    ['null', 'hub.example', ['null']],
    ['https://evil.example', 'hub.example', ['*']],
  ];
  test.each(allowed)('%s may connect to %s with %j listed', async (origin, host, origins) => {
    const { ask } = await door({ origins });
    expect(await ask(upgrade({ Origin: origin, Host: host }), 'head')).toContain(' 101 ');
  });

  const refused: [string, string, string[]][] = [
    ['https://evil.example', 'localhost:8083', []],
    ['http://localhost:3000', 'localhost:8083', []],
    ['http://localhost', 'localhost:443', []],
    // Its name may lead to this machine since the page was loaded: DNS rebinding.
    ['http://evil.example:8083', 'evil.example:8083', []],
    ['http://localhost.evil.example', 'localhost.evil.example', []],
    ['https://app.example.evil.example', 'hub.example', ['https://app.example']],
    ['http://app.example', 'hub.example', ['https://app.example']],
    ['null', 'hub.example', []],
    ['capacitor://hub.example', 'hub.example', []],
    ['https://hub.example', 'hub.example@evil.example', []],
    ['garbage', 'garbage', []],
  ];
  test.each(refused)('%s may not connect to %s with %j listed', async (origin, host, origins) => {
    const { ask, listener } = await door({ origins });
    expect(await ask(upgrade({ Origin: origin, Host: host }))).toMatch(/^HTTP\/1\.1 403 /);
    expect(listener.refusals).toEqual(['origin']);
  });

  test('that is refused is logged with the line that lets it in', async () => {
    const { ask, log } = await door({ origins: ['https://app.example'] });
    await ask(upgrade({ Origin: 'https://other.example', Host: 'hub.example' }));
    const lines = log.filter(({ level }) => level === 'warn');
    expect(lines).toHaveLength(1);
    expect(lines[0].message).toContain('[listeners.websocket]');
    expect(lines[0].fields).toMatchObject({
      origin: 'https://other.example',
      add: 'origins = ["https://app.example","https://other.example"]',
    });
  });
});

describe('a request that asks for no upgrade', () => {
  test('of a browser gets a page that says what is here', async () => {
    const { ask, listener } = await door();
    const answer = await ask('GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*;q=0.8\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
    expect(answer).toContain('\r\nUpgrade: websocket\r\n');
    expect(answer).toContain("<code>mqtt.connect('ws://host:port/mqtt')</code>");
    expect(listener.refusals).toEqual([]);
  });

  test.each(['GET', 'HEAD'])('of a health probe is answered with 200: %s', async (method) => {
    const { ask, log, listener } = await door();
    const answer = await ask(`${method} /healthz HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer.includes('MQTT over WebSocket is served here, at /mqtt')).toBe(method === 'GET');
    expect([log, listener.refusals]).toEqual([[], []]);
  });

  test('by another method is refused', async () => {
    const { ask } = await door();
    const request = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc';
    expect(await ask(request)).toMatch(/^HTTP\/1\.1 405 [\s\S]*\r\nAllow: GET, HEAD\r\n/);
  });

  test('is the only one on its connection', async () => {
    const { ask } = await door();
    const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
    expect((await ask(request + request)).match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  test.each([
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
  ])('is not followed by an upgrade: %j', async (request) => {
    const { ask, streams } = await door();
    const answer = await ask(request + upgrade());
    expect(answer.split('HTTP/1.1 ')).toHaveLength(2);
    expect(answer).toContain('Connection: close');
    expect(streams).toEqual([]);
  });

  test('whose connection is not closed by the client is closed, and not counted as late', async () => {
    const { connect, clock, listener } = await door();
    const peer = await connect();
    peer.write(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    await until(() => peer.hasEnded);
    clock.advance(11_000);
    peer.end();
    await until(() => peer.isClosed);
    expect(listener.refusals).toEqual([]);
  });
});

describe('what comes before an upgrade is limited:', () => {
  test('its headers', async () => {
    const { ask, listener } = await door({ headerBytesMax: 2_048 });
    expect(await ask(upgrade({ 'X-Long': 'x'.repeat(1_500) }), 'head')).toContain(' 101 ');
    const answer = await ask(upgrade({ 'X-Long': 'x'.repeat(2_100) }));
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('more than 2048 bytes');
    expect(listener.refusals).toEqual(['header-size']);
  });

  test('its time, however it is spent', async () => {
    const { connect, clock, listener } = await door({ upgradeTimeoutMs: 10_000 });
    const silent = await connect();
    const slow = await connect();
    slow.write(Buffer.from('GET /mqtt HTTP/1.1\r\n'));
    await turns(50);
    clock.advance(9_000);
    slow.write(Buffer.from('Host: x\r\n'));
    await turns(50);
    expect([silent.isClosed, slow.isClosed]).toEqual([false, false]);
    clock.advance(1_200);
    await until(() => silent.hasEnded || silent.isClosed);
    await until(() => slow.hasEnded || slow.isClosed);
    expect(listener.refusals).toEqual(['upgrade-timeout', 'upgrade-timeout']);
  });

  test('its time ends with the upgrade', async () => {
    const { connect, clock, streams, listener } = await door({ pingIntervalMs: 0 });
    const peer = await connect();
    peer.write(Buffer.from(upgrade()));
    await until(() => streams.length === 1);
    clock.advance(60_000);
    await turns(50);
    expect([peer.hasEnded, listener.refusals]).toEqual([false, []]);
  });
});

describe('what is no HTTP', () => {
  test.each([
    [
      'MQTT without WebSocket came to a listener for WebSocket',
      '\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00',
    ],
    [
      'TLS came to a port without TLS: the client wants wss://, this listener is ws://',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ],
  ])('is closed, and logged as what it is: %s', async (what, bytes) => {
    const { ask, log, listener } = await door();
    expect(await ask(bytes)).toBe('');
    expect(log.map(({ level, message }) => [level, message])).toEqual([
      ['info', `${what}; check its URL`],
    ]);
    expect(listener.refusals).toEqual(['not-http']);
  });

  test('gets 400', async () => {
    const { ask, listener } = await door();
    expect(await ask('hello there\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(listener.refusals).toEqual(['not-http']);
  });

  test('is no failure when it is nothing at all', async () => {
    const { connect, log, listener } = await door();
    const polite = await connect();
    polite.end();
    await until(() => polite.hasEnded);
    const rude = await connect();
    rude.reset();
    await turns(100);
    expect(log.filter(({ level }) => level !== 'debug')).toEqual([]);
    expect(listener.refusals).toEqual([]);
  });
});

test('a closed door closes who waits in it, takes nobody, and lets streams live on', async () => {
  const { listener, connect, streams } = await door();
  const inside = await connect();
  inside.write(Buffer.from(upgrade()));
  await until(() => streams.length === 1);
  const waiting = await connect();
  waiting.write(Buffer.from('GET /mqtt HTTP/1.1\r\n'));
  await turns(50);
  await listener.close();
  await until(() => waiting.hasEnded || waiting.isClosed);
  streams[0].write(Uint8Array.of(7));
  await until(() => inside.received.at(-1) === 7);
  expect([...inside.received.subarray(-3)]).toEqual([0x82, 1, 7]);
});

test('whoever accepted a connection sees its socket close when the stream has', async () => {
  const { listener, connect, streams } = await door();
  const peer = await connect();
  peer.write(Buffer.from(upgrade()));
  await until(() => streams.length === 1);
  expect(listener.sockets).toBe(1);
  peer.reset();
  streams[0].open({ onData() {}, onWritten() {}, onEnd() {}, onClose() {} });
  await until(() => listener.sockets === 0);
});
