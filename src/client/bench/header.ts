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

/** Microseconds since 1970 that never jump within a process, whatever happens to the wall clock. */
export function nowMicros(): number {
  return (performance.timeOrigin + performance.now()) * 1_000;
}

export function writeHeader(payload: Buffer, header: MessageHeader): void {
  payload.writeUInt32BE(MARK, 0);
  payload.writeUInt32BE(header.run, 4);
  payload.writeUInt32BE(header.publisher, 8);
  payload.writeUInt32BE(header.sequence, 12);
  payload.writeDoubleBE(header.sentAtMicros, 16);
}

/** null: it is no message of a bench, or too short for a header. */
export function readHeader(payload: Uint8Array): MessageHeader | null {
  if (payload.length < HEADER_BYTES) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, HEADER_BYTES);
  if (view.getUint32(0) !== MARK) return null;
  return {
    run: view.getUint32(4),
    publisher: view.getUint32(8),
    sequence: view.getUint32(12),
    sentAtMicros: view.getFloat64(16),
  };
}
