// What `iothub pub` does, without reading or printing: it connects, publishes one message after the other within the server's window, and
// ends the connection when all are acknowledged. It does not connect again, as mosquitto_pub does not: who sent what would not be sure.

import type { Duplex } from 'node:stream';
import type { Properties } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import {
  type ClientHandler,
  type ClientOptions,
  type Ended,
  MqttClient,
  type OutgoingMessage,
} from './client.ts';
import { ConnectionError } from './dial.ts';

export interface PublisherOptions {
  readonly client: ClientOptions;
  readonly disconnectProperties: Properties;
}

/** How it ended, when not all were sent and taken. */
export type PublisherProblem =
  | {
      readonly by: 'server';
      readonly packet: 'CONNACK' | 'PUBACK' | 'DISCONNECT';
      readonly reasonCode: number;
      readonly message: string;
    }
  | { readonly by: 'network'; readonly isConnected: boolean; readonly message: string };

/** Messages that are out, at most: what is read further waits. */
const UNFINISHED_MAX = 1_000;
const FAILURE = 0x80;

/** Publishes all; resolves with null when the server took them, else with the first thing that went wrong. */
export async function publishAll(
  stream: Duplex,
  options: PublisherOptions,
  messages: AsyncIterable<OutgoingMessage>,
  onPacket: ClientHandler['onPacket'],
): Promise<PublisherProblem | null> {
  let ended: Ended | null = null;
  let onLost: (error: Error) => void = () => {};
  const lost = new Promise<never>((_, reject) => {
    onLost = reject;
  });
  lost.catch(() => {}); // nobody may be waiting
  const handler: ClientHandler = {
    onMessage: () => true, // of a session that had subscribed
    onEnd: (how) => {
      ended = how;
      onLost(new ConnectionError(how.by === 'client' ? 'the connection has ended' : how.message));
    },
    onPacket,
  };
  const client = new MqttClient(stream, options.client, handler);
  try {
    const { reasonCode, properties } = await client.connect();
    if (reasonCode !== ReasonCode.Success) {
      const message = properties.reasonString ?? '';
      return { by: 'server', packet: 'CONNACK', reasonCode, message };
    }
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof RangeError)) throw error;
    return { by: 'network', isConnected: false, message: error.message };
  }
  try {
    const refused = await sendAll(client, messages, lost);
    client.disconnect(options.disconnectProperties);
    return refused;
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof RangeError)) {
      client.disconnect();
      throw error;
    }
    return problemOf(ended, error, client);
  }
}

function problemOf(ended: Ended | null, error: Error, client: MqttClient): PublisherProblem {
  if (ended?.by === 'server') return { ...ended, packet: 'DISCONNECT' };
  client.disconnect();
  return { by: 'network', isConnected: true, message: error.message };
}

/** Resolves when all are acknowledged, with the first refusal. */
async function sendAll(
  client: MqttClient,
  messages: AsyncIterable<OutgoingMessage>,
  lost: Promise<never>,
): Promise<PublisherProblem | null> {
  const iterator = messages[Symbol.asyncIterator]();
  const unfinished = new Set<Promise<void>>();
  let refused: PublisherProblem | null = null;
  let failure: unknown = null;
  for (;;) {
    // Whoever writes the next message may take long, and a lost connection should be told before.
    const next = await Promise.race([iterator.next(), lost]);
    if (next.done === true) break;
    const published = client
      .publish(next.value)
      .then(
        (reasonCode) => {
          if (reasonCode < FAILURE) return;
          refused ??= { by: 'server', packet: 'PUBACK', reasonCode, message: '' };
        },
        (error: unknown) => {
          failure ??= error;
        },
      )
      .then(() => void unfinished.delete(published));
    unfinished.add(published);
    if (unfinished.size >= UNFINISHED_MAX) await Promise.race(unfinished);
    if (failure !== null) break;
  }
  await Promise.all(unfinished);
  if (failure !== null) throw failure;
  return refused;
}
