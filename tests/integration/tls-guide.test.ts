// docs/guides/tls.md, done: what it types makes certificates, a server that believes them, and a device that is let in until it is
// revoked.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { run, startServing } from './hub.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(path.join(ROOT, 'docs/guides/tls.md'), 'utf8');

/** What is fenced with this language, in order. */
function blocks(language: string): string[] {
  const found = PAGE.matchAll(new RegExp(`\`\`\`${language}(?: part)?\\n(.*?)\`\`\``, 'gs'));
  return [...found].map(([, text]) => text);
}

/** The exit code of each line of a block. */
async function codesOf(block: string, folder: string, port: number): Promise<(number | null)[]> {
  const codes: (number | null)[] = [];
  for (const line of block.trim().split('\n')) {
    const placed = line.replaceAll('hub.example.com', 'localhost').replaceAll(':8883', `:${port}`);
    const program = `iothub() { '${process.execPath}' '${ROOT}/dist/cli/main.js' "$@"; }`;
    const { code } = await run('bash', ['-c', `${program}; cd '${folder}'; ${placed}`]).finished;
    codes.push(code);
  }
  return codes;
}

test('the guide to TLS does what it says', { timeout: 120_000 }, async () => {
  const [init, authority, device, start, publish, list, revoke] = blocks('sh');
  const [, configuration, revocation] = blocks('toml');
  const folder = temporaryFolder();
  const hub = path.join(folder, 'hub');
  expect(await codesOf(init, folder, 0)).toEqual([0]);
  for (const block of [authority, device]) {
    for (const code of await codesOf(block, hub, 0)) expect(code).toBe(0);
  }
  const file = path.join(hub, 'devices.toml');
  writeFileSync(file, configuration.replace('mqtts://:8883', 'mqtts://127.0.0.1:0'));
  const [check, serve] = start.trim().split('\n');
  expect(await codesOf(check, hub, 0)).toEqual([0]);
  expect(serve).toBe('iothub -c devices.toml');
  const server = await startServing(1, ['-c', file]);
  expect(await codesOf(publish, hub, server.port)).toEqual([0, 0x87]);
  expect(await codesOf(list, hub, 0)).toEqual([0, 0, 0]);
  const [table, line] = revocation.trim().split('\n');
  const former = readFileSync(file, 'utf8');
  writeFileSync(file, former.replace(table, `${table}\n${line}`));
  server.process.kill('SIGHUP');
  await server.says('The configuration was reloaded');
  expect(await codesOf(publish, hub, server.port)).toEqual([0, 0x87]);
  const reloaded = 'TLS certificate reloaded';
  const before = server.log.filter((one) => one.includes(reloaded)).length;
  expect(await codesOf(revoke, hub, 0)).toEqual([0, 0]);
  await server.says(reloaded, before + 1);
  const [code] = await codesOf(publish, hub, server.port);
  expect(code).not.toBe(0);
  await server.says('CERT_REVOKED');
});
