// The lower four bits of a packet's first byte, which are reserved in every packet but PUBLISH. MQTT 5 §2.1.3.

import type { ProtocolVersion } from '../packet.ts';
import { malformed } from '../primitives.ts';

const DUP = 0x08;

/**
 * Throws ProtocolError MalformedPacket when the flags in `header`, a first byte, are not what the packet type asks for. [MQTT-2.1.3-1]
 * In 3.1 the packets that have 0010 here may be sent again with DUP, which means nothing (MQTT 3.1 §2.1).
 */
export function checkFixedFlags(
  packet: string,
  header: number,
  expected: 0 | 2,
  version: ProtocolVersion = 5,
  clause = 'MQTT-2.1.3-1',
): void {
  const flags = header & 0x0f;
  const meant = version === 3 && expected === 2 ? flags & ~DUP : flags;
  if (meant !== expected) {
    const bits = flags.toString(2).padStart(4, '0');
    throw malformed(clause, `${packet} has the header flags ${bits}`);
  }
}
