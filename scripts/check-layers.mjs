// Checks that imports point one way (docs/ARCHITECTURE.md): each folder of src may import the folders and contract files of
// its row and nothing else, and only the edges know Node and packages. A row per folder, in the order of the layers; a new
// folder needs a row. Usage: node scripts/check-layers.mjs [project folder]

import fs from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const CONTRACTS = ['transport/stream.ts', 'storage/storage.ts', 'auth/auth.ts'];
const VALUES = ['core', 'protocol', 'lib'];
const PLUG_IN = ['server/contract.ts', 'server/contract', ...VALUES];

/** `may`: folders or single files of src; `node`: may import Node's modules; `packages`: may import these packages. */
const LAYERS = {
  lib: { may: [], node: true, packages: [] },
  protocol: { may: [], node: false, packages: [] },
  core: { may: ['protocol', 'lib', ...CONTRACTS], node: false, packages: [] },
  router: { may: VALUES, node: false, packages: [] },
  session: { may: ['router', ...VALUES, ...CONTRACTS], node: false, packages: [] },
  transport: { may: VALUES, node: true, packages: ['*'] },
  storage: { may: VALUES, node: true, packages: ['*'] },
  contracts: { may: ['storage', 'auth', 'protocol', 'lib', 'core'], node: true, packages: [] },
  auth: { may: [...VALUES, 'transport/stream.ts'], node: true, packages: ['*'] },
  config: { may: VALUES, node: true, packages: ['smol-toml', 'zod'] },
  server: {
    may: ['session', 'router', ...VALUES, 'transport', 'storage', 'auth'],
    node: true,
    packages: [],
  },
  admin: { may: PLUG_IN, node: true, packages: ['*'] },
  extensions: { may: PLUG_IN, node: true, packages: ['*'] },
  cluster: { may: PLUG_IN, node: true, packages: ['*'] },
  client: { may: VALUES, node: true, packages: ['ws'] },
  cli: {
    may: [
      'server',
      'client',
      'config',
      'transport',
      'storage',
      'auth',
      'admin',
      'extensions',
      'cluster',
      ...VALUES,
    ],
    node: true,
    packages: ['@peculiar/x509', 'commander', 'pino'],
  },
};

const IMPORTS = [
  /^(?:import|export)\s(?:type\s)?\s*[*{\w][^;'"]*?\sfrom\s+['"]([^'"]+)['"]/gm,
  /^import\s+['"]([^'"]+)['"]/gm,
  /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g,
];

/** The specifiers that a source imports, types and dynamic imports included, with their lines. */
export function findImports(source) {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) =>
    comment.replace(/[^\n]/g, ' '),
  );
  const found = [];
  for (const pattern of IMPORTS) {
    for (const match of code.matchAll(pattern)) {
      const line = code.slice(0, match.index + match[0].length).split('\n').length;
      found.push({ specifier: match[1], line });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

/** Why the folder may not import this, or null. `file` and what it imports are relative to src. */
function objection(file, specifier) {
  const folder = file.includes('/') ? file.slice(0, file.indexOf('/')) : '';
  if (folder === '') return null; // src/index.ts: the public API may take from everywhere
  const layer = LAYERS[folder];
  if (layer === undefined) return `the folder src/${folder} has no row in scripts/check-layers.mjs`;
  if (!specifier.startsWith('.')) return outsideObjection(folder, layer, specifier);
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
  if (target.startsWith(`${folder}/`)) return null;
  if (target.startsWith('..')) return `src/${folder} may not reach outside of src`;
  const allowed = layer.may.some((entry) => target === entry || target.startsWith(`${entry}/`));
  if (allowed) return null;
  const list = layer.may.length === 0 ? 'nothing of ours' : layer.may.join(', ');
  return `src/${folder} may import ${list}, but not src/${target}`;
}

function outsideObjection(folder, layer, specifier) {
  const name = specifier.replace(/^((?:@[^/]+\/)?[^/]+).*$/, '$1');
  if (specifier.startsWith('node:') || builtinModules.includes(name)) {
    return layer.node
      ? null
      : `src/${folder} must not know Node (transport, storage and the edges do)`;
  }
  if (layer.packages.includes('*') || layer.packages.includes(name)) return null;
  return `src/${folder} may not import the package ${name}`;
}

function listSources(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { recursive: true })
    .map((name) => name.split(path.sep).join('/'))
    .filter((name) => /\.[cm]?tsx?$/.test(name))
    .sort();
}

/** Every import that points the wrong way, as one line each. */
export function checkLayers(root) {
  const violations = [];
  for (const file of listSources(path.join(root, 'src'))) {
    const source = fs.readFileSync(path.join(root, 'src', file), 'utf8');
    for (const { specifier, line } of findImports(source)) {
      const why = objection(file, specifier);
      if (why !== null) violations.push(`src/${file}:${line} imports '${specifier}': ${why}`);
    }
  }
  return violations;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  const violations = checkLayers(path.resolve(process.argv[2] ?? here));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) {
    console.error(`${violations.length} import(s) point the wrong way.`);
    process.exitCode = 1;
  }
}
