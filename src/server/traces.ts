// The traces that run. While there is none, the session layer and the drops know of nobody to tell.

import type { DropReason } from '../core/drop.ts';
import { DROP_REASON_NAMES } from '../core/drop.ts';
import { formatPeer } from '../lib/address.ts';
import { clipName } from '../lib/clip.ts';
import { parseTopicFilter, splitSharedFilter } from '../protocol/filter.ts';
import type { Message } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import type { Connection } from '../session/connection.ts';
import type { Context } from '../session/context.ts';
import type { OutboundMessage } from '../session/outbound-message.ts';
import type { Session } from '../session/session.ts';
import type { Trace } from '../session/trace.ts';
import { ActiveTrace } from './active-trace.ts';
import type { OpenTrace, TraceControl, TraceEvent, TraceRequest } from './contract/trace.ts';
import { ControlError } from './contract.ts';

/** That run at a time. */
const TRACES_MAX = 4;
/** Bytes of a payload that are shown. */
const PAYLOAD_MAX = 1_024;

const NO_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 65_535 };

type Fields = Readonly<Record<string, unknown>>;

export class Traces implements TraceControl, Trace {
  readonly #context: Context;
  #active: readonly ActiveTrace[] = [];
  #isClosed = false;

  constructor(context: Context) {
    this.#context = context;
  }

