// WebSocket frames as bytes, right and wrong.

export interface FrameOptions {
  readonly fin?: boolean;
  /** Bits 4 to 6 of the first byte. */
  readonly reserved?: number;
  /** null: not masked. */
  readonly mask?: readonly number[] | null;
}

/** A frame of a client. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array,
  { fin = true, reserved = 0, mask = [0x37, 0xfa, 0x21, 0x3d] }: FrameOptions = {},
): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = [
    (fin ? 0x80 : 0) | reserved | opcode,
    (mask === null ? 0 : 0x80) | (size === 0 ? length : size === 2 ? 126 : 127),
  ];
  for (let i = size - 1; i >= 0; i--) header.push(Math.floor(length / 256 ** i) % 256);
  if (mask === null) return Uint8Array.from([...header, ...payload]);
  return Buffer.concat([
    Uint8Array.from([...header, ...mask]),
    payload.map((byte, i) => byte ^ mask[i & 3]),
  ]);
}
