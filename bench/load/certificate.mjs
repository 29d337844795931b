// A certificate for the servers that are started here, which is thrown away with their folder: made by OpenSSL's program, so that
// the benchmarks need no package for it. ECDSA P-256, what most servers have today.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { TargetError } from './errors.mjs';
import { hasTls } from './wire.mjs';

const ARGS =
  'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost'.split(
    ' ',
  );

/**
 * Always the same of a folder; null: the protocol needs none. Throws TargetError when there is no OpenSSL or it makes none.
 * @param {import('./wire.mjs').Place['protocol']} protocol @param {string} folder
 * @returns {{ cert: string, key: string } | null} files, PEM
 */
export function throwAwayCertificate(protocol, folder) {
  if (!hasTls(protocol)) return null;
  const files = { cert: path.join(folder, 'server.pem'), key: path.join(folder, 'server.key') };
  if (fs.existsSync(files.cert)) return files;
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const output = ['-keyout', files.key, '-out', files.cert];
  const made = spawnSync('openssl', [...ARGS, ...names, ...output], { encoding: 'utf8' });
  if (made.error?.code === 'ENOENT') {
    throw new TargetError(
      'A server with TLS needs a certificate, and the program openssl that makes one is not installed: install it, or load a server of your own with --url.',
    );
  }
  if (made.status === 0) return files;
  const reason = made.error?.message ?? made.stderr.trim().split('\n').at(-1);
  throw new TargetError(`openssl made no certificate: ${reason}`);
}
