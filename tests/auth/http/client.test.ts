// The client that asks endpoints, against endpoints of every kind: those that answer, those that do not, and those that lie.

import { describe, expect, onTestFinished, test } from 'vitest';
import { HttpClient, type HttpOutcome } from '../../../src/auth/http/client.ts';
import { type HttpOptions, httpEndpoint } from '../../../src/auth/http/endpoint.ts';
import type { HttpQuestion } from '../../../src/auth/http/exchange.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import {
  type Answer,
  type Asked,
  deadUrl,
  HttpEndpointServer,
  rawEndpoint,
} from '../../kit/http-endpoint.ts';
import { LogBook } from '../../kit/log-book.ts';
import { turns, until } from '../../kit/until.ts';
import { Authority } from '../../support/certificates.ts';

function clientOf(url: string, options: Partial<HttpOptions> = {}) {
  const clock = new FakeClock();
  const book = new LogBook();
  const endpoint = httpEndpoint({ name: 'hook', url, clock, logger: book, ...options });
  const client = new HttpClient(endpoint);
  onTestFinished(() => client.close());
  const ask = (text = '{}', isGone = () => false): Promise<HttpOutcome> => {
    const question: HttpQuestion = { url: endpoint.url, body: text };
    return client.ask(question, isGone);
  };
  return { client, clock, book, ask };
}

/** Holds answers back until the test gives them. */
class Gate {
  readonly #waiting: (() => void)[] = [];

  readonly respond = async ({ body }: Asked): Promise<Answer> => {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return { body };
  };

  get held(): number {
    return this.#waiting.length;
  }

  /** Answers the one that has waited longest. */
  release(): void {
    this.#waiting.shift()?.();
  }
}

function textOf(outcome: HttpOutcome): string {
  return outcome.kind === 'answered' ? Buffer.from(outcome.body).toString() : outcome.kind;
}

/** What it came to by now, or null. */
function watch(outcome: Promise<HttpOutcome>): () => HttpOutcome | null {
  let found: HttpOutcome | null = null;
  void outcome.then((settled) => {
    found = settled;
  });
  return () => found;
}

