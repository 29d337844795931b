// What a SCRAM client says, read strictly: RFC 5802 §5.1 and §7. Attributes come in their order, each once; extensions that are
// optional are ignored, a mandatory one ends the exchange. Names and nonces are handed on as they were sent, since the proof is
// about exactly those bytes.

/** A message is not what RFC 5802 says; the sentence may be told to the client. */
export class ScramError extends Error {}

/** `n,,n=user,r=nonce` */
export interface ClientFirst {
  /** All before the bare message, as it was sent: `n,,` */
  readonly gs2Header: string;
  /** Whom it wants to act as; null = nobody else. */
  readonly authorizationId: string | null;
  readonly username: string;
  readonly nonce: string;
  /** The message without its GS2 header. */
  readonly bare: string;
}

/** `c=biws,r=nonce,p=proof` */
export interface ClientFinal {
  /** The GS2 header again, base64. */
  readonly channelBinding: string;
  readonly nonce: string;
  readonly proof: Uint8Array;
  /** The message without its last attribute. */
  readonly withoutProof: string;
}

/** Bytes of a message: a user name of the longest kind, all escaped, and room for a nonce and extensions. */
const MESSAGE_BYTES_MAX = 4_096;
const PROOF_BYTES = 32;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const GS2_HEADER = /^(?:[ny]|(p)=[A-Za-z0-9.-]+),(?:a=([^,]+))?,/;
const NONCE = /^[\x21-\x2b\x2d-\x7e]+$/;

/** Throws ScramError. */
export function parseClientFirst(data: Uint8Array): ClientFirst {
  const text = textOf(data);
  const header = GS2_HEADER.exec(text);
  if (header === null) throw new ScramError('the SCRAM message does not begin with a GS2 header');
  const [gs2Header, wantsBinding, authorizationId] = header;
  if (wantsBinding !== undefined) {
    throw new ScramError('channel binding is not supported: begin with "n,,"');
  }
  const bare = text.slice(gs2Header.length);
  const attributes = attributesOf(bare);
  return {
    gs2Header,
    authorizationId: authorizationId === undefined ? null : nameOf(authorizationId),
    username: nameOf(valueAt(attributes, 0, 'n')),
    nonce: nonceOf(valueAt(attributes, 1, 'r')),
    bare,
  };
}

/** Throws ScramError. */
export function parseClientFinal(data: Uint8Array): ClientFinal {
  const text = textOf(data);
  const attributes = attributesOf(text);
  return {
    channelBinding: valueAt(attributes, 0, 'c'),
    nonce: nonceOf(valueAt(attributes, 1, 'r')),
    proof: proofOf(valueAt(attributes, attributes.length - 1, 'p')),
    withoutProof: text.slice(0, text.lastIndexOf(',')),
  };
}

function textOf(data: Uint8Array): string {
  if (data.length > MESSAGE_BYTES_MAX) {
    throw new ScramError(`a SCRAM message has ${MESSAGE_BYTES_MAX} bytes at most`);
  }
  let text: string;
  try {
    text = UTF8.decode(data);
  } catch {
    throw new ScramError('the SCRAM message is not valid UTF-8');
  }
  if (text.includes('\0')) throw new ScramError('the SCRAM message holds a NUL');
  return text;
}

/** All attributes, as `n=user`; extensions follow those that must be there. */
function attributesOf(text: string): readonly string[] {
  const attributes = text.split(',');
  const names = new Set<string>();
  for (const attribute of attributes) {
    const name = attribute[0];
    if (!/^[A-Za-z]=./s.test(attribute)) {
      throw new ScramError('the SCRAM message has something that is not an attribute');
    }
    if (name === 'm') throw new ScramError('the SCRAM message asks for an unknown extension'); // RFC 5802 §5.1
    if (names.has(name))
      throw new ScramError(`the SCRAM message has the attribute "${name}" twice`);
    names.add(name);
  }
  return attributes;
}

function valueAt(attributes: readonly string[], index: number, name: string): string {
  const attribute = attributes[index];
  if (attribute?.[0] === name) return attribute.slice(2);
  throw new ScramError(`the SCRAM message lacks the attribute "${name}" in its place`);
}

/** `=2C` and `=3D` stand for the comma and the equals sign, and no other `=` is allowed. */
function nameOf(value: string): string {
  if (/=(?!2C|3D)/.test(value)) throw new ScramError('the SCRAM message has an invalid user name');
  return value.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function nonceOf(value: string): string {
  if (NONCE.test(value)) return value;
  throw new ScramError('the SCRAM message has an invalid nonce');
}

/** Base64 has one spelling for each value: others are refused. */
function proofOf(value: string): Uint8Array {
  const proof = Buffer.from(value, 'base64');
  if (proof.length === PROOF_BYTES && proof.toString('base64') === value) return proof;
  throw new ScramError('the SCRAM message has an invalid proof');
}
