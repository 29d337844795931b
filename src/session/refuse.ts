// A CONNECT that is not accepted: CONNACK in the form its sender understands, then the end. MQTT 5 §3.1.4, §3.2.2.2.

import { formatPeer, limitKey } from '../lib/address.ts';
import { clip, clipName } from '../lib/clip.ts';
import { PacketType } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { isLegalReasonCode, reasonCodeName } from '../protocol/reason-code-table.ts';
import { ConnectReturnCode, connackReturnCodeV3 } from '../protocol/reason-codes-v3.ts';
import type { Connection } from './connection.ts';

/** Characters of what an authenticator says for the log. */
const DETAIL_MAX = 512;

/**
 * `serverReference` goes with UseAnotherServer and ServerMoved. [MQTT-3.2.2-7] `detail` is for the log only: what really was the
 * matter.
 */
export function refuseConnect(
  connection: Connection,
  reasonCode: ReasonCode,
  reasonString: string,
  serverReference?: string,
  detail?: string,
): void {
  if (!connection.isOpen) return;
  logRefusal(connection, reasonCode, reasonString, detail);
  if (connection.isConnect) {
    if (connection.version === 5) {
      connection.writer.send({
        type: PacketType.Connack,
        sessionPresent: false, // [MQTT-3.2.2-6]
        reasonCode: isLegalReasonCode(PacketType.Connack, reasonCode)
          ? reasonCode
          : ReasonCode.UnspecifiedError, // [MQTT-3.2.2-8]
        properties: { reasonString, serverReference },
      });
    } else if (!isMalformed(reasonCode)) {
      const returnCode = connackReturnCodeV3(reasonCode);
      connection.writer.send({
        type: PacketType.Connack,
        sessionPresent: false,
        reasonCode: returnCode === 0 ? ConnectReturnCode.ServerUnavailable : returnCode,
        properties: {},
      });
    }
  }
  connection.close(reasonString);
}

/** A line for each way of failing, address and user name, at a bounded rate. */
function logRefusal(
  connection: Connection,
  reasonCode: ReasonCode,
  reasonString: string,
  detail = '',
): void {
  if (connection.isExplained) return;
  connection.isExplained = true;
  const { context, owner, request, stream, version } = connection;
  const { username = null } = request ?? {};
  const name = username === null ? null : clipName(username);
  const hexCode = `0x${reasonCode.toString(16).padStart(2, '0').toUpperCase()}`;
  const fields = {
    clientId: request === null ? null : clip(request.clientId),
    username: name,
    remote: formatPeer(stream.remoteAddress, stream.remotePort),
    listener: owner.name,
    version,
    reasonCode: hexCode,
    reason: clip(reasonString, DETAIL_MAX),
    ...(detail === '' ? {} : { detail: clip(detail, DETAIL_MAX) }),
  };
  const address = limitKey(stream.remoteAddress);
  const key = `${address} ${clip(reasonString)} ${name ?? ''}`;
  const sentence = `a CONNECT was refused: ${hexCode} ${reasonCodeName(reasonCode)}`;
  context.refusalLog.info(key, fields, sentence, address);
}

/** v3 has no return code for a CONNECT that breaks the protocol: the connection is closed without one. 3.1.1 §3.1.4. */
function isMalformed(reasonCode: ReasonCode): boolean {
  return reasonCode === ReasonCode.MalformedPacket || reasonCode === ReasonCode.ProtocolError;
}

/** Why a stream's first bytes cannot be those of CONNECT, for the operator: mostly it is another protocol; null if they can. */
export function whyNotConnect(chunk: Uint8Array, length: number): string | null {
  const first = chunk[0];
  if (first === 0x16 && length > 1 && chunk[1] === 3) {
    return 'TLS came to a port without TLS: the client speaks TLS, this listener does not; check its URL';
  }
  if (first >> 4 === PacketType.Connect) return null;
  const isText = first >= 0x41 && first <= 0x5a; // GET, POST, SSH-…
  return isText
    ? 'the first packet is not CONNECT: the client seems to speak HTTP or another text protocol'
    : 'the first packet is not CONNECT';
}
