// A message as a line of JSON, as mosquitto_sub's %j and %J write it: the same keys in the same order. Written by hand, since user
// properties may have a name twice and must keep both.

import type { Properties, PublishPacket } from '../protocol/packet.ts';
import { PROPERTY_ROWS } from '../protocol/property-table.ts';
import { timePart } from './strftime.ts';

const LABELS = new Map<string, string>(
  PROPERTY_ROWS.map(({ name, label }) => [name, label.toLowerCase().replaceAll(' ', '-')]),
);

type Member = readonly [name: string, json: string];

/** `payload` is JSON already. `indent`: how far in this stands, or null for one line. */
export function messageJson(
  packet: PublishPacket,
  payload: string,
  { time, isPretty }: { readonly time: Date; readonly isPretty: boolean },
): string {
  const properties = propertyMembers(packet.properties, isPretty);
  const members: Member[] = [
    ['tst', JSON.stringify(timestamp(time))],
    ['topic', JSON.stringify(packet.topicName)],
    ['qos', String(packet.qos)],
    ['retain', packet.retain ? '1' : '0'],
    ['payloadlen', String(packet.payload.length)],
  ];
  if (packet.qos > 0) members.push(['mid', String(packet.packetId)]);
  if (properties.length > 0) members.push(['properties', object(properties, isPretty)]);
  members.push(['payload', isPretty ? indented(payload) : payload]);
  return object(members, isPretty);
}

function timestamp(time: Date): string {
  const micros = String(time.getMilliseconds()).padStart(3, '0');
  return `${timePart('F', time)}T${timePart('T', time)}.${micros}000Z${timePart('z', time)}`;
}

function propertyMembers(properties: Properties, isPretty: boolean): Member[] {
  return Object.entries(properties).map(([name, value]): Member => {
    if (name === 'userProperties') {
      const pairs = properties.userProperties ?? [];
      const members = pairs.map(([key, text]): Member => [key, JSON.stringify(text)]);
      return ['user-properties', object(members, isPretty)];
    }
    if (name === 'subscriptionIdentifiers') {
      const identifiers = properties.subscriptionIdentifiers ?? [];
      const json = identifiers.length === 1 ? String(identifiers[0]) : JSON.stringify(identifiers);
      return ['subscription-identifier', json];
    }
    const label = LABELS.get(name) ?? name;
    if (value instanceof Uint8Array) return [label, JSON.stringify(Buffer.from(value).toString())];
    return [label, JSON.stringify(value)];
  });
}

function object(members: readonly Member[], isPretty: boolean): string {
  if (!isPretty) return `{${members.map(([k, json]) => `${JSON.stringify(k)}:${json}`).join(',')}}`;
  const lines = members.map(
    ([k, json]) => `\t${JSON.stringify(k)}:\t${json.replaceAll('\n', '\n\t')}`,
  );
  return `{\n${lines.join(',\n')}\n}`;
}

/** With the indents of the rest. */
function indented(json: string): string {
  return JSON.stringify(JSON.parse(json), null, '\t').replaceAll(
    /^(\t*"(?:[^"\\]|\\.)*":) /gm,
    '$1\t',
  );
}
