// The configurations of other programs in docs/guides, judged by those programs, and ours beside them. That they work is shown by nginx.test.ts and
// haproxy.test.ts, which have the same lines.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { Certificates } from './doors.ts';

const certificates = new Certificates();
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

function blocks(page: string, language: string): string[] {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/guides', page), 'utf8');
  return [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(
    ([, block]) => block,
  );
}

/** The files of a guide, and a port that needs no root. */
function placed(block: string): string {
  const { cert, key } = certificates.serverFiles;
  const pem = certificates.write('hub.pem', readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  return block
    .replaceAll('/etc/nginx/hub.crt', cert)
    .replaceAll('/etc/nginx/hub.key', key)
    .replaceAll('/etc/haproxy/hub.pem', pem)
    .replaceAll('/etc/haproxy/devices-ca.pem', certificates.ca)
    .replaceAll('listen 443 ssl', 'listen 127.0.0.1:44443 ssl');
}

test('nginx takes what its guide says', () => {
  const [http, stream] = blocks('nginx.md', 'nginx').map(placed);
  const folder = temporaryFolder();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n');
  const main = `pid ${folder}/pid;\nevents {}\n`;
  const wholes = [`${main}http { access_log off;\n${paths}\n${http} }`];
  // Debian has it in a package of its own.
  if (existsSync(STREAM_MODULE)) wholes.push(`load_module ${STREAM_MODULE};\n${main}${stream}`);
  expect(stream).toContain('proxy_protocol on;');
  for (const whole of wholes) {
    const file = certificates.write('nginx.conf', whole);
    const args = ['-t', '-e', 'stderr', '-p', folder, '-c', file];
    const { status, stderr } = spawnSync('/usr/sbin/nginx', args, { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  }
});

test('HAProxy takes what its guide says', () => {
  const [first, ...others] = blocks('haproxy.md', 'haproxy').map(placed);
  const defaults = first.slice(0, first.indexOf('\nlisten '));
  expect(others).toHaveLength(2);
  for (const whole of [first, ...others.map((section) => `${defaults}\n\n${section}`)]) {
    const file = certificates.write('haproxy.cfg', whole);
    const { status, stderr } = spawnSync('/usr/sbin/haproxy', ['-c', '-f', file], {
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
  }
});