  open(request: TraceRequest): OpenTrace {
    if (request.topic !== null) checkFilter(request.topic);
    if (this.#isClosed) throw new ControlError('unavailable', 'the server stops');
    if (this.#active.length >= TRACES_MAX) {
      const message = `${TRACES_MAX} traces run already, which is all there may be: end one first`;
      throw new ControlError('unavailable', message);
    }
    const { clock, tracing, wheel } = this.#context;
    const onEnd = (ended: ActiveTrace): void => this.#remove(ended);
    const trace = new ActiveTrace(request, { clock, wheel, onEnd });
    this.#active = [...this.#active, trace];
    tracing.add(this);
    return trace;
  }

  /** All end, and none begins any more. */
  close(): void {
    this.#isClosed = true;
    for (const trace of this.#active) trace.end('shutdown');
  }

  connected(connection: Connection, { client }: Session, sessionPresent: boolean): void {
    const { owner, stream, version } = connection;
    this.#tell(client.clientId, null, 'connect', () => ({
      username: client.username === null ? null : clipName(client.username),
      remote: formatPeer(stream.remoteAddress, stream.remotePort),
      listener: owner.name,
      version,
      sessionPresent,
    }));
  }

  refused({ request, stream, owner }: Connection, reasonCode: number, why: string): void {
    this.#tell(request?.clientId ?? '', null, 'refused', () => ({
      username: request?.username == null ? null : clipName(request.username),
      remote: formatPeer(stream.remoteAddress, stream.remotePort),
      listener: owner.name,
      reasonCode,
      reason: why,
    }));
  }

  disconnected(connection: Connection, { clientId }: Session): void {
    const { clock } = this.#context;
    this.#tell(clientId, null, 'disconnect', () => ({
      side: connection.departure?.side ?? null,
      reason: connection.departure?.reason ?? null,
      durationMs: Math.round(clock.now() - connection.openedAtMs),
    }));
  }

  subscribed({ clientId }: Session, topicFilter: string, reasonCode: number): void {
    this.#tellFilter(clientId, topicFilter, 'subscribe', reasonCode);
  }

  unsubscribed({ clientId }: Session, topicFilter: string, reasonCode: number): void {
    this.#tellFilter(clientId, topicFilter, 'unsubscribe', reasonCode);
  }

  published(message: Message, packetId: number, reasonCode: number): void {
    const { qos, retain, publisher } = message;
    const decision = reasonCode < 0x80 ? 'accepted' : 'refused';
    this.#tellMessage(publisher?.clientId ?? '', message, 'publish', () => ({
      ...{ qos, retain, packetId, size: message.payloadLength, decision, reasonCode },
    }));
  }

  willPublished(message: Message): void {
    const { qos, retain, publisher } = message;
    this.#tellMessage(publisher?.clientId ?? '', message, 'will', () => ({
      ...{ qos, retain, size: message.payloadLength },
    }));
  }

  queued(session: Session, { message, qos }: OutboundMessage): void {
    this.#tell(session.clientId, message.topic.name, 'queued', () => ({
      ...{ qos, size: message.payloadLength, queuedMessages: session.queuedMessages },
    }));
  }

  delivered(
    clientId: string,
    message: Message,
    qos: QoS,
    retain: boolean,
    dup: boolean,
    packetId: number,
  ): void {
    const publisher = message.publisher?.clientId ?? null;
    this.#tellMessage(clientId, message, 'delivered', () => ({
      ...{ publisher, qos, retain, dup, packetId, size: message.payloadLength },
    }));
  }

  acknowledged({ clientId }: Session, entry: OutboundMessage, reasonCode: number): void {
    const { message, packetId, qos } = entry;
    this.#tell(clientId, message.topic.name, 'acknowledged', () => ({
      ...{ qos, packetId, reasonCode },
    }));
  }

  // A line says these already, or they are about the server, not the client.
  routed(): void {}
  loaded(): void {}
  moved(): void {}
  lost(): void {}
  lostStored(): void {}

  onDrop(reason: DropReason, clientId: string | null, topicName: string, count: number): void {
    this.#tell(clientId ?? '', topicName, 'dropped', () => ({
      ...{ reason: DROP_REASON_NAMES[reason], count },
    }));
  }

  #tell(
    clientId: string,
    topic: string | null,
    event: TraceEvent['event'],
    fields: () => Fields,
  ): void {
    for (const trace of this.#active) {
      if (!trace.wants(clientId, topic) || !trace.takes()) continue;
      const about = topic === null ? { clientId } : { clientId, topic };
      trace.add({ at: this.#at(), event, ...about, ...fields() });
    }
  }

  #tellFilter(
    clientId: string,
    topicFilter: string,
    event: 'subscribe' | 'unsubscribe',
    reasonCode: number,
  ): void {
    const { topicFilter: inner } = splitSharedFilter(topicFilter);
    for (const trace of this.#active) {
      if (!trace.wantsFilter(clientId, inner) || !trace.takes()) continue;
      trace.add({ at: this.#at(), event, clientId, topicFilter, reasonCode });
    }
  }

  #tellMessage(
    clientId: string,
    message: Message,
    event: TraceEvent['event'],
    fields: () => Fields,
  ): void {
    const topic = message.topic.name;
    for (const trace of this.#active) {
      if (!trace.wants(clientId, topic) || !trace.takes()) continue;
      const payload = trace.withPayload ? shownPayload(message) : {};
      trace.add({ at: this.#at(), event, clientId, topic, ...fields(), ...payload });
    }
  }

  #remove(ended: ActiveTrace): void {
    this.#active = this.#active.filter((trace) => trace !== ended);
    if (this.#active.length === 0) this.#context.tracing.remove(this);
  }

  #at(): string {
    return new Date(this.#context.clock.wallNow()).toISOString();
  }
}

/** Throws ControlError. */
function checkFilter(topicFilter: string): void {
  try {
    const { shareName } = parseTopicFilter(topicFilter, NO_LIMITS);
    if (shareName === null) return;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ControlError('invalid', `${JSON.stringify(topicFilter)}: ${error.message}`);
  }
  const message = `${JSON.stringify(topicFilter)}: a filter without $share is expected`;
  throw new ControlError('invalid', message);
}

/** Its beginning, as text if it is some. */
function shownPayload({ payload }: Message): Fields {
  const isClipped = payload.length > PAYLOAD_MAX;
  const bytes = payload.subarray(0, PAYLOAD_MAX);
  try {
    // As a stream: a character that was cut in two is left out.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: isClipped });
    return { payload: text, payloadEncoding: 'utf-8', isClipped };
  } catch {
    const payloadText = Buffer.from(bytes).toString('base64');
    return { payload: payloadText, payloadEncoding: 'base64', isClipped };
  }
}