describe('an exchange', () => {
  test('brings status and body, and the question arrives as it is, with the headers', async () => {
    const endpoint = await HttpEndpointServer.start(() => ({ status: 418, body: 'tea' }));
    const { ask } = clientOf(`${endpoint.url}?a=b`, { headers: { Authorization: 'Bearer x' } });
    const outcome = await ask('{"é":1}');
    expect([outcome, textOf(outcome)]).toMatchObject([{ kind: 'answered', status: 418 }, 'tea']);
    expect(endpoint.asked).toMatchObject([
      {
        method: 'POST',
        url: '/auth?a=b',
        body: '{"é":1}',
        headers: {
          authorization: 'Bearer x',
          'content-type': 'application/json',
          'content-length': '8',
          accept: 'application/json',
          'user-agent': 'iothub',
        },
      },
    ]);
  });

  test('uses the connection of the one before', async () => {
    const endpoint = await HttpEndpointServer.start();
    const { ask } = clientOf(endpoint.url);
    for (let i = 0; i < 5; i++) await ask();
    expect([endpoint.asked.length, endpoint.connections]).toEqual([5, 1]);
  });

  test('is done again on a new connection when the old one had been closed', async () => {
    let requests = 0;
    let connections = new Set<object>();
    const url = await rawEndpoint((socket) => {
      requests++;
      connections = connections.add(socket);
      // The second request on the first connection finds that it is being closed.
      if (requests === 2) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
    });
    const { ask } = clientOf(url);
    expect(textOf(await ask())).toBe('{}');
    expect(textOf(await ask())).toBe('{}');
    expect([requests, connections.size]).toEqual([3, 2]);
  });

  test('follows no redirect', async () => {
    const other = await HttpEndpointServer.start();
    for (const status of [301, 302, 303, 307, 308]) {
      const headers = { Location: other.url };
      const endpoint = await HttpEndpointServer.start(() => ({ status, headers }));
      expect(await clientOf(endpoint.url).ask()).toMatchObject({ kind: 'answered', status });
    }
    expect(other.asked).toHaveLength(0);
  });

  test('that nobody answers ends in time', async () => {
    const endpoint = await HttpEndpointServer.start(() => new Promise(() => {}));
    const { ask, clock } = clientOf(endpoint.url, { timeoutMs: 700 });
    const outcome = ask();
    const settled = watch(outcome);
    await until(() => endpoint.asked.length === 1);
    clock.advance(699);
    await turns(5);
    expect(settled()).toBeNull();
    clock.advance(1);
    const problem = 'no complete answer within 700 ms';
    expect(await outcome).toEqual({ kind: 'failed', problem });
  });

  test('that drips ends in time, as a whole', async () => {
    let drip: (text: string) => void = () => {};
    const url = await rawEndpoint((socket) => {
      drip = (text) => void socket.write(text);
      drip('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n');
    });
    const { ask, clock } = clientOf(url, { timeoutMs: 1_000 });
    const outcome = ask();
    const settled = watch(outcome);
    for (let i = 0; i < 9; i++) {
      drip(' ');
      await turns(5);
      clock.advance(100);
    }
    await turns(5);
    expect(settled()).toBeNull();
    clock.advance(100);
    expect(await outcome).toMatchObject({ kind: 'failed' });
  });

  const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n';

  test.each([
    ['resets at once', '', 'ECONNRESET'],
    ['resets within the head', HEAD, 'ECONNRESET'],
    ['resets within the body', `${HEAD}\r\n{"result":"allow"}`, 'the answer broke off'],
    [
      'resets within a chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"result":"allow"}',
      'the answer broke off',
    ],
    ['speaks something else', 'SSH-2.0-OpenSSH_9.2\r\n', 'HPE_INVALID_CONSTANT'],
    ['says two lengths', `${HEAD}Content-Length: 5\r\n\r\n{}`, 'HPE_UNEXPECTED_CONTENT_LENGTH'],
    ['has a head without end', `${HEAD}X: ${'x'.repeat(20_000)}`, 'HPE_HEADER_OVERFLOW'],
    [
      'speaks another protocol from now on',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      'the connection ended without an answer',
    ],
  ])('with an endpoint that %s fails', async (_, text, problem) => {
    const url = await rawEndpoint((socket) => {
      if (text === '') socket.resetAndDestroy();
      else socket.write(text, () => socket.resetAndDestroy());
    });
    const outcome = await clientOf(url).ask();
    // What was written may be lost with the reset.
    expect(outcome).toEqual({
      kind: 'failed',
      problem: expect.stringMatching(new RegExp(`^(${problem}|ECONNRESET)$`)),
    });
  });

  test('takes a second answer for nothing', async () => {
    const allow = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes';
    const deny = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno';
    let requests = 0;
    const url = await rawEndpoint((socket) => {
      socket.write(++requests === 1 ? deny + allow : deny);
    });
    const { ask } = clientOf(url);
    expect([textOf(await ask()), textOf(await ask())]).toEqual(['no', 'no']);
  });

  test('is not held up by an endpoint that says wait and wait', async () => {
    const url = await rawEndpoint((socket) => {
      const wait = (): void => {
        if (socket.writable)
          socket.write('HTTP/1.1 102 Processing\r\n\r\n', () => setImmediate(wait));
      };
      wait();
    });
    const { ask, clock } = clientOf(url, { timeoutMs: 700 });
    const outcome = ask();
    await turns(50);
    clock.advance(700);
    expect(await outcome).toMatchObject({ kind: 'failed' });
  });

  test('takes so many bytes and no more', async () => {
    const endpoint = await HttpEndpointServer.start(({ body }) => ({ body: 'x'.repeat(+body) }));
    const { ask } = clientOf(endpoint.url, { answerBytesMax: 1_000 });
    expect(textOf(await ask('1000'))).toHaveLength(1_000);
    const problem = 'the answer has more than 1000 bytes';
    expect(await ask('1001')).toEqual({ kind: 'failed', problem });
  });

  test('ends a body without end', async () => {
    let written = 0;
    let isClosed = false;
    const url = await rawEndpoint((socket) => {
      socket.on('close', () => {
        isClosed = true;
      });
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const pour = (): void => {
        written += 65_536;
        if (socket.writable) socket.write(Buffer.alloc(65_536), pour);
      };
      pour();
    });
    expect(await clientOf(url).ask()).toMatchObject({ kind: 'failed' });
    await until(() => isClosed);
    expect(written).toBeLessThan(64 * 1_024 * 1_024);
  });

  test('with nobody there fails', async () => {
    expect(await clientOf(await deadUrl()).ask()).toEqual({
      kind: 'failed',
      problem: 'ECONNREFUSED',
    });
  });
});

