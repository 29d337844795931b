// Random operations for a world: what clients may do, and how it is done to the server and to the model of it.

import fc from 'fast-check';
import type { ProtocolVersion, QoS } from '../../src/protocol/index.ts';
import type { ModelLimits, ModelSession, ModelSubscription } from './model.ts';
import type { World } from './world.ts';

const TOPICS = ['a', 'a/b', 'a/c', 'b/b', '/b', '$s/b'];
const FILTERS = ['a', 'a/b', 'a/+', 'a/#', '+/b', '#', '+', '$s/#', 'will/+', '/b'];

const clientId = fc.constantFrom('c0', 'c1', 'c2', 'c3');
const qos = fc.constantFrom<QoS>(0, 1, 2);
const pick = fc.nat(7);
const topicName = fc.constantFrom(...TOPICS);
const message = fc.record({
  topicName,
  qos,
  retain: fc.boolean(),
  expiry: fc.constantFrom(null, null, 1, 3),
});

export const operation = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('connect' as const),
      clientId,
      version: fc.constantFrom<ProtocolVersion>(3, 4, 5, 5, 5),
      cleanStart: fc.constantFrom(false, false, true),
      expiry: fc.constantFrom(0, 2, 5, 9),
      receiveMaximum: fc.constantFrom(1, 2, 65_535),
      will: fc.option(fc.record({ message, delay: fc.constantFrom(0, 0, 1, 4) })),
      topicAliasMaximum: fc.nat(3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      clientId,
      filters: fc.uniqueArray(fc.constantFrom(...FILTERS), { minLength: 1, maxLength: 3 }),
      qos,
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
      identifier: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('unsubscribe' as const),
      clientId,
      filters: fc.uniqueArray(fc.constantFrom(...FILTERS), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      clientId,
      message,
      isEmpty: fc.constantFrom(false, false, false, true),
      useAlias: fc.boolean(),
      thenDies: fc.constantFrom(false, false, false, false, false, true),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('acknowledge' as const),
      clientId,
      pick,
      refuses: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), clientId, pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const), clientId, pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('disconnect' as const),
      clientId,
      how: fc.constantFrom('normal' as const, 'with will' as const, 'rude' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      seconds: fc.constantFrom(0.05, 1, 1, 2, 6),
    }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

export const limits: fc.Arbitrary<ModelLimits> = fc.record({
  inflightMessagesMax: fc.constantFrom(1, 3, 20),
  queueMessagesMax: fc.constantFrom(1, 4, 100),
  queuePolicy: fc.constantFrom('drop-new' as const, 'drop-oldest' as const),
  queueQos0: fc.boolean(),
  sessionExpiryMax: fc.constantFrom(0, 6, 9),
});

/** Whoever has something to do comes back first, with what it had. */
async function connected(world: World, clientId: string): Promise<ModelSession> {
  if (world.session(clientId) === null) {
    const version = world.model.sessions.get(clientId)?.version ?? (clientId === 'c0' ? 4 : 5);
    await world.connect(
      { clientId, version, cleanStart: false, expiry: 5, receiveMaximum: 3, will: null },
      2,
    );
  }
  const session = world.session(clientId);
  if (session === null) throw new Error(`${clientId} did not connect`);
  return session;
}

export async function apply(world: World, op: Operation): Promise<void> {
  if (op.do === 'advance') return world.advance(op.seconds * 1_000);
  const { clientId } = op;
  if (op.do === 'connect') {
    const { version } = op;
    const will = op.will && {
      delay: version === 5 ? op.will.delay : 0,
      message: world.message(clientId, {
        ...op.will.message,
        topicName: `will/${clientId}`,
        expiry: version === 5 ? op.will.message.expiry : null,
      }),
    };
    return world.connect({ ...op, will }, op.topicAliasMaximum);
  }
  const session = await connected(world, clientId);
  const isV5 = session.version === 5;
  switch (op.do) {
    case 'subscribe': {
      const requests = op.filters.map(
        (topicFilter): ModelSubscription => ({
          topicFilter,
          qos: op.qos,
          noLocal: isV5 && op.noLocal,
          retainAsPublished: isV5 && op.retainAsPublished,
          retainHandling: isV5 ? op.retainHandling : 0,
          identifier: isV5 ? op.identifier : 0,
        }),
      );
      return world.subscribe(clientId, requests);
    }
    case 'unsubscribe':
      return world.unsubscribe(clientId, op.filters);
    case 'publish': {
      const made = world.message(clientId, {
        ...op.message,
        expiry: isV5 ? op.message.expiry : null,
      });
      const sent = op.isEmpty && op.message.retain ? { ...made, payload: '' } : made;
      return world.publish(clientId, sent, op.useAlias, op.thenDies);
    }
    case 'acknowledge':
      return world.acknowledge(clientId, op.pick, op.refuses);
    case 'release':
      return world.release(clientId, op.pick);
    case 'repeat':
      return world.repeat(clientId, op.pick);
    case 'disconnect':
      return world.disconnect(clientId, op.how);
  }
}
