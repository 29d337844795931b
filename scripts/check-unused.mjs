// Finds what nobody uses: exports of src that no other file names, sources that no file imports, and dependencies that are
// never imported. It reads text, not types, so it may overlook something but never blames what is used. What embedders
// use counts as used: everything that the entries of the package name. Members of classes are not looked at.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findImports } from './check-layers.mjs';

const ROOT = path.resolve(
  process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url))),
);
/** What package.json exports, and what is run by itself. */
const ENTRIES = new Set([
  'src/index.ts',
  'src/auth/index.ts',
  'src/protocol/index.ts',
  'src/storage/lmdb/index.ts',
  'src/contracts/index.ts',
  'src/cli/main.ts',
]);
const FOLDERS = ['src', 'tests', 'bench', 'scripts'];
const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(const|let|function\*?|class|interface|type) (\w+)/gm;

function listSources() {
  const files = fs.readdirSync(ROOT).filter((name) => /\.config\.ts$/.test(name));
  for (const folder of FOLDERS) {
    if (!fs.existsSync(path.join(ROOT, folder))) continue;
    for (const name of fs.readdirSync(path.join(ROOT, folder), { recursive: true })) {
      if (/\.(?:ts|mjs)$/.test(name)) files.push(`${folder}/${name.split(path.sep).join('/')}`);
    }
  }
  return new Map(files.map((file) => [file, fs.readFileSync(path.join(ROOT, file), 'utf8')]));
}

const sources = listSources();
const problems = [];
const imported = new Set();
const packages = new Set();
const words = new Map();
for (const [file, source] of sources) {
  for (const { specifier } of findImports(source)) {
    if (specifier.startsWith('.'))
      imported.add(path.posix.join(path.posix.dirname(file), specifier));
    else packages.add(specifier.replace(/^((?:@[^/]+\/)?[^/]+).*$/, '$1'));
  }
  for (const word of new Set(source.match(/\w+/g))) words.set(word, (words.get(word) ?? 0) + 1);
}
for (const [file, source] of sources) {
  if (!file.startsWith('src/') || ENTRIES.has(file)) continue;
  if (!imported.has(file)) problems.push(`${file} is imported by nobody`);
  for (const [, kind, name] of source.matchAll(EXPORT)) {
    if (words.get(name) > 1) continue;
    const isUsedHere = source.match(new RegExp(`\\b${name}\\b`, 'g')).length > 1;
    // A type is exported with the function that takes it, whether or not a caller names it.
    if (isUsedHere && (kind === 'interface' || kind === 'type')) continue;
    problems.push(`${file} exports ${name}, which ${isUsedHere ? 'only it uses' : 'nobody uses'}`);
  }
}
const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
for (const name of Object.keys(manifest.dependencies)) {
  if (!packages.has(name)) problems.push(`package.json depends on ${name}, which nobody imports`);
}
for (const problem of new Set(problems)) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