describe('many at a time', () => {
  test('are so many; the others wait in their order', async () => {
    const gate = new Gate();
    const endpoint = await HttpEndpointServer.start(gate.respond);
    const { ask } = clientOf(endpoint.url, { concurrency: 2 });
    const outcomes = ['1', '2', '3', '4'].map((text) => ask(text));
    await until(() => gate.held === 2);
    await turns(5);
    expect(endpoint.asked.map(({ body }) => body)).toEqual(['1', '2']);
    for (let i = 0; i < 4; i++) {
      await until(() => gate.held > 0);
      gate.release();
    }
    expect((await Promise.all(outcomes)).map(textOf)).toEqual(['1', '2', '3', '4']);
    expect(endpoint.asked.map(({ body }) => body)).toEqual(['1', '2', '3', '4']);
  });

  test('beyond the queue are told that it is busy, at once', async () => {
    const gate = new Gate();
    const endpoint = await HttpEndpointServer.start(gate.respond);
    const { ask, book } = clientOf(endpoint.url, { concurrency: 1, queueMax: 2 });
    const outcomes = ['1', '2', '3'].map((text) => ask(text));
    expect(await ask('4')).toEqual({ kind: 'busy' });
    expect(await ask('5')).toEqual({ kind: 'busy' });
    expect(book.lines).toHaveLength(1);
    expect(book.lines[0]).toMatchObject({ fields: { name: 'hook', queued: 2 }, level: 'warn' });
    for (let i = 0; i < 3; i++) {
      await until(() => gate.held > 0);
      gate.release();
    }
    expect((await Promise.all(outcomes)).map(textOf)).toEqual(['1', '2', '3']);
  });

  test('that wait too long are told that it is busy, and nobody else fails by that', async () => {
    const gate = new Gate();
    const endpoint = await HttpEndpointServer.start(gate.respond);
    const { ask, clock } = clientOf(endpoint.url, { concurrency: 1, timeoutMs: 700 });
    const first = ask('1');
    await until(() => gate.held === 1);
    clock.advance(500);
    const second = ask('2');
    gate.release();
    expect(textOf(await first)).toBe('1');
    await until(() => gate.held === 1);
    const third = ask('3');
    clock.advance(699);
    const waiting = watch(third);
    await turns(5);
    expect(waiting()).toBeNull();
    clock.advance(1);
    expect(await third).toEqual({ kind: 'busy' });
    expect(await second).toMatchObject({ kind: 'failed' }); // its own time was over with that
  });

  test('that have gone while they waited are not asked for', async () => {
    const gate = new Gate();
    const endpoint = await HttpEndpointServer.start(gate.respond);
    const { ask } = clientOf(endpoint.url, { concurrency: 1 });
    const first = ask('1');
    let isGone = false;
    const second = ask('2', () => isGone);
    const third = ask('3');
    await until(() => gate.held === 1);
    isGone = true;
    gate.release();
    expect(await second).toEqual({ kind: 'gone' });
    await until(() => gate.held === 1);
    gate.release();
    expect([textOf(await first), textOf(await third)]).toEqual(['1', '3']);
    expect(endpoint.asked.map(({ body }) => body)).toEqual(['1', '3']);
  });

  test('that have gone leave a full queue to those who have not', async () => {
    const gate = new Gate();
    const endpoint = await HttpEndpointServer.start(gate.respond);
    const { ask } = clientOf(endpoint.url, { concurrency: 1, queueMax: 2 });
    const first = ask('1');
    const gone = [ask('2', () => true), ask('3', () => true)];
    const last = ask('4');
    expect(await Promise.all(gone)).toEqual([{ kind: 'gone' }, { kind: 'gone' }]);
    for (let i = 0; i < 2; i++) {
      await until(() => gate.held > 0);
      gate.release();
    }
    expect([textOf(await first), textOf(await last)]).toEqual(['1', '4']);
  });
});

