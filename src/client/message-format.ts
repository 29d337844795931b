// The formats of `iothub sub -F`, those of mosquitto_sub: %t topic, %p payload, … @Y year, … \n. A format is read once, with every mistake
// in it told; then each message is written by it. A width goes with what is short; where mosquitto_sub would ignore or cut, it is refused.

import type { PublishPacket } from '../protocol/packet.ts';
import { messageJson } from './message-json.ts';
import { TIME_LETTERS, timePart } from './strftime.ts';

/** When a message came, and how JSON is to look. */
export interface Occasion {
  readonly time: Date;
  /** of the time, within its second */
  readonly nanoseconds: number;
  readonly isPretty: boolean;
}

type Part = (packet: PublishPacket, occasion: Occasion) => string | Uint8Array;

/** What writes messages. Throws PayloadError for %J and a payload that is no JSON. */
export type MessageFormat = readonly Part[];

/** A payload that cannot be written as the format asks. */
export class PayloadError extends Error {}

/** With a width. */
const SHORT: Readonly<Record<string, (packet: PublishPacket, occasion: Occasion) => string>> = {
  t: ({ topicName }) => topicName,
  l: ({ payload }) => String(payload.length),
  m: ({ packetId }) => String(packetId),
  A: ({ properties }) => numeral(properties.topicAlias),
  C: ({ properties }) => properties.contentType ?? '',
  E: ({ properties }) => numeral(properties.messageExpiryInterval),
  F: ({ properties }) => numeral(properties.payloadFormatIndicator),
  I: (_, { time }) => `${timePart('F', time)}T${timePart('T', time)}${timePart('z', time)}`,
  R: ({ properties }) => properties.responseTopic ?? '',
  S: ({ properties }) => (properties.subscriptionIdentifiers ?? []).join(' '),
};
const NUMBERS = 'lmAEFS';

/** Without one. */
const WHOLE: Readonly<Record<string, Part>> = {
  '%': () => '%',
  p: ({ payload }) => payload,
  x: ({ payload }) => bufferOf(payload).toString('hex'),
  X: ({ payload }) => bufferOf(payload).toString('hex').toUpperCase(),
  q: ({ qos }) => String(qos),
  r: ({ retain }) => (retain ? '1' : '0'),
  D: ({ properties }) => properties.correlationData ?? '',
  P: ({ properties }) =>
    (properties.userProperties ?? []).map(([name, value]) => `${name}:${value}`).join(' '),
  U: (_, { time, nanoseconds }) => `${timePart('s', time)}.${nine(nanoseconds)}`,
  j: (packet, occasion) => messageJson(packet, payloadAsText(packet), occasion),
  J: (packet, occasion) => messageJson(packet, payloadAsJson(packet), occasion),
};

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  '0': '\0',
  a: '\x07',
  e: '\x1b',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** Reads a format; what is wrong with it is a sentence. */
export function parseFormat(format: string): MessageFormat | string {
  const parts: Part[] = [];
  const pattern = /%([-0]?)(\d{0,4})(?:\.(\d{1,4}))?(.?)|@(.?)|\\(.?)|[^%@\\]+/gsu;
  for (const [piece, pad, width, precision, field, letter, mark] of format.matchAll(pattern)) {
    let part: Part | string;
    if (field !== undefined) part = fieldPart(piece, field, { pad, width, precision });
    else if (letter !== undefined) part = letterPart(letter);
    else if (mark !== undefined) part = escapePart(mark);
    else part = () => piece;
    if (typeof part === 'string') return part;
    parts.push(part);
  }
  return parts;
}

interface Shape {
  readonly pad: string;
  readonly width: string;
  readonly precision: string | undefined;
}

function fieldPart(piece: string, field: string, shape: Shape): Part | string {
  if (field === '') return 'it ends in the middle of a field: write %% for a %';
  const isPlain = shape.pad === '' && shape.width === '' && shape.precision === undefined;
  if (Object.hasOwn(WHOLE, field)) {
    return isPlain ? WHOLE[field] : `${piece}: no width goes with %${field}`;
  }
  if (!Object.hasOwn(SHORT, field)) return `there is no field %${field}`;
  const part = SHORT[field];
  if (isPlain) return part;
  const isNumber = NUMBERS.includes(field);
  const length = Number(shape.width);
  const charactersMax = isNumber ? undefined : shape.precision;
  return (packet, occasion) => {
    const whole = part(packet, occasion);
    const text = charactersMax === undefined ? whole : whole.slice(0, Number(charactersMax));
    if (shape.pad === '-') return text.padEnd(length);
    return text.padStart(length, shape.pad === '0' && isNumber && text !== '' ? '0' : ' ');
  };
}

function letterPart(letter: string): Part | string {
  if (letter === '') return 'it ends with a single @: write @@ for a @';
  if (letter === '@') return () => '@';
  if (letter === 'N') return (_, { nanoseconds }) => nine(nanoseconds);
  if (!TIME_LETTERS.includes(letter)) return `there is no time @${letter}`;
  return (_, { time }) => timePart(letter, time);
}

function escapePart(mark: string): Part | string {
  if (mark === '') return 'it ends with a single \\: write \\\\ for a \\';
  if (!Object.hasOwn(ESCAPES, mark)) return `there is no escape \\${mark}`;
  const text = ESCAPES[mark];
  return () => text;
}

function numeral(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

function nine(nanoseconds: number): string {
  return String(nanoseconds).padStart(9, '0');
}

function payloadAsText({ payload }: PublishPacket): string {
  return payload.length === 0 ? 'null' : JSON.stringify(bufferOf(payload).toString());
}

function payloadAsJson({ payload, topicName }: PublishPacket): string {
  if (payload.length === 0) return 'null';
  try {
    return JSON.stringify(JSON.parse(bufferOf(payload).toString()));
  } catch {
    throw new PayloadError(`the payload is not JSON, on the topic ${topicName}`);
  }
}

function bufferOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}
