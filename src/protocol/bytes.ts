// Copying and comparing bytes without allocating. Copies of what a message is made of, a few dozen bytes mostly, decide what the
// message path costs: through views, four bytes at a time, they take a third of what a loop over bytes or `set` with a
// `subarray` takes (bench/micro/copy.bench.ts).

const LOOP_MAX = 96;

/** Copies `source[start..end)` to `target[at..)`; returns the position after it. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): number {
  const length = end - start;
  if (length <= LOOP_MAX) {
    let to = at;
    for (let from = start; from < end; from++) target[to++] = source[from];
    return to;
  }
  target.set(source.subarray(start, end), at);
  return at + length;
}

/** The view of the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Room for bytes that will all be written before anybody reads them: not cleared where the runtime can leave that out. */
export function allocate(size: number): Uint8Array {
  return typeof Buffer === 'undefined' ? new Uint8Array(size) : Buffer.allocUnsafeSlow(size);
}

/** From here on the runtime's own copy is faster, although it allocates. */
const VIEW_MAX = 384;

/** Copies `source[start..end)` to `target[at..)`; returns the position after it. */
export function copyView(
  source: DataView,
  start: number,
  end: number,
  target: DataView,
  at: number,
): number {
  if (end - start > VIEW_MAX) return copyLarge(source, start, end, target, at);
  let from = start;
  let to = at;
  // Integers, not floats: those might change what they carry.
  for (const last = end - 16; from <= last; from += 16, to += 16) {
    target.setInt32(to, source.getInt32(from, true), true);
    target.setInt32(to + 4, source.getInt32(from + 4, true), true);
    target.setInt32(to + 8, source.getInt32(from + 8, true), true);
    target.setInt32(to + 12, source.getInt32(from + 12, true), true);
  }
  for (const last = end - 4; from <= last; from += 4, to += 4) {
    target.setInt32(to, source.getInt32(from, true), true);
  }
  while (from < end) target.setUint8(to++, source.getUint8(from++));
  return to;
}

function copyLarge(
  source: DataView,
  start: number,
  end: number,
  target: DataView,
  at: number,
): number {
  new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
    new Uint8Array(source.buffer, source.byteOffset + start, end - start),
    at,
  );
  return at + end - start;
}

/** Whether `a[start..end)` holds the same bytes as `b[at..at + length)`. The caller knows that the lengths agree. */
export function sameBytes(
  a: Uint8Array,
  start: number,
  end: number,
  b: Uint8Array,
  at: number,
): boolean {
  let other = at;
  for (let i = start; i < end; i++) if (a[i] !== b[other++]) return false;
  return true;
}

/** Writes a two-byte big-endian integer; returns the position after it. MQTT 5 §1.5.2. */
export function writeUint16(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 8;
  target[at + 1] = value & 0xff;
  return at + 2;
}

/** Writes a four-byte big-endian integer; returns the position after it. MQTT 5 §1.5.3. */
export function writeUint32(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 24;
  target[at + 1] = (value >>> 16) & 0xff;
  target[at + 2] = (value >>> 8) & 0xff;
  target[at + 3] = value & 0xff;
  return at + 4;
}

/** Bytes that `value` takes as a variable byte integer, 1 to 4. MQTT 5 §1.5.5. */
export function variableByteIntegerLength(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}

/** Writes a variable byte integer in its shortest form; returns the position after it. MQTT 5 §1.5.5. */
export function writeVariableByteInteger(target: Uint8Array, at: number, value: number): number {
  let rest = value; // [MQTT-1.5.5-1]
  let position = at;
  while (rest > 127) {
    target[position++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  target[position++] = rest;
  return position;
}
