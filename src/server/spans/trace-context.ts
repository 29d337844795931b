// Which trace a publisher says that its message belongs to: the v5 user property `traceparent`, read as W3C Trace Context has it
// for HTTP (https://www.w3.org/TR/trace-context/). What is not right in every letter, or there twice, counts as nothing. The
// message keeps the property whatever it says. [MQTT-3.3.2-17]

import { NO_LIMITS } from '../../protocol/decode-limits.ts';
import type { Message } from '../../protocol/message.ts';
import { PacketType } from '../../protocol/packet.ts';
import { Reader } from '../../protocol/primitives.ts';
import { readSection } from '../../protocol/properties.ts';

export interface TraceContext {
  /** 32 digits, as all in lower-case hex. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  /** Its maker records it, or says so. */
  readonly isSampled: boolean;
  /** What other tools noted about it; '' for nothing. */
  readonly traceState: string;
}

/** version, trace, span, flags; and what a later version may say behind them */
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s;
/** Of `tracestate`; longer ones may be cut at a comma, or left out. */
const TRACE_STATE_MAX = 512;

/** null: it says nothing that counts. */
export function parseTraceparent(text: string): Omit<TraceContext, 'traceState'> | null {
  const [, version, traceId, spanId, flags, rest] = FORM.exec(text) ?? [];
  if (version === undefined || version === 'ff') return null;
  if (version === '00' && rest !== undefined) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  const isSampled = (Number.parseInt(flags, 16) & 1) === 1;
  return { traceId: copyOf(traceId), spanId: copyOf(spanId), isSampled };
}

/** A part of a text keeps all of it in memory, as long as a client likes to make it. */
function copyOf(hex: string): string {
  return Buffer.from(hex, 'latin1').toString('latin1');
}

/** What the publisher of a message says of its trace, or null. The message may be borrowed. */
export function traceContextOf(message: Message): TraceContext | null {
  const { bytes, propertiesEnd, propertiesStart } = message;
  if (propertiesStart === propertiesEnd) return null;
  const reader = new Reader('PUBLISH', bytes, propertiesStart, propertiesEnd);
  const { userProperties = [] } = readSection(reader, PacketType.Publish, NO_LIMITS);
  const valuesOf = (name: string): string[] =>
    userProperties.filter(([one]) => one === name).map(([, value]) => value);
  const said = valuesOf('traceparent');
  const context = said.length === 1 ? parseTraceparent(said[0]) : null;
  if (context === null) return null;
  return { ...context, traceState: traceStateOf(valuesOf('tracestate')) };
}

/** Several belong together. Whoever reads the trace knows what the entries mean. */
function traceStateOf(values: readonly string[]): string {
  const text = values.join(',');
  return text.length <= TRACE_STATE_MAX && /^[\x20-\x7e]*$/.test(text) ? text : '';
}
