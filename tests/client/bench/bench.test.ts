// `iothub bench` without its command line: against a server in this process, and against servers that do something wrong, of which every
// loss, repetition and refusal must be told.

import { describe, expect, onTestFinished, test } from 'vitest';
import { Bench } from '../../../src/client/bench/bench.ts';
import { nowMicros, readHeader } from '../../../src/client/bench/header.ts';
import { Member } from '../../../src/client/bench/member.ts';
import type {
  BenchPlan,
  BenchSummary,
  Fault,
  IntervalReport,
} from '../../../src/client/bench/plan.ts';
import { BenchPublisher } from '../../../src/client/bench/publisher.ts';
import { Tally } from '../../../src/client/bench/tally.ts';
import type { ClientOptions } from '../../../src/client/client.ts';
import { ConnectionError, dial } from '../../../src/client/dial.ts';
import {
  type Packet,
  PacketType,
  type PublishPacket,
  type QoS,
} from '../../../src/protocol/index.ts';
import { Server } from '../../../src/server/server.ts';
import { usedBytes } from '../../kit/resources.ts';
import { until } from '../../kit/until.ts';
import { type Misbehaviour, ScriptedBroker } from './scripted-broker.ts';

function clientOf(clientId: string): ClientOptions {
  return {
    ...{ protocolVersion: 5, clientId, cleanStart: true, keepAlive: 60 },
    ...{ username: null, password: null, will: null, properties: {}, inflightMax: 20 },
  };
}

function planOf(plan: Partial<BenchPlan>): BenchPlan {
  return {
    ...{ kind: 'pairs', clients: 1, firstNumber: 1, connectionsPerSecond: null, qos: 1 },
    ...{ retain: false, payloadBytes: 64, publishProperties: {}, subscribeProperties: {} },
    ...{ messagesPerSecond: null, messages: 100, durationMs: null, patienceMs: 20 },
    clientOf: (number, role) => clientOf(`${role}-${number}`),
    topicOf: (number) => `load/${number}`,
    ...plan,
  };
}

interface Outcome {
  readonly summary: BenchSummary;
  readonly told: readonly Fault[];
}

async function runBench(
  plan: Partial<BenchPlan>,
  open: ConstructorParameters<typeof Bench>[1],
): Promise<Outcome> {
  const told: Fault[] = [];
  const events = { onFault: (fault: Fault) => told.push(fault), onInterval: () => {} };
  const summary = await new Bench(planOf(plan), open, events).run();
  return { summary, told };
}

function against(how: Misbehaviour, plan: Partial<BenchPlan> = {}): Promise<Outcome> {
  return runBench(plan, new ScriptedBroker(how).open);
}

async function startServer(protocol: 'mqtt' | 'ws') {
  const server = new Server({ listeners: [{ protocol, host: '127.0.0.1', port: 0 }] });
  onTestFinished(() => server.stop());
  await server.start();
  const address = {
    ...{ protocol, host: '127.0.0.1', path: protocol === 'ws' ? '/mqtt' : '' },
    port: server.addresses[0].port as number,
  };
  return () => dial(address, { isInsecure: false }, 30_000);
}

describe('pairs on a server that does it right', () => {
  test.each([
    ['mqtt', 0],
    ['mqtt', 1],
    ['mqtt', 2],
    ['ws', 1],
  ] as const)('by %s at QoS %i', async (protocol, qos) => {
    const plan = { qos, clients: 5, messages: 1_003, patienceMs: 10_000 };
    const { summary, told } = await runBench(plan, await startServer(protocol));
    expect(told).toEqual([]);
    expect(summary).toMatchObject({
      ...{ isClean: true, connections: 10, failed: 0, lostConnections: 0 },
      ...{ sent: 1_003, received: 1_003, acknowledged: qos === 0 ? 0 : 1_003 },
      ...{ lost: 0, duplicates: 0, outOfOrder: 0, unnumbered: 0, unacknowledged: 0, unsent: 0 },
    });
    expect(summary.latencyMs?.count).toBe(1_003);
    expect(summary.acknowledgementMs?.count).toBe(qos === 0 ? undefined : 1_003);
    expect(summary.connectMs?.count).toBe(10);
  });

  test('at a rate', async () => {
    const plan = { clients: 3, messages: 50, messagesPerSecond: 5_000, patienceMs: 10_000 };
    const { summary } = await runBench(plan, await startServer('mqtt'));
    expect(summary).toMatchObject({ isClean: true, sent: 50, received: 50, unsent: 0 });
  });
});

test('subscribers count what comes, of whatever publisher, and end when it is enough', async () => {
  const open = await startServer('mqtt');
  const topicOf = () => 'load/#';
  const heard: IntervalReport[] = [];
  const sub = new Bench(planOf({ kind: 'sub', clients: 2, messages: 120, topicOf }), open, {
    ...{ onFault: () => {}, onInterval: (report) => heard.push(report) },
  });
  const counted = sub.run();
  await until(() => heard.some(({ phase }) => phase === 'running'));
  await runBench({ kind: 'pub', clients: 3, messages: 60, patienceMs: 10_000 }, open);
  expect(await counted).toMatchObject({
    ...{ isClean: true, connections: 2, received: 120, lost: 0, duplicates: 0, unnumbered: 0 },
    latencyMs: { count: 120 },
  });
});