describe('an endpoint that fails', () => {
  /** Fails when it is told to, in one of the ways that count. */
  async function fragile(options: Partial<HttpOptions> = {}) {
    const endpoint = await HttpEndpointServer.start();
    const made = clientOf(endpoint.url, { circuitFailures: 3, circuitOpenMs: 1_000, ...options });
    const fail = (answer: Answer = { status: 500 }) => {
      endpoint.respond = () => answer;
    };
    const work = () => {
      endpoint.respond = () => ({ body: 'ok' });
    };
    work();
    return { endpoint, fail, work, ...made };
  }

  test.each([500, 502, 503, 429])('with status %i is left alone after so many', async (status) => {
    const { ask, endpoint, fail, book } = await fragile();
    fail({ status });
    for (let i = 0; i < 3; i++) expect(await ask()).toMatchObject({ kind: 'answered', status });
    expect(await ask()).toMatchObject({ kind: 'failed' });
    expect(endpoint.asked).toHaveLength(3);
    expect(book.lines.map(({ message }) => message)).toEqual([
      'the endpoint failed 3 times in a row: it is tried again every 1000 ms, and access is refused meanwhile',
    ]);
  });

  test.each([200, 204, 301, 400, 401, 403, 404, 413, 414])(
    'is not one whose answer has status %i, which a client may provoke',
    async (status) => {
      const { ask, endpoint, fail } = await fragile();
      fail({ status });
      for (let i = 0; i < 10; i++) expect(await ask()).toMatchObject({ kind: 'answered', status });
      expect(endpoint.asked).toHaveLength(10);
    },
  );

  test('is tried by one question after a while, and when that works by all again', async () => {
    const { ask, endpoint, fail, clock, book } = await fragile();
    fail();
    for (let i = 0; i < 3; i++) await ask();
    clock.advance(1_000);
    const gate = new Gate();
    endpoint.respond = gate.respond;
    const trial = ask('trial');
    await until(() => gate.held === 1);
    expect(await ask('beside it')).toMatchObject({ kind: 'failed' });
    gate.release();
    expect(textOf(await trial)).toBe('trial');
    endpoint.respond = ({ body }) => ({ body });
    const all = await Promise.all(['1', '2', '3'].map((text) => ask(text)));
    expect(all.map(textOf)).toEqual(['1', '2', '3']);
    expect(book.infos).toMatchObject([{ message: 'the endpoint answers again' }]);
  });

  test('and fails again when it is tried is left alone for as long again', async () => {
    const { ask, endpoint, fail, work, clock } = await fragile();
    fail();
    for (let i = 0; i < 3; i++) await ask();
    clock.advance(1_000);
    await ask();
    expect(endpoint.asked).toHaveLength(4);
    work();
    clock.advance(999);
    expect(await ask()).toMatchObject({ kind: 'failed' });
    clock.advance(1);
    expect(textOf(await ask())).toBe('ok');
  });

  test('ends the waiting of all who queue for it', async () => {
    const gate = new Gate();
    const { ask, endpoint, clock } = await fragile({
      ...{ concurrency: 2, timeoutMs: 700, circuitFailures: 1 },
    });
    endpoint.respond = gate.respond;
    const running = ['1', '2'].map((text) => ask(text));
    await until(() => gate.held === 2);
    clock.advance(600);
    const waiting = ['3', '4'].map((text) => ask(text));
    clock.advance(100);
    for (const outcome of await Promise.all([...running, ...waiting])) {
      expect(outcome.kind).toBe('failed');
    }
    expect(endpoint.asked).toHaveLength(2);
  });
});

