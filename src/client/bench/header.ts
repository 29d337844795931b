// What `iothub bench` writes at the start of a payload, so that whoever receives it knows which message it is and when it was sent: a
// mark, the run, the publisher, the number of the message, the time. What is too short for it, or has no mark, is only counted.

/** The run is in it so that messages of an earlier one are not taken for messages of this one. */
export interface MessageHeader {
  readonly run: number;
  readonly publisher: number;
  readonly sequence: number;
  /** microseconds since 1970 */
  readonly sentAtMicros: number;
}

/** A payload of fewer bytes carries no header. */
export const HEADER_BYTES = 24;
const MARK = 0x696f_7462; // "iotb"
/** Of the two numbers: at 100,000 messages a second those of four bytes would be used up in half a day. */
const PUBLISHER_BYTES = 3;
const SEQUENCE_BYTES = 5;

/** Microseconds since 1970 that never jump within a process, whatever happens to the wall clock. */
export function nowMicros(): number {
  return (performance.timeOrigin + performance.now()) * 1_000;
}

export function writeHeader(payload: Buffer, header: MessageHeader): void {
  payload.writeUInt32BE(MARK, 0);
  payload.writeUInt32BE(header.run, 4);
  payload.writeUIntBE(header.publisher, 8, PUBLISHER_BYTES);
  payload.writeUIntBE(header.sequence, 8 + PUBLISHER_BYTES, SEQUENCE_BYTES);
  payload.writeDoubleBE(header.sentAtMicros, 16);
}

/** null: it is no message of a bench, or too short for a header. */
export function readHeader(payload: Uint8Array): MessageHeader | null {
  if (payload.length < HEADER_BYTES) return null;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, HEADER_BYTES);
  const sentAtMicros = bytes.readDoubleBE(16);
  if (bytes.readUInt32BE(0) !== MARK || Number.isNaN(sentAtMicros)) return null;
  return {
    run: bytes.readUInt32BE(4),
    publisher: bytes.readUIntBE(8, PUBLISHER_BYTES),
    sequence: bytes.readUIntBE(8 + PUBLISHER_BYTES, SEQUENCE_BYTES),
    sentAtMicros,
  };
}