describe('told is', () => {
  function copy(publish: PublishPacket, qos: QoS = 0): PublishPacket {
    return { ...publish, qos, packetId: 0 };
  }

  test('every message that does not arrive, arrives twice, or too late', async () => {
    let held: PublishPacket | null = null;
    const { summary } = await against({
      deliver: (publish, k) => {
        if (k % 10 === 3) return []; // 10 of 100
        if (k % 25 === 0) return [copy(publish), copy(publish)]; // 4 of 100
        if (k === 51) {
          held = publish;
          return [];
        }
        return k === 52 && held !== null ? [copy(publish), copy(held)] : [copy(publish)];
      },
    });
    expect(summary).toMatchObject({
      ...{ isClean: false, sent: 100, acknowledged: 100, received: 94 },
      ...{ lost: 10, duplicates: 4, outOfOrder: 1 },
    });
  });

  test.each([
    [1, true],
    [2, false],
    [0, false],
  ] as const)('a duplicate at QoS %i, which is fine there: %j', async (qos, isClean) => {
    const twice = { deliver: (publish: PublishPacket) => [copy(publish), copy(publish)] };
    const { summary } = await against(
      {
        ...twice,
        after: (packet, say) => {
          const answer = { reasonCode: 0, properties: {} } as const;
          if (packet.type === PacketType.Publish && packet.qos === 2) {
            say({ type: PacketType.Pubrec, packetId: packet.packetId, ...answer });
          }
          if (packet.type === PacketType.Pubrel) {
            say({ type: PacketType.Pubcomp, packetId: packet.packetId, ...answer });
          }
        },
      },
      { qos, messages: 10 },
    );
    expect(summary).toMatchObject({ duplicates: 10, lost: 0, isClean });
  });

  test('what the server refuses, which is not lost', async () => {
    let k = 0;
    const { summary, told } = await against({ puback: () => (k++ % 4 === 0 ? 0x97 : 0) });
    expect(told).toEqual([{ packet: 'PUBACK', reasonCode: 0x97, message: '' }]);
    expect(summary).toMatchObject({
      ...{ isClean: false, sent: 100, refused: 25, acknowledged: 75, lost: 0 },
      faults: [{ count: 25 }],
    });
  });

  test('also while somebody else publishes there without end', async () => {
    let subscriber = (_packet: Packet): void => {};
    const { summary } = await against(
      {
        deliver: () => [],
        after: (packet, say) => {
          if (packet.type === PacketType.Subscribe) subscriber = say;
          if (packet.type !== PacketType.Publish) return;
          const foreign = { ...packet, qos: 0, packetId: 0, payload: Buffer.alloc(30) } as const;
          const timer = setInterval(() => subscriber({ ...foreign, properties: {} }), 1);
          onTestFinished(() => clearInterval(timer));
        },
      },
      { messages: 1 },
    );
    expect(summary).toMatchObject({ isClean: false, sent: 1, acknowledged: 1, lost: 1 });
  });

  test('what is never acknowledged', async () => {
    const { summary } = await against({ puback: () => null, deliver: () => [] });
    expect(summary).toMatchObject({ isClean: false, sent: 20, unacknowledged: 20, lost: 0 });
  });

  test('why clients are refused, once, and how many', async () => {
    const { summary, told } = await against(
      {
        connack: (k) =>
          k % 2 === 0
            ? { reasonCode: 0 }
            : { reasonCode: 0x97, properties: { reasonString: 'too many' } },
      },
      { kind: 'conn', clients: 8, durationMs: 1 },
    );
    expect(told).toEqual([{ packet: 'CONNACK', reasonCode: 0x97, message: 'too many' }]);
    expect(summary).toMatchObject({ isClean: false, connections: 4, failed: 4 });
    expect(summary.faults[0].count).toBe(4);
  });

  test('that none comes about, without trying all of them', async () => {
    const broker = new ScriptedBroker({ connack: () => ({ reasonCode: 0x88 }) });
    const plan = { clients: 100_000, connectionsPerSecond: 1_000 };
    const { summary } = await runBench(plan, broker.open);
    expect(broker.connects).toBeLessThan(1_000);
    expect(summary).toMatchObject({ isClean: false, connections: 0, failed: broker.connects });
  });

  test('a subscription that is refused, of which no publisher is made', async () => {
    const { summary, told } = await against({ suback: 0x87 }, { clients: 3 });
    expect(told).toEqual([{ packet: 'SUBACK', reasonCode: 0x87, message: '' }]);
    expect(summary).toMatchObject({ isClean: false, connections: 3, failed: 3, sent: 0 });
  });

  test('a connection that the server ends, and what was out then', async () => {
    const { summary, told } = await against(
      {
        puback: () => null,
        deliver: () => [],
        after: (packet, say) => {
          if (packet.type !== PacketType.Publish || packet.packetId < 20) return;
          say({ type: PacketType.Disconnect, reasonCode: 0x8b, properties: {} });
        },
      },
      { kind: 'pub', messages: null },
    );
    expect(told).toEqual([{ packet: 'DISCONNECT', reasonCode: 0x8b, message: '' }]);
    expect(summary).toMatchObject({ isClean: false, lostConnections: 1, unacknowledged: 20 });
  });

  test('a server that breaks off, or speaks nonsense', async () => {
    for (const [nonsense, sentence] of [
      [null, 'the server closed the connection'],
      [Buffer.from('ff00', 'hex'), 'the server sent what no server may send'],
    ] as const) {
      const { summary, told } = await against(
        {
          after: (packet, _, far) => {
            if (packet.type !== PacketType.Connect) return;
            if (nonsense === null) far.end();
            else far.write(nonsense);
          },
        },
        { kind: 'conn', clients: 2 },
      );
      expect(told.map(({ message }) => message)).toEqual([expect.stringContaining(sentence)]);
      expect(summary).toMatchObject({ isClean: false, connections: 2, lostConnections: 2 });
    }
  });

  test('a message that is too large for the server', async () => {
    const connack = () => ({ reasonCode: 0, properties: { maximumPacketSize: 50 } });
    const { summary, told } = await against({ connack }, { kind: 'pub', clients: 2 });
    expect(told).toEqual([
      { packet: null, message: 'the server takes packets of 50 bytes at most' },
    ]);
    expect(summary.isClean).toBe(false);
  });
});

