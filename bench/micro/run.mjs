// Runs micro-benchmarks: `npm run bench:micro -- [name [what of it …]]`, by default all of them. Node 20 does not run
// TypeScript, so they are compiled first, with the sources they measure, into a temporary folder. With `--compile` that is all:
// a source must say all it needs, also where not all sources are compiled.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.dirname(path.dirname(HERE));
const SUFFIX = '.bench.ts';

const names = fs
  .readdirSync(HERE)
  .filter((name) => name.endsWith(SUFFIX))
  .map((name) => name.slice(0, -SUFFIX.length));

/** @param {string[]} args of Node @returns {boolean} whether it went well */
function node(...args) {
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0;
}

/** The benchmarks and all that they import, as JavaScript. */
function compile(folder) {
  const settings = {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      rootDir: ROOT,
      outDir: folder,
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
    },
    include: [path.join(HERE, '*.ts')],
  };
  const file = path.join(folder, 'tsconfig.json');
  fs.writeFileSync(file, JSON.stringify(settings));
  fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return node(path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', file);
}

const [wanted = null, ...what] = process.argv.slice(2);
const isTrial = wanted === '--compile';
if (wanted !== null && !isTrial && !names.includes(wanted)) {
  console.error(
    `There is no micro-benchmark ${JSON.stringify(wanted)}; there are ${names.join(', ')}.`,
  );
  process.exit(2);
}
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-micro-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
let isGood = compile(folder);
for (const name of isTrial ? [] : wanted === null ? names : [wanted]) {
  if (!isGood) break;
  const file = path.join(folder, 'bench/micro', `${name}.bench.js`);
  isGood = node('--expose-gc', file, ...what);
}
if (!isGood) process.exitCode = 1;
