// Each packet of a client as a line at `debug`, with the topic of a PUBLISH and never its payload. It costs nothing while nobody
// asks for such lines: the connection looks once for each piece of what comes in.

import { clip } from '../lib/clip.ts';
import type { Framer } from '../protocol/framer.ts';
import { PacketType } from '../protocol/packet.ts';
import { PACKET_NAMES } from '../protocol/packet-names.ts';
import type { Connection } from './connection.ts';

const DECODER = new TextDecoder();

/** The framer's current packet, before it is handled. Of one whose CONNECT is not accepted the client id is not known. */
export function logPacket({ client, context }: Connection, framer: Framer): void {
  const type = framer.header >> 4;
  const fields = {
    clientId: client === null ? null : clip(client.clientId),
    packet: PACKET_NAMES[type],
    bytes: framer.packetLength,
    ...(type === PacketType.Publish ? publishOf(framer) : {}),
  };
  context.logger.debug(fields, 'packet received');
}

/** What is in the head of a PUBLISH; it may be broken yet. MQTT 5 §3.3.1, §3.3.2.1 */
function publishOf({ bytes, end, header, start }: Framer): object {
  const length = (bytes[start] << 8) | bytes[start + 1];
  const topicEnd = Math.min(end, start + 2 + length);
  return {
    topic: clip(DECODER.decode(bytes.subarray(start + 2, topicEnd))), // empty: by its alias
    qos: (header >> 1) & 3,
    retain: (header & 1) === 1,
    dup: (header & 8) !== 0,
  };
}
