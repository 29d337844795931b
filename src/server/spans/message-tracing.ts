// OpenTelemetry traces of messages, while somebody wants them: joins who watches with who sends, switches them on, off and over,
// and leaves nothing behind. Switched off it costs what a trace costs that nobody runs: nothing of its own.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { Context } from '../../session/context.ts';
import type { ServerOptions } from '../options.ts';
import { SpanExporter } from './exporter.ts';
import { MessageSpans } from './message-spans.ts';
import { SpanCounts, type SpanFigures, type TracingOptions } from './options.ts';
import { Selection } from './selection.ts';
import { RandomSpanIds } from './span-ids.ts';

/** The last spans have so long to get out. */
const CLOSE_MS = 5_000;

interface Running {
  readonly options: TracingOptions;
  readonly spans: MessageSpans;
  readonly exporter: SpanExporter;
}

export class MessageTracing {
  readonly #context: Context;
  readonly #version: string | null;
  readonly #abort: AbortSignal;
  readonly #instanceId = randomUUID();
  readonly #counts = new SpanCounts();
  readonly #closing = new Set<Promise<void>>();
  #running: Running | null = null;
  #isClosed = false;

  /** `abort`: nothing is waited for any more. */
  constructor(
    context: Context,
    { sys, tracing }: Pick<ServerOptions, 'sys' | 'tracing'>,
    abort: AbortSignal,
  ) {
    this.#context = context;
    this.#version = sys?.version ?? null;
    this.#abort = abort;
    this.set(tracing ?? null);
  }

  get figures(): SpanFigures {
    const { exported, lost } = this.#counts;
    return { exported, lost: { ...lost }, waiting: this.#running?.exporter.waiting ?? 0 };
  }

  /** null: off. What the former had gets out meanwhile. Throws TypeError for an endpoint that is no URL, a header that is none. */
  set(options: TracingOptions | null): void {
    if (this.#isClosed || isDeepStrictEqual(options, this.#running?.options ?? null)) return;
    const next = options === null ? null : this.#start(options);
    this.#end();
    this.#running = next;
    if (next !== null) this.#context.tracing.add(next.spans);
  }

  /** The last spans get out, or their time is over. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end();
    await Promise.all(this.#closing);
  }

  #start(options: TracingOptions): Running {
    const context = this.#context;
    const { alarms, clock, logs, wheel } = context;
    const counts = this.#counts;
    const resource = {
      'service.name': options.serviceName,
      ...(this.#version === null ? {} : { 'service.version': this.#version }),
      'service.instance.id': this.#instanceId,
      'host.name': hostname(),
    };
    const exporter = new SpanExporter({
      ...{ options, resource, version: this.#version, counts, random: Math.random },
      ...{ alarms, clock, wheel, logger: logs.server },
    });
    const spans = new MessageSpans({
      ...{ context, options, counts, ids: new RandomSpanIds() },
      selection: new Selection(options, Math.random),
      take: (span) => exporter.add(span),
    });
    return { options, spans, exporter };
  }

  #end(): void {
    const former = this.#running;
    if (former === null) return;
    this.#running = null;
    this.#context.tracing.remove(former.spans);
    former.spans.close();
    const closing = former.exporter.close(CLOSE_MS, this.#abort).finally(() => {
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
  }
}
