// What a message of the benchmark says: which flow it belongs to (the messages of one publisher to one topic), which one of
// it this is, and when it was due. So every receiver can tell what is lost, doubled, late or damaged, and how long it took.

/** The least payload. */
export const PAYLOAD_BYTES_MIN = 16;

const NUMBER_AT = 4;
const DUE_AT = 8;
const FILLER = 0x2e;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** All but what differs from message to message. @param {number} flow @param {number} size */
export function payloadOf(flow, size) {
  const payload = Buffer.alloc(size, FILLER);
  payload.writeUInt32LE(flow, 0);
  return payload;
}

/** Fills in the rest, in `bytes[start..end)`. */
export function stamp(bytes, start, end, number, dueMs) {
  bytes.writeUInt32LE(number, start + NUMBER_AT);
  double[0] = dueMs;
  for (let i = 0; i < 8; i++) bytes[start + DUE_AT + i] = doubleBytes[i];
  // So that the end of the payload tells one message from another, too.
  if (end - start > PAYLOAD_BYTES_MIN) bytes[end - 1] = number;
}

export function flowOf(bytes, start) {
  return readUint32(bytes, start);
}

export function numberOf(bytes, start) {
  return readUint32(bytes, start + NUMBER_AT);
}

export function dueMsOf(bytes, start) {
  for (let i = 0; i < 8; i++) doubleBytes[i] = bytes[start + DUE_AT + i];
  return double[0];
}

/** Whether the payload is as long as it was, and ends as it did. */
export function isWhole(bytes, start, end, size) {
  if (end - start !== size) return false;
  return size === PAYLOAD_BYTES_MIN || bytes[end - 1] === (bytes[start + NUMBER_AT] & 0xff);
}

function readUint32(bytes, at) {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
