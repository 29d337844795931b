// What those get who do not come in: a text that says what to do, as short as the reason allows. Nothing of the request is
// in it.

import http from 'node:http';
import type net from 'node:net';

/** Writes a whole answer to a socket that speaks HTTP no more, and closes it. */
export function answerAndClose(socket: net.Socket, status: number, text: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${text}\n`;
  socket.end(
    [
      `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`,
      'Connection: close',
      'Content-Type: text/plain; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

/** A request that asks for no upgrade: a browser that came by mistake gets a page, anything else (a health probe) a line. */
export function answerPlainRequest(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  path: string | null,
): void {
  const { method, headers } = request;
  // One request for each socket: what is left of this one is not read.
  response.setHeader('Connection', 'close');
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    return;
  }
  const where = path ?? '/mqtt';
  if (!headers.accept?.includes('text/html')) {
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(`MQTT over WebSocket is served here, at ${where}\n`);
    return;
  }
  response.writeHead(426, {
    Connection: 'Upgrade, close',
    Upgrade: 'websocket',
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'",
  });
  response.end(page(where));
}

function page(path: string): string {
  const shown = path.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>MQTT over WebSocket</title>
<h1>This is an MQTT server</h1>
<p>It speaks MQTT over WebSocket, which a browser’s address bar does not. A page or a program connects to it, with the
sub-protocol <code>mqtt</code>, at the address above with <code>ws://</code> instead of <code>http://</code>,
<code>wss://</code> instead of <code>https://</code>, and the path <code>${shown}</code>.</p>
<p>With MQTT.js: <code>mqtt.connect('ws://host:port${shown}')</code></p>
</html>
`;
}
