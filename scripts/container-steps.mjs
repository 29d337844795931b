// Does what the Dockerfile says without Docker, for CI: its steps, read from it, in a clean folder that stands for the image's file system; then
// its entry point, health check and stop signal. Run by root it runs the build and the server as the image's user. What it cannot show is said
// in docs/guides/containers.md. Usage: node scripts/container-steps.mjs

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SOURCE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
/** Folders of the image that the steps name. */
const IMAGE_PATHS = /(^|[\s:="'])(\/(?:build|opt\/iothub|etc\/iothub|var\/lib\/iothub)\b)/g;
const PORT = '18830';
const USER = 1883;
const DEADLINE_MS = 60_000;

const isRoot = process.getuid?.() === 0;
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'iothub-image-'));
fs.chmodSync(root, 0o755);
process.on('exit', () => fs.rmSync(root, { recursive: true, force: true }));

/** Instructions with their text, lines that go on joined, comments left out. */
function instructions() {
  const text = fs.readFileSync(path.join(SOURCE, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => /^(\w+)\s+(.*)$/.exec(line).slice(1));
}

function inRoot(text) {
  return text.replaceAll(IMAGE_PATHS, (_, before, folder) => `${before}${root}${folder}`);
}

function fail(sentence) {
  console.error(`container steps: ${sentence}`);
  process.exit(1);
}

/** What .dockerignore lets in. */
function isInContext(file) {
  const rules = fs.readFileSync(path.join(SOURCE, '.dockerignore'), 'utf8').split('\n');
  const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
  return allowed.some((entry) => file === entry || file.startsWith(`${entry}/`));
}

function own(folder, user) {
  if (isRoot) spawnSync('chown', ['-R', `${user}:${user}`, folder]);
}

function copy(text, folder) {
  const words = text.split(/\s+/);
  const isFromBuild = words[0] === '--from=build';
  const sources = words.slice(isFromBuild ? 1 : 0, -1);
  const target = path.resolve(folder, inRoot(words.at(-1)));
  for (const source of sources) {
    if (!isFromBuild && !isInContext(source)) fail(`.dockerignore keeps ${source} out`);
    const from = isFromBuild ? inRoot(source) : path.join(SOURCE, source);
    const isInto = words.at(-1).endsWith('/');
    const to = isInto ? path.join(target, path.basename(source)) : target;
    fs.cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}

function runStep(text, folder, identity) {
  console.log(`RUN ${text}`);
  const environment = { ...process.env, HOME: path.join(root, 'home'), CI: 'true' };
  const command = isRoot ? inRoot(text) : inRoot(text).replace(/&& chown .*$/, '');
  const { status } = spawnSync('sh', ['-ec', command], {
    ...{ cwd: folder, env: environment, stdio: 'inherit' },
    ...(isRoot && identity),
  });
  if (status !== 0) fail(`this step ended with ${status}`);
}

/** All steps; returns what the image would be started with. */
function build() {
  const image = { folder: root, user: null, entrypoint: [], cmd: [], health: [], stopSignal: '' };
  let stage = 0;
  fs.mkdirSync(path.join(root, 'home'));
  for (const [name, text] of instructions()) {
    const identity = stage === 1 ? { uid: USER, gid: USER } : {};
    switch (name) {
      case 'FROM':
        stage++;
        own(path.join(root, 'home'), USER);
        break;
      case 'WORKDIR':
        image.folder = inRoot(text);
        fs.mkdirSync(image.folder, { recursive: true });
        if (stage === 1) own(image.folder, USER);
        break;
      case 'COPY':
        copy(text, image.folder);
        if (stage === 1) own(image.folder, USER);
        break;
      case 'RUN':
        runStep(text, image.folder, identity);
        break;
      case 'USER':
        image.user = text;
        break;
      case 'STOPSIGNAL':
        image.stopSignal = text;
        break;
      case 'ENTRYPOINT':
        image.entrypoint = JSON.parse(text);
        break;
      case 'CMD':
        image.cmd = JSON.parse(text);
        break;
      case 'HEALTHCHECK':
        image.health = JSON.parse(text.slice(text.indexOf('[')));
        break;
      case 'ENV':
      case 'EXPOSE':
      case 'VOLUME':
        break;
      default:
        fail(`${name} is an instruction that this script does not know`);
    }
  }
  return image;
}

function environmentOf() {
  const variables = Object.entries(process.env).filter(([name]) => !name.startsWith('IOTHUB_'));
  // Another port than the image's, which may be in use here; loopback only.
  const place = {
    IOTHUB_LISTENERS__0__URL: `mqtt://127.0.0.1:${PORT}`,
    IOTHUB_ADMIN__URL: 'http://127.0.0.1:0',
  };
  return { ...Object.fromEntries(variables), NODE_ENV: 'production', ...place };
}

async function tryIt({ folder, user, entrypoint, cmd, health, stopSignal }) {
  if (user !== `${USER}:${USER}`) fail(`the user is ${user}`);
  const identity = isRoot ? { uid: USER, gid: USER } : {};
  const options = { cwd: folder, env: environmentOf(), ...identity };
  // The store of the configuration is where the image has it.
  const config = path.join(root, 'etc/iothub/iothub.toml');
  fs.writeFileSync(config, inRoot(fs.readFileSync(config, 'utf8')));
  const [program, ...args] = [...entrypoint, ...cmd].map(inRoot);
  const server = spawn(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] });
  process.on('exit', () => server.kill('SIGKILL'));
  const exited = once(server, 'exit');
  const [checker, ...checked] = health.map(inRoot);
  const check = () => spawnSync(checker, checked, { ...options, encoding: 'utf8' }).status;
  const deadline = Date.now() + DEADLINE_MS;
  while (check() !== 0) {
    if (server.exitCode !== null) fail(`the server ended with ${server.exitCode}`);
    if (Date.now() > deadline) fail('the server is not healthy in time');
    await delay(200);
  }
  console.log('It is healthy.');
  const stranger = ['sub', '-h', '127.0.0.1', '-p', PORT, '-t', 'x', '-W', '5', '--quiet'];
  const refused = spawnSync(program, [args[0], ...stranger], options).status;
  if (refused !== 5) fail(`a stranger was not refused, but ended with ${refused}`);
  server.kill(stopSignal);
  const [exitCode] = await exited;
  if (exitCode !== 0) fail(`the server ended with ${exitCode} after ${stopSignal}`);
  if (isRoot) {
    const data = fs.statSync(path.join(root, 'var/lib/iothub'));
    if (data.uid !== USER) fail('its data are not the user’s');
  }
  console.log(`It served as ${isRoot ? USER : 'this user'}, and stopped by ${stopSignal}.`);
}

await tryIt(build());
