// Values of tables in the store: a JSON object with the version of its layout.

export function encodeVersioned(version: number, fields: object): Uint8Array {
  return Buffer.from(JSON.stringify({ version, ...fields }));
}

/** The fields of such a value, or what is wrong with it. */
export function decodeVersioned(
  value: Uint8Array,
  version: number,
): Readonly<Record<string, unknown>> | string {
  let record: unknown;
  try {
    record = JSON.parse(Buffer.from(value).toString());
  } catch {
    return 'it is not JSON';
  }
  if (typeof record !== 'object' || record === null) return 'it is no JSON object';
  const { version: found, ...fields } = record as Record<string, unknown>;
  if (found === version) return fields;
  return `it has version ${String(found)}, and this server reads version ${version}: was it written by a later one?`;
}
