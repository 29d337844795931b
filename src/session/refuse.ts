// A CONNECT that is not accepted: CONNACK in the form its sender understands, then the end. MQTT 5 §3.1.4, §3.2.2.2.

import { formatPeer, limitKey } from '../lib/address.ts';
import { clip, clipName } from '../lib/clip.ts';
import { PacketType } from '../protocol/packet.ts';
import type { ProtocolError } from '../protocol/protocol-error.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { isLegalReasonCode, reasonCodeName } from '../protocol/reason-code-table.ts';
import { ConnectReturnCode, connackReturnCodeV3 } from '../protocol/reason-codes-v3.ts';
import type { Connection } from './connection.ts';
import { byServer } from './departure.ts';

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
  const { trace } = connection.context.tracing;
  if (trace !== null) trace.refused(connection, reasonCode, reasonString);
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
  connection.close(byServer(reasonString, reasonCode));
}

/**
 * What was wrong with a packet, of one who is not let in; of a client its disconnect says it. At a bounded rate.
 */
export function logProtocolError(connection: Connection, error: ProtocolError): void {
  const { client, context, owner, stream } = connection;
  if (client !== null) return;
  const { remoteAddress, remotePort } = stream;
  const fields = {
    remote: formatPeer(remoteAddress, remotePort),
    listener: owner.name,
    reasonCode: hexOf(error.reasonCode),
    clause: error.clause,
  };
  const address = limitKey(remoteAddress);
  const sentence = `the client broke the protocol: ${error.message}`;
  context.refusalLog.info(address, fields, sentence, address);
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
  const hexCode = hexOf(reasonCode);
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

function hexOf(code: number): string {
  return `0x${code.toString(16).padStart(2, '0').toUpperCase()}`;
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
