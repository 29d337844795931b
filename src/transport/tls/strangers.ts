// Who comes to a TLS port without speaking TLS, told by its first bytes: mostly a client whose URL says `mqtt` for `mqtts`, a
// browser, or a load balancer that announces its clients to a listener which does not expect it.

/** Bytes that are enough to tell. */
export const TELLING_BYTES = 16;

/** Content type of a handshake record. RFC 8446 §5.1. */
const TLS_HANDSHAKE = 0x16;
/** Type and flags of CONNECT. MQTT 5 §3.1.1. */
const MQTT_CONNECT = 0x10;

const PROXY_V1 = 'PROXY ';
const PROXY_V2 = '\r\n\r\n\0\r\nQUIT\n';
const HTTP = /^(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) /;

export function isTls(firstByte: number): boolean {
  return firstByte === TLS_HANDSHAKE;
}

/** What to tell the operator about somebody whose first byte is not that of TLS. */
export function describeStranger(first: Buffer): string {
  if (first[0] === MQTT_CONNECT)
    return 'a client without TLS came to the TLS port: let it use mqtts://, or a port without TLS';
  const text = first.toString('latin1');
  if (HTTP.test(text))
    return 'an HTTP request without TLS came to the TLS port: let it use wss:// or https://';
  if (begins(text, PROXY_V1) || begins(text, PROXY_V2))
    return 'a PROXY header came to a TLS port that expects none: set proxy_protocol = true in its listener, or turn it off at the load balancer';
  return 'what came to the TLS port is not TLS: whoever it is mistook the port, or scans it';
}

/** As much of the signature as has come. */
function begins(text: string, signature: string): boolean {
  return signature.startsWith(text) || text.startsWith(signature);
}
