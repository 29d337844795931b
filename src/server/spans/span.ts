// A span, and how OTLP writes it in JSON (https://opentelemetry.io/docs/specs/otlp/): identifiers in hex, 64-bit integers as
// texts, enumerations as their numbers.

/** As OTLP numbers them. */
export const SpanKind = { Producer: 4, Consumer: 5 } as const;
export type SpanKind = (typeof SpanKind)[keyof typeof SpanKind];

const STATUS_ERROR = 2;
/** Bits of `flags`: sampled; it is known whether the parent is elsewhere; it is. */
const SAMPLED = 0x001;
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

export type AttributeValue = string | number | boolean;
export type Attributes = Record<string, AttributeValue>;

export interface SpanEvent {
  readonly name: string;
  /** Wall clock milliseconds, with what there is of a fraction, as all times here. */
  readonly atMs: number;
}

/** Another one that it has to do with, and is no child of. */
export interface SpanLink {
  readonly traceId: string;
  readonly spanId: string;
}

export class Span {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  /** null: it is the root of its trace. */
  readonly parentSpanId: string | null;
  /** The parent is not the server's. */
  readonly isParentRemote: boolean;
  readonly traceState: string;
  readonly startMs: number;
  endMs: number;
  readonly attributes: Attributes;
  readonly events: SpanEvent[] = [];
  link: SpanLink | null = null;
  /** What went wrong, or null. */
  error: string | null = null;

  constructor(fields: SpanFields, startMs: number, attributes: Attributes) {
    this.name = fields.name;
    this.kind = fields.kind;
    this.traceId = fields.traceId;
    this.spanId = fields.spanId;
    this.parentSpanId = fields.parentSpanId;
    this.isParentRemote = fields.isParentRemote;
    this.traceState = fields.traceState;
    this.startMs = startMs;
    this.endMs = startMs;
    this.attributes = attributes;
  }
}

export type SpanFields = Pick<
  Span,
  'name' | 'kind' | 'traceId' | 'spanId' | 'parentSpanId' | 'isParentRemote' | 'traceState'
>;

/** The body of a request, an ExportTraceServiceRequest. `resource`: what the server is. */
export function exportRequest(
  spans: readonly Span[],
  resource: Attributes,
  version: string | null,
): string {
  const scope = version === null ? { name: 'iothub' } : { name: 'iothub', version };
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: keyValues(resource) },
        scopeSpans: [{ scope, spans: spans.map(written) }],
      },
    ],
  });
}

/** Fields without a value are left out. */
function written(span: Span): object {
  const { attributes, error, events, kind, link, name, parentSpanId, spanId, traceId } = span;
  return {
    ...{ traceId, spanId, traceState: span.traceState === '' ? undefined : span.traceState },
    parentSpanId: parentSpanId ?? undefined,
    flags: SAMPLED | HAS_IS_REMOTE | (span.isParentRemote ? IS_REMOTE : 0),
    ...{ name, kind },
    startTimeUnixNano: nanos(span.startMs),
    endTimeUnixNano: nanos(span.endMs),
    attributes: keyValues(attributes),
    events: events.map(({ name: event, atMs }) => ({ timeUnixNano: nanos(atMs), name: event })),
    links: link === null ? [] : [{ ...link, flags: HAS_IS_REMOTE | IS_REMOTE }],
    status: error === null ? {} : { code: STATUS_ERROR, message: error },
  };
}

function keyValues(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

function anyValue(value: AttributeValue): object {
  // Where a name was cut may be half of a character, and collectors refuse a whole request for one.
  if (typeof value === 'string') return { stringValue: value.replace(/\p{Surrogate}/gu, '\ufffd') };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Whole microseconds: a clock says no more. */
function nanos(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}
