// A trace by the control socket: it ends when its reader goes, is not read faster than its reader wants, and says why not.

import { describe, expect, onTestFinished, test } from 'vitest';
import { openControlSocket, type Reader, readServer } from '../../src/cli/control.ts';
import { ControlError, type ServerControl } from '../../src/server/contract.ts';
import { Server } from '../../src/server/server.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { NO_MANAGEMENT } from '../kit/no-management.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { until } from '../kit/until.ts';

const REQUEST = { clientId: null, topic: null, forMs: 60_000, max: 10_000, payload: false };

class Traced {
  readonly server: Server;
  readonly folder: string;

  constructor(server: Server, folder: string) {
    this.server = server;
    this.folder = folder;
  }

  read(reader: Partial<Reader>, request: object = REQUEST): Promise<void> {
    const { signal } = new AbortController();
    const nothing = { onLine: () => true, drained: async () => {}, signal };
    return readServer(this.folder, '/api/v1/trace', request, { ...nothing, ...reader });
  }
}

async function start(): Promise<Traced> {
  const server = new Server();
  const folder = temporaryFolder();
  await server.start();
  const own = { explanations: server.explain(), traces: server.traces };
  const control = { ...own, management: NO_MANAGEMENT } as ServerControl;
  const close = await openControlSocket(folder, control, new LogBook());
  onTestFinished(async () => {
    await server.stop();
    await close();
  });
  return new Traced(server, folder);
}

test('its lines come as they happen, and it ends by itself', async () => {
  const traced = await start();
  const events: string[] = [];
  const onLine = (line: string): boolean => {
    events.push(String(JSON.parse(line).event));
    return true;
  };
  const reading = traced.read({ onLine }, { ...REQUEST, max: 2 });
  await until(() => events.length === 1);
  const client = new PacketClient(traced.server.connect());
  await client.connect('c');
  await until(() => events.length === 2);
  client.publish('t', '1');
  await reading;
  expect(events).toEqual(['begin', 'connect', 'publish', 'end']);
});

test('it ends when its reader goes', async () => {
  const traced = await start();
  const { drops } = traced.server;
  const gone = new AbortController();
  const reading = traced.read({ signal: gone.signal });
  await until(() => drops.trace !== null);
  gone.abort();
  await reading;
  await until(() => drops.trace === null);
});

test('it ends with the server', async () => {
  const traced = await start();
  let last = '';
  const onLine = (line: string): boolean => {
    last = line;
    return true;
  };
  const reading = traced.read({ onLine });
  await until(() => traced.server.drops.trace !== null);
  await traced.server.stop();
  await reading;
  expect(JSON.parse(last)).toMatchObject({ event: 'end', reason: 'shutdown' });
});

test('a reader that is busy is waited for', async () => {
  const traced = await start();
  let resolve = (): void => {};
  const drained = new Promise<void>((done) => {
    resolve = done;
  });
  const events: string[] = [];
  const onLine = (line: string): boolean => {
    events.push(String(JSON.parse(line).event));
    return false;
  };
  const reading = traced.read({ onLine, drained: () => drained }, { ...REQUEST, max: 1 });
  await until(() => events.length === 1);
  const client = new PacketClient(traced.server.connect());
  await client.connect('c');
  await until(() => traced.server.drops.trace === null); // by `max`
  expect(events).toEqual(['begin']);
  resolve();
  await reading;
  expect(events).toEqual(['begin', 'connect', 'end']);
});

describe('what cannot be traced', () => {
  test.each([
    [{ ...REQUEST, topic: 'a/#/b' }, 'invalid'],
    [{ ...REQUEST, topic: '' }, 'invalid'],
    [{ ...REQUEST, forMs: 0 }, 'invalid'],
    [{ ...REQUEST, forMs: 86_400_001 }, 'invalid'],
    [{ ...REQUEST, max: 1_000_001 }, 'invalid'],
    [{ ...REQUEST, payloads: true }, 'invalid'],
  ])('%o', async (request, problem) => {
    const traced = await start();
    const error = await traced.read({}, request).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ControlError);
    expect((error as ControlError).problem).toBe(problem);
    expect(traced.server.drops.trace).toBeNull();
  });

  test('a fifth', async () => {
    const traced = await start();
    let begun = 0;
    const onLine = (): boolean => {
      begun++;
      return true;
    };
    const gone = new AbortController();
    const { signal } = gone;
    const readings = [1, 2, 3, 4].map(() => traced.read({ onLine, signal }));
    await until(() => begun === 4);
    await expect(traced.read({})).rejects.toThrow('4 traces run already');
    gone.abort();
    await Promise.all(readings);
    await until(() => traced.server.drops.trace === null);
    const reading = traced.read({ onLine }, { ...REQUEST, forMs: 1 });
    await reading;
  });
});