describe('over TLS', () => {
  const ca = Authority.root();

  async function secure(names: Parameters<Authority['server']>[0], options: Partial<HttpOptions>) {
    const { cert, key } = ca.server(names);
    const endpoint = await HttpEndpointServer.start(() => ({ body: 'ok' }), { cert, key });
    return { endpoint, ...clientOf(`https://127.0.0.1:${endpoint.port}/`, options) };
  }

  test('the endpoint is trusted that an authority of the file has signed', async () => {
    const { ask, endpoint } = await secure({}, { ca: ca.issued.cert });
    expect([textOf(await ask()), textOf(await ask())]).toEqual(['ok', 'ok']);
    expect(endpoint.connections).toBe(1);
  });

  test.each([
    ['no authority that is known', {}, null, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another authority', {}, Authority.root().issued.cert, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another name', { dns: ['other'] }, ca.issued.cert, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [
      'a certificate that has expired',
      { ip: ['127.0.0.1'], notBefore: new Date(0), notAfter: new Date(1) },
      ca.issued.cert,
      'CERT_HAS_EXPIRED',
    ],
  ])(
    'one with %s is not, whatever the environment or `insecure` say',
    async (_, names, ca, why) => {
      const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
      try {
        const { ask, endpoint } = await secure(names, { ca, insecure: true });
        expect(await ask()).toMatchObject({ kind: 'failed', problem: why });
        expect(endpoint.asked).toHaveLength(0);
      } finally {
        if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
        else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
      }
    },
  );
});

test('a name that should lead to this machine is asked for here only', async () => {
  const endpoint = await HttpEndpointServer.start(() => ({ body: 'ok' }));
  const { ask } = clientOf(`http://localhost:${endpoint.port}/`);
  expect(textOf(await ask())).toBe('ok');
});

test('closing ends what runs and what waits, and nothing is asked after it', async () => {
  const gate = new Gate();
  const endpoint = await HttpEndpointServer.start(gate.respond);
  const { ask, client, book } = clientOf(endpoint.url, { concurrency: 1 });
  const outcomes = [ask('1'), ask('2')];
  await until(() => gate.held === 1);
  client.close();
  client.close();
  outcomes.push(ask('3'));
  for (const outcome of await Promise.all(outcomes)) {
    expect(outcome).toEqual({ kind: 'failed', problem: 'the server stops asking' });
  }
  expect([endpoint.asked.length, book.lines]).toEqual([1, []]);
});

test('nothing that is said of it is secret', async () => {
  const endpoint = await HttpEndpointServer.start(() => ({ status: 500, body: 'opensesame' }));
  const url = `${endpoint.url}?key=opensesame`;
  const headers = { Authorization: 'Bearer opensesame' };
  const { ask, book, clock } = clientOf(url, { headers, concurrency: 1, queueMax: 1 });
  await Promise.all([ask('opensesame'), ask('opensesame'), ask('opensesame')]);
  for (let i = 0; i < 5; i++) await ask('opensesame');
  await endpoint.close();
  clock.advance(10_000);
  await ask('opensesame');
  expect(book.lines.length).toBeGreaterThan(2);
  expect(JSON.stringify(book.lines)).not.toContain('opensesame');
  expect(JSON.stringify(book.lines)).toContain('127.0.0.1');
});
