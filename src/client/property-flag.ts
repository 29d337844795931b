// The values of `-D` and `--property`: `-D publish content-type text/plain`, `-D connect user-property name value`. A property is called as the
// specification calls it, in lower case with dashes, and may stand where the specification lets it.

import { PacketType, type Properties } from '../protocol/packet.ts';
import {
  PROPERTY_ROWS,
  type PropertyOwner,
  type PropertyRow,
  WILL,
} from '../protocol/property-table.ts';

const PROPERTY_PACKETS = {
  connect: PacketType.Connect,
  publish: PacketType.Publish,
  subscribe: PacketType.Subscribe,
  unsubscribe: PacketType.Unsubscribe,
  disconnect: PacketType.Disconnect,
  will: WILL,
} as const satisfies Record<string, PropertyOwner>;
export type PropertyPacket = keyof typeof PROPERTY_PACKETS;

export const USER_PROPERTY = 'user-property';

const MAXIMUM = { uint16: 65_535, uint32: 0xffff_ffff, identifiers: 268_435_455 } as const;

/** The properties of each packet. */
export type PropertiesByPacket = { readonly [K in PropertyPacket]: Properties };

/** Reads all of them, each as its words; a mistake is a sentence. */
export function readProperties(given: readonly (readonly string[])[]): PropertiesByPacket | string {
  const properties: Record<PropertyPacket, Properties> = {
    ...{ connect: {}, publish: {}, subscribe: {}, unsubscribe: {}, disconnect: {}, will: {} },
  };
  for (const words of given) {
    const problem = addProperty(properties, words);
    if (problem !== null) return problem;
  }
  return properties;
}

function addProperty(
  properties: Record<PropertyPacket, Properties>,
  [packet = '', name = '', ...values]: readonly string[],
): string | null {
  if (!Object.hasOwn(PROPERTY_PACKETS, packet)) {
    return `"${packet}" is no packet with properties: one of ${Object.keys(PROPERTY_PACKETS).join(', ')}`;
  }
  const owner = PROPERTY_PACKETS[packet as PropertyPacket];
  const mine = properties[packet as PropertyPacket];
  const rows = PROPERTY_ROWS.filter((row) => mayStand(row, owner));
  const row = rows.find((one) => flagName(one) === name);
  if (row === undefined) {
    const names = rows.map(flagName).join(', ');
    return `${packet} has no property "${name}", but ${names}`;
  }
  if (row.name === 'userProperties') {
    if (values.length !== 2) return `${packet} ${name} needs a name and a value`;
    mine.userProperties = [...(mine.userProperties ?? []), [values[0], values[1]]];
    return null;
  }
  if (values.length !== 1) return `${packet} ${name} needs a value`;
  if (mine[row.name] !== undefined) return `${packet} ${name} is given twice`;
  const value = readValue(row, values[0]);
  if (value === null) return `${packet} ${name}: "${values[0]}" is not ${rangeOf(row)}`;
  (mine as Record<string, unknown>)[row.name] = value;
  return null;
}

/** A client does not say which subscription a message is for. [MQTT-3.3.4-6] */
function mayStand({ name, owners }: PropertyRow, owner: PropertyOwner): boolean {
  const isServers = owner === PacketType.Publish && name === 'subscriptionIdentifiers';
  return owners.includes(owner) && !isServers;
}

function flagName({ label }: PropertyRow): string {
  return label.toLowerCase().replaceAll(' ', '-');
}

function readValue(row: PropertyRow, text: string): unknown {
  switch (row.kind) {
    case 'bit':
      return text === '0' || text === '1' ? Number(text) : null;
    case 'boolean':
      return text === '0' || text === '1' ? text === '1' : null;
    case 'uint16':
    case 'uint32':
    case 'identifiers': {
      const value = Number(text);
      const isIn = /^\d{1,10}$/.test(text) && value >= row.minimum && value <= MAXIMUM[row.kind];
      if (!isIn) return null;
      return row.kind === 'identifiers' ? [value] : value;
    }
    case 'binary':
      return Buffer.from(text);
    case 'topic':
      return text === '' || /[+#\0]/.test(text) ? null : text;
    default:
      return text.includes('\0') ? null : text;
  }
}

function rangeOf(row: PropertyRow): string {
  switch (row.kind) {
    case 'bit':
    case 'boolean':
      return '0 or 1';
    case 'uint16':
    case 'uint32':
    case 'identifiers':
      return `a number from ${row.minimum} to ${MAXIMUM[row.kind]}`;
    case 'topic':
      return 'a topic name';
    default:
      return 'a text';
  }
}
