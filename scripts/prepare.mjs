// What `npm start` and `npm test` run first: installs when the installed packages are not those of package-lock.json, builds
// when a source changed, and otherwise does nothing, in a few dozen milliseconds. Both are decided by content, never by
// timestamps, which a checkout does not keep. It needs nothing but Node, and its syntax is old enough for an old Node to
// read it as far as the sentence that says so. Only problems and real work are worth a line, on stderr.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const ENTRY = 'dist/cli/main.js';
const STAMP = 'dist/.build.json';
const TYPESCRIPT = 'node_modules/typescript/bin/tsc';

/** What is wrong with this version of Node, given `engines.node` of the form ">=20.19"; null when nothing is. */
export function nodeProblem(version, wanted) {
  const minimum = wanted.replace(/^>=\s*/, '');
  const have = version.replace(/^v/, '').split('.').map(Number);
  const need = minimum.split('.').map(Number);
  for (let i = 0; i < need.length; i++) {
    if (have[i] > need[i]) return null;
    if (have[i] < need[i]) {
      return `IoTHub needs Node.js ${minimum} or later, and this is ${version}: install a newer one from nodejs.org.`;
    }
  }
  return null;
}

/** Why the packages must be installed, or null: every one in the lock file is there in that very version. */
export function installReason(lock, installed) {
  if (installed === null) return 'there is no node_modules';
  for (const location of Object.keys(lock.packages)) {
    const wanted = lock.packages[location];
    const present = installed.packages[location];
    if (location === '' || wanted.link || (wanted.optional && !present)) continue;
    if (!present) return `${location} is missing`;
    if (present.version !== wanted.version || present.integrity !== wanted.integrity) {
      return `${location} is ${present.version}, package-lock.json says ${wanted.version}`;
    }
  }
  return null;
}

function readJson(root, file) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw new Error(`${file} cannot be read: ${error.message}`);
  }
}

function listFiles(folder) {
  const files = [];
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) files.push(...listFiles(file));
    else files.push(file);
  }
  return files.sort();
}

/** A digest of everything that the build depends on. */
function buildDigest(root) {
  const hash = createHash('sha256');
  const compiler = readJson(root, 'node_modules/typescript/package.json');
  hash.update(compiler === null ? 'none' : compiler.version);
  const settings = ['package.json', 'tsconfig.json', 'tsconfig.build.json'];
  for (const file of settings
    .map((name) => path.join(root, name))
    .concat(listFiles(path.join(root, 'src')))) {
    const content = fs.readFileSync(file);
    hash.update(`${path.relative(root, file)}\0${content.length}\0`);
    hash.update(content);
  }
  return hash.digest('hex');
}

function run(root, command, args) {
  const result = spawnSync(command, args, {
    cwd: root,
    // What a tool says is about the work, not about the server: stdout stays the server's.
    stdio: ['ignore', 2, 2],
    shell: command === 'npm' && process.platform === 'win32',
  });
  if (result.error) return result.error.message;
  if (result.signal) return `it was ended by ${result.signal}`;
  return result.status === 0 ? null : `exit code ${result.status}`;
}

/** Why `npm install` has to run, or null. */
function staleness(root) {
  const installed = readJson(root, 'node_modules/.package-lock.json');
  return installReason(readJson(root, 'package-lock.json') || { packages: {} }, installed);
}

// Not `npm ci`: npm 11 refuses a lock file when the registry at hand lacks a package that only another platform needs.
// `--no-save` leaves the lock file as it is, and what was installed is compared with it afterwards.
function install(root) {
  const reason = staleness(root);
  if (reason === null) return;
  process.stderr.write(`Installing packages (npm install): ${reason}.\n`);
  const args = ['install', '--no-save', '--include=dev', '--include=optional', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const problem =
    npm && /npm-cli\.c?js$/.test(npm)
      ? run(root, process.execPath, [npm].concat(args))
      : run(root, 'npm', args);
  if (problem !== null) {
    throw new Error(
      `npm install failed (${problem}): see its lines above; the package registry may be out of reach.`,
    );
  }
  const left = staleness(root);
  if (left === null) return;
  throw new Error(`npm install did not help: ${left}; remove node_modules and try again.`);
}

/** Removes what an earlier build left in dist for sources that are gone. */
function prune(root) {
  const dist = path.join(root, 'dist');
  for (const file of listFiles(dist)) {
    const match = /^(.*)\.(?:js|js\.map|d\.ts)$/.exec(path.relative(dist, file));
    if (match === null) continue;
    if (!fs.existsSync(path.join(root, 'src', `${match[1]}.ts`))) fs.unlinkSync(file);
  }
}

function build(root, force) {
  const digest = buildDigest(root);
  const stamp = force ? null : readJson(root, STAMP);
  if (stamp !== null && stamp.digest === digest && fs.existsSync(path.join(root, ENTRY))) return;
  process.stderr.write('Building (tsc).\n');
  const args = [path.join(root, TYPESCRIPT), '-p', 'tsconfig.build.json', '--noEmitOnError'];
  const problem = run(root, process.execPath, args);
  if (problem !== null)
    throw new Error(`The build failed (${problem}): see the compiler's lines above.`);
  prune(root);
  fs.chmodSync(path.join(root, ENTRY), 0o755);
  fs.writeFileSync(path.join(root, STAMP), `${JSON.stringify({ digest })}\n`);
}

/** Makes `root` ready to run: throws an Error whose message is one sentence for people. */
export function prepare(root, force) {
  const problem = nodeProblem(process.version, readJson(root, 'package.json').engines.node);
  if (problem !== null) throw new Error(problem);
  install(root);
  build(root, force);
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    prepare(ROOT, process.argv.includes('--build'));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
