// `iothub sub`: prints messages until enough came, the time is over, a signal comes, or the server ends it. Payloads go to the standard output as they
// are; on a terminal what could act on it is escaped. A standard output that does not keep up pauses the connection.

import { dial } from '../../client/dial.ts';
import { PayloadError } from '../../client/message-format.ts';
import { Subscriber, type SubscriberEnd, type SubscriberOptions } from '../../client/subscriber.ts';
import { matchesFilter, splitSharedFilter } from '../../protocol/filter.ts';
import type { PublishPacket } from '../../protocol/packet.ts';
import { escapeHarmful } from '../escape.ts';
import { ClientExitCode, ExitCode } from '../exit-code.ts';
import type { SubLine } from '../sub-line.ts';
import {
  clientOptions,
  complain,
  DIAL_TIMEOUT_MS,
  FileProblem,
  packetLog,
  refusalSentence,
  tlsOf,
} from './client-run.ts';

/** More at QoS 1 and 2 than these are not sent, but messages that are to be removed. */
const INFLIGHT_MAX = 20;
const FAILURE = 0x80;

/** Resolves with the exit code. */
export async function sub(line: SubLine): Promise<number> {
  const { connection } = line;
  try {
    const tls = await tlsOf(connection);
    const open = () => dial(connection.address, tls, DIAL_TIMEOUT_MS);
    return await new Subscription(line).run(open);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    complain('sub', connection, error.message);
    return ExitCode.Runtime;
  }
}

class Subscription {
  readonly #line: SubLine;
  #subscriber: Subscriber | null = null;
  #printed = 0;
  #isTimeOver = false;

  constructor(line: SubLine) {
    this.#line = line;
  }

  async run(open: () => ReturnType<typeof dial>): Promise<number> {
    const { connection, timeoutMs } = this.#line;
    const subscriber = new Subscriber(open, this.#options(), {
      onMessage: (message) => this.#onMessage(message),
      onSubscribed: (reasonCodes) => this.#onSubscribed(reasonCodes),
      onNotice: (sentence) => complain('sub', connection, sentence),
      onPacket: packetLog(connection),
    });
    this.#subscriber = subscriber;
    const stop = (): void => void subscriber.stop();
    process.once('SIGINT', stop).once('SIGTERM', stop);
    process.stdout.once('error', stop); // nobody reads any more
    process.stdout.on('drain', () => subscriber.resume());
    let timer: NodeJS.Timeout | undefined;
    if (timeoutMs !== null) {
      timer = setTimeout(() => {
        this.#isTimeOver = true;
        stop();
      }, timeoutMs);
    }
    const ended = await subscriber.run();
    clearTimeout(timer);
    return this.#exitCodeOf(ended);
  }

  #options(): SubscriberOptions {
    const { connection, topicFilters, qos, retainAsPublished, retainHandling } = this.#line;
    const { properties } = connection;
    return {
      client: clientOptions(connection, INFLIGHT_MAX),
      subscriptions: topicFilters.map((topicFilter) => ({
        ...{ topicFilter, qos, retainAsPublished, retainHandling },
        noLocal: false,
      })),
      subscribeProperties: properties.subscribe,
      unsubscribeFrom: this.#line.unsubscribeFrom,
      unsubscribeProperties: properties.unsubscribe,
      disconnectProperties: properties.disconnect,
      endsWhenSubscribed: this.#line.endsWhenSubscribed,
    };
  }

  #exitCodeOf(ended: SubscriberEnd): number {
    const { connection } = this.#line;
    if (this.#isTimeOver) {
      complain('sub', connection, 'the time of -W is over');
      return ClientExitCode.TimeOver;
    }
    if (ended.by === 'client') return ExitCode.Ok;
    if (ended.by === 'network') {
      complain('sub', connection, ended.message);
      return ExitCode.Runtime;
    }
    complain('sub', connection, refusalSentence(ended, connection));
    return ended.reasonCode;
  }

  #onSubscribed(reasonCodes: readonly number[]): void {
    const { connection, topicFilters } = this.#line;
    if (reasonCodes.every((code) => code >= FAILURE)) return; // it ends, and says so
    for (const [i, code] of reasonCodes.entries()) {
      if (code < FAILURE) continue;
      complain('sub', connection, `the server refuses the subscription to ${topicFilters[i]}`);
    }
  }

  /** False: that was the last one. */
  #onMessage(message: PublishPacket): boolean {
    const { retained, hidden, removesRetained, count } = this.#line;
    if (retained === 'only' && !message.retain) return this.#finish();
    if (retained === 'none' && message.retain) return true;
    if (hidden.some((filter) => isHidden(message.topicName, filter))) return true;
    if (removesRetained && message.retain) this.#subscriber?.removeRetained(message.topicName);
    this.#print(message);
    this.#printed++;
    return this.#printed === count ? this.#finish() : true;
  }

  /** Ends when the message at hand is acknowledged. */
  #finish(): false {
    queueMicrotask(() => void this.#subscriber?.stop());
    return false;
  }

  #print(message: PublishPacket): void {
    const pieces = this.#piecesOf(message);
    if (pieces === null) return;
    const bytes = process.stdout.isTTY
      ? pieces.map(harmless).join('')
      : Buffer.concat(pieces.map((piece) => Buffer.from(piece as Uint8Array)));
    if (bytes.length > 0 && !process.stdout.write(bytes)) this.#subscriber?.pause();
  }

  /** null: nothing is printed. */
  #piecesOf(message: PublishPacket): (string | Uint8Array)[] | null {
    const { format, isVerbose, hasLineEnds, isPretty, connection } = this.#line;
    const end = hasLineEnds ? ['\n'] : [];
    const { topicName, payload } = message;
    if (format === null) {
      if (payload.length === 0) return isVerbose && hasLineEnds ? [topicName, ' (null)\n'] : null;
      return isVerbose ? [topicName, ' ', payload, ...end] : [payload, ...end];
    }
    const millis = Date.now();
    const nanoseconds = (millis % 1_000) * 1_000_000;
    const occasion = { time: new Date(millis), nanoseconds, isPretty };
    try {
      return [...format.map((part) => part(message, occasion)), ...end];
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error;
      complain('sub', connection, error.message);
      return [...end];
    }
  }
}

function isHidden(topicName: string, filter: string): boolean {
  return matchesFilter(topicName, splitSharedFilter(filter).topicFilter);
}

/** Lines and tabs of payloads may stay. */
function harmless(piece: string | Uint8Array): string {
  const text = typeof piece === 'string' ? piece : Buffer.from(piece).toString();
  return text
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : escapeHarmful(part)))
    .join('');
}
