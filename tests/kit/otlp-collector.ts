// A collector on loopback that takes OTLP over HTTP with JSON, and looks at every letter of it: identifiers, times, the types of
// values. It answers as it is told.

import { expect } from 'vitest';
import type { TracingOptions } from '../../src/server/spans/options.ts';
import { type Asked, HttpEndpointServer, type Respond } from './http-endpoint.ts';
import { until } from './until.ts';
import type { TestServer } from './wire.ts';

/** A span as it came, with its attributes by name. */
export interface SpanTaken {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly flags: number;
  readonly kind: number;
  readonly startNanos: bigint;
  readonly endNanos: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly error: string | null;
}

const NANOS = /^[1-9]\d{18}$/;
const OTLP_FIELDS = new Set([
  ...['traceId', 'spanId', 'traceState', 'parentSpanId', 'flags', 'name', 'kind'],
  ...['startTimeUnixNano', 'endTimeUnixNano', 'attributes', 'events', 'links', 'status'],
]);

export class OtlpCollector {
  readonly endpoint: HttpEndpointServer;
  readonly #spans: SpanTaken[] = [];
  /** Requests that were looked at. */
  #seen = 0;
  /** Of the last request. */
  resource: Readonly<Record<string, unknown>> = {};

  static async start(respond: Respond = () => ({ json: {} })): Promise<OtlpCollector> {
    return new OtlpCollector(await HttpEndpointServer.start(respond));
  }

  private constructor(endpoint: HttpEndpointServer) {
    this.endpoint = endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${this.endpoint.port}/v1/traces`;
  }

  /** All that came so far, in the order in which it was over. */
  get spans(): SpanTaken[] {
    const { asked } = this.endpoint;
    while (this.#seen < asked.length) this.#spans.push(...this.#read(asked[this.#seen++]));
    return this.#spans;
  }

  /** All spans, when there are so many; time passes until then. */
  async taken(broker: TestServer, count: number): Promise<SpanTaken[]> {
    await until(() => {
      if (this.spans.length < count) broker.clock.advance(50);
      return this.spans.length >= count;
    });
    expect(this.spans).toHaveLength(count);
    return this.spans;
  }

  /** What it is configured with. */
  options(options: Partial<TracingOptions> = {}): TracingOptions {
    return {
      ...{ endpoint: this.url, headers: {}, serviceName: 'hub', clients: [], topics: [] },
      ...{ ratio: 1, follow: true, spansPerSecondMax: 1_000, queueMax: 1_000, timeoutMs: 5_000 },
      ...options,
    };
  }

  #read({ method, url, headers, body }: Asked): SpanTaken[] {
    expect([method, url.replace(/\?.*/, '')]).toEqual(['POST', '/v1/traces']);
    expect(headers['content-type']).toBe('application/json');
    const request = fields(JSON.parse(body), ['resourceSpans']);
    const [resourceSpans] = array(request.resourceSpans, 1);
    const { resource, scopeSpans } = fields(resourceSpans, ['resource', 'scopeSpans']);
    this.resource = attributes(fields(resource, ['attributes']).attributes);
    const [scoped] = array(scopeSpans, 1);
    const { scope, spans } = fields(scoped, ['scope', 'spans']);
    expect(scope).toMatchObject({ name: 'iothub' });
    return array(spans).map(span);
  }
}

function span(value: unknown): SpanTaken {
  const one = value as Record<string, never>;
  expect(Object.keys(one).filter((key) => !OTLP_FIELDS.has(key))).toEqual([]);
  expect(one.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
  expect(one.spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
  if ('parentSpanId' in one) expect(one.parentSpanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
  expect(one.startTimeUnixNano).toMatch(NANOS);
  expect(one.endTimeUnixNano).toMatch(NANOS);
  expect([4, 5]).toContain(one.kind);
  const [startNanos, endNanos] = [BigInt(one.startTimeUnixNano), BigInt(one.endTimeUnixNano)];
  expect(endNanos >= startNanos).toBe(true);
  return {
    ...{ name: one.name, traceId: one.traceId, spanId: one.spanId },
    ...{ parentSpanId: one.parentSpanId, traceState: one.traceState, flags: one.flags },
    ...{ kind: one.kind, startNanos, endNanos, attributes: attributes(one.attributes) },
    events: array(one.events).map((event) => {
      const { name, timeUnixNano } = fields(event, ['timeUnixNano', 'name']);
      expect(timeUnixNano).toMatch(NANOS);
      return name as string;
    }),
    links: array(one.links).map((link) => {
      const { traceId, spanId } = fields(link, ['traceId', 'spanId', 'flags']);
      return { traceId: traceId as string, spanId: spanId as string };
    }),
    error: errorOf(one.status),
  };
}

function errorOf(status: unknown): string | null {
  if (Object.keys(status as object).length === 0) return null;
  const { code, message } = fields(status, ['code', 'message']);
  expect(code).toBe(2);
  return message as string;
}

/** By name: an `intValue` is a text of digits. */
function attributes(value: unknown): Record<string, unknown> {
  const entries = array(value).map((one): [string, unknown] => {
    const { key, value: typed } = fields(one, ['key', 'value']);
    const [[type, plain], ...more] = Object.entries(typed as object);
    expect(more).toEqual([]);
    if (type === 'intValue') expect(plain).toMatch(/^-?\d+$/);
    else expect(`${typeof plain}Value`).toBe(type === 'boolValue' ? 'booleanValue' : type);
    return [key as string, type === 'intValue' ? Number(plain) : plain];
  });
  expect(new Set(entries.map(([key]) => key)).size).toBe(entries.length);
  return Object.fromEntries(entries);
}

function fields(value: unknown, names: readonly string[]): Record<string, unknown> {
  expect(Object.keys(value as object).sort()).toEqual([...names].sort());
  return value as Record<string, unknown>;
}

function array(value: unknown, length?: number): unknown[] {
  expect(Array.isArray(value)).toBe(true);
  if (length !== undefined) expect(value).toHaveLength(length);
  return value as unknown[];
}
