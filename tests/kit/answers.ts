// What the server answers, as tests expect it: the CONNACK of a server with default limits, and the ends of connections, told
// by their reason codes and by the clause that the reason string names, not by the wording around it.

import { expect } from 'vitest';
import { toHex } from './hex.ts';
import type { WireClient } from './wire.ts';

/** CONNACK, v5, of a server with default limits: no session was there. */
export const CONNACK = `
  20 0e        // CONNACK
  00 00        // no session present, Success
  0b           // properties
  21 0064      // Receive Maximum 100
  27 001e8480  // Maximum Packet Size 2,000,000
  22 0020      // Topic Alias Maximum 32`;

/** The same for a session that was there. */
export const CONNACK_PRESENT = `
  20 0e        // CONNACK
  01 00        // session present, Success
  0b           // properties
  21 0064      // Receive Maximum 100
  27 001e8480  // Maximum Packet Size 2,000,000
  22 0020      // Topic Alias Maximum 32`;

/** A v5 CONNACK without session present and with this code was all that came, and the stream has ended. */
export async function expectRefused(
  client: WireClient,
  reasonCode: number,
  clause = '',
): Promise<void> {
  await expectOnly(client, 0x20, [0x00, reasonCode], clause);
}

/** A v5 DISCONNECT with this code was all that came, and the stream has ended. */
export async function expectDisconnected(
  client: WireClient,
  reasonCode: number,
  clause = '',
): Promise<void> {
  await expectOnly(client, 0xe0, [reasonCode], clause);
}

async function expectOnly(
  client: WireClient,
  header: number,
  start: readonly number[],
  clause: string,
): Promise<void> {
  const packets = await client.packets();
  const told = packets.map(toHex).join(' | ');
  const [packet] = packets;
  expect(packets, 'one packet came').toHaveLength(1);
  let position = 1;
  while (packet[position++] >= 0x80);
  const head = [packet[0], ...packet.subarray(position, position + start.length)];
  expect(toHex(Uint8Array.from(head)), told).toBe(toHex(Uint8Array.of(header, ...start)));
  expect(new TextDecoder().decode(packet), 'the reason string').toContain(clause);
  expect(client.isClosed, 'the server closed the connection').toBe(true);
}
