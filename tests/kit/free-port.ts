// A port that nobody listens at now, for a listener that must be named before it is there.

import { once } from 'node:events';
import net from 'node:net';

export async function freePort(): Promise<number> {
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as net.AddressInfo;
  other.close();
  await once(other, 'close');
  return port;
}