describe('a bench that is stopped', () => {
  test('waits for what is on its way, or the second time does not', async () => {
    for (const stops of [1, 2]) {
      const bench = new Bench(
        planOf({ messages: null, patienceMs: 600_000 }),
        new ScriptedBroker({
          puback: () => (stops === 1 ? 0 : null),
          after: (packet) => {
            if (packet.type !== PacketType.Publish || packet.packetId !== 5) return;
            for (let i = 0; i < stops; i++) bench.stop();
          },
        }).open,
        { onFault: () => {}, onInterval: () => {} },
      );
      const summary = await bench.run();
      expect(summary.isClean).toBe(stops === 1);
      expect(summary.received).toBe(summary.sent);
    }
  });

  test('while hundreds hang: those that come and go leave nothing with them', async () => {
    const { open } = new ScriptedBroker();
    let opened = 0;
    let onMany = (): void => {};
    const many = new Promise<void>((resolve) => {
      onMany = resolve;
    });
    const openOne = (): ReturnType<typeof open> => {
      if (++opened === 4_000) onMany();
      if (opened === 1) return open();
      return opened <= 500 ? new Promise(() => {}) : Promise.reject(new ConnectionError('gone'));
    };
    const plan = planOf({ kind: 'conn', clients: 5_000 });
    const bench = new Bench(plan, openOne, { onFault: () => {}, onInterval: () => {} });
    const before = await usedBytes();
    const running = bench.run();
    await many;
    expect(await usedBytes()).toBeLessThan(before + 20_000_000);
    bench.stop();
    expect(await running).toMatchObject({ connections: 1 });
  });

  test('while it connects does not go on', async () => {
    const broker = new ScriptedBroker({ after: () => bench.stop() });
    const plan = planOf({ kind: 'conn', clients: 1_000, connectionsPerSecond: 100 });
    const bench = new Bench(plan, broker.open, { onFault: () => {}, onInterval: () => {} });
    await bench.run();
    expect(broker.connects).toBe(1);
  });
});

test('a message that the server made wait is as old as when it was due', async () => {
  const seen: number[] = [];
  const acknowledge: (() => void)[] = [];
  const broker = new ScriptedBroker({
    puback: () => null,
    after: (packet, say) => {
      if (packet.type !== PacketType.Publish) return;
      seen.push(readHeader(packet.payload)?.sentAtMicros ?? 0);
      const { packetId } = packet;
      acknowledge.push(() =>
        say({ type: PacketType.Puback, packetId, reasonCode: 0, properties: {} }),
      );
    },
  });
  const tally = new Tally(() => {});
  const options = { ...clientOf('p'), inflightMax: 1 };
  const events = { onMessage: () => true, onLost: () => {} };
  const joined = await Member.join(broker.open, options, tally, events);
  if (joined === null) throw new Error('it did not connect');
  const plan = { ...planOf({}), clientOf: () => options };
  const parts = { ...joined, payload: Buffer.alloc(64) };
  const publisher = new BenchPublisher(plan, 1, 1, parts, tally);
  const due = [7, 5];
  const pace = { take: () => due.pop() ?? null, tick: () => 1, isExhausted: false, unsent: 0 };
  const before = nowMicros();
  publisher.begin(pace);
  publisher.pump();
  await until(() => seen.length === 1);
  acknowledge[0]();
  await until(() => seen.length === 2);
  expect(seen[0]).toBeGreaterThanOrEqual(Math.floor(before)); // it had not to wait
  expect(Math.abs(seen[1] - (performance.timeOrigin + 7) * 1_000)).toBeLessThan(1_000);
  joined.member.leave();
});
