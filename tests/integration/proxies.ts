// The programs that stand in front of the server, started with a configuration of the test on a free port: Debian's nginx and
// HAProxy, in the foreground, without root, ended by their pid. They are at 127.0.0.3, where no other test listens.

import { once } from 'node:events';
import net from 'node:net';
import { onTestFailed, onTestFinished } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';
import { run, within } from './hub.ts';

export const PROXY_ADDRESS = '127.0.0.3';
/** Where the proxies come from when they connect to the server. */
export const PROXY_SOURCE = '127.0.0.5';

/** nginx with one server at PROXY_ADDRESS; `body` is what stands in it. Resolves with its port when it listens. */
export async function startNginx(
  body: string,
  { isEncrypted }: { readonly isEncrypted: boolean },
): Promise<number> {
  const folder = temporaryFolder();
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr notice;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen ${PROXY_ADDRESS}:${port}${isEncrypted ? ' ssl' : ''};
    ${body}
  }
}
`;
  const file = new MaterialFolder().write('nginx.conf', config);
  const args = ['-e', 'stderr', '-p', folder, '-c', file];
  // It says so after it has bound its port.
  await start('/usr/sbin/nginx', args, 'using the "epoll" event method');
  return port;
}

/** HAProxy at PROXY_ADDRESS: options of its bind line, then address and options of its only server. Resolves with its port. */
export async function startHaproxy(bind: string, server: string): Promise<number> {
  const port = await freePort();
  const config = `
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen mqtt
  unique-id-format %{+X}o%ci:%cp_%pid
  bind ${PROXY_ADDRESS}:${port} ${bind}
  server hub ${server}
`;
  const file = new MaterialFolder().write('haproxy.cfg', config);
  // A master with one worker, which ends with it; only the master says that it is ready.
  await start('/usr/sbin/haproxy', ['-W', '-f', file], 'Loading success');
  return port;
}

/** Runs a program until the test ends; resolves when it has printed `ready`. */
export async function start(
  command: string,
  args: readonly string[],
  ready: string,
): Promise<void> {
  const proxy = run(command, args);
  onTestFailed(() => {
    process.stderr.write(`${command} said\n${proxy.stderr()}\n`);
  });
  await proxy.prints(ready);
  onTestFinished(() => proxy.end());
}

/** At PROXY_ADDRESS. */
export async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, PROXY_ADDRESS);
  await within(once(probe, 'listening'), 'a free port is found');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await within(once(probe, 'close'), 'the free port is given back');
  return port;
}
