import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Outcome, ROOT, runNode } from './command.ts';

// A project of three files, an npm that leaves what it would install, and a compiler that copies.
const LOCK = {
  packages: {
    '': { name: 'p' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/elsewhere': { version: '1.0.0', integrity: 'sha512-e', optional: true },
  },
};
const NPM = `
const fs = require('node:fs');
fs.appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n');
if (fs.existsSync('offline')) process.exit(7);
const { packages } = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
delete packages['node_modules/elsewhere'];
if (fs.existsSync('forgetful')) delete packages['node_modules/a'];
fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));
fs.writeFileSync('node_modules/typescript/package.json', '{"version":"1.0.0"}');
fs.copyFileSync('tsc.js', 'node_modules/typescript/bin/tsc');
`;
const TSC = `
const fs = require('node:fs');
fs.appendFileSync('tsc.log', 'built\\n');
if (fs.existsSync('broken')) process.exit(2);
for (const name of fs.readdirSync('src', { recursive: true })) {
  const out = 'dist/' + name.replace(/\\.ts$/, '.js');
  fs.mkdirSync(require('node:path').dirname(out), { recursive: true });
  if (name.endsWith('.ts')) fs.copyFileSync('src/' + name, out);
}
`;

let folder = '';

function write(name: string, content: string): void {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iothub-prepare-'));
  cpSync(path.join(ROOT, 'scripts/prepare.mjs'), path.join(folder, 'scripts/prepare.mjs'));
  write('package.json', JSON.stringify({ engines: { node: '>=20.19' } }));
  write('package-lock.json', JSON.stringify(LOCK));
  write('tsconfig.json', '{}');
  write('tsconfig.build.json', '{}');
  write('src/cli/main.ts', '1;');
  write('src/old.ts', '2;');
  write('npm-cli.js', NPM);
  write('tsc.js', TSC);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function prepare(): Promise<Outcome> {
  const env = { ...process.env, npm_execpath: path.join(folder, 'npm-cli.js') };
  return runNode(['scripts/prepare.mjs'], { cwd: folder, env });
}

const NOTHING = { exitCode: 0, stdout: '', stderr: '' };

describe('preparing a project', () => {
  test('installs and builds a fresh clone, then does nothing twice', async () => {
    const first = await prepare();
    expect(first).toMatchObject({ exitCode: 0, stdout: '' });
    expect(first.stderr).toBe(
      'Installing packages (npm install): there is no node_modules.\nBuilding (tsc).\n',
    );
    expect(await prepare()).toEqual(NOTHING);
  });

  test('installs again when a package of the lock file is missing or another version', async () => {
    await prepare();
    const packages = {
      ...LOCK.packages,
      'node_modules/a': { version: '1.0.1', integrity: 'sha512-b' },
    };
    write('package-lock.json', JSON.stringify({ packages }));
    expect((await prepare()).stderr).toBe(
      'Installing packages (npm install): node_modules/a is 1.0.0, package-lock.json says 1.0.1.\n',
    );
    write(
      'package-lock.json',
      JSON.stringify({ packages: { ...packages, 'node_modules/b': { version: '1.0.0' } } }),
    );
    expect((await prepare()).stderr).toBe(
      'Installing packages (npm install): node_modules/b is missing.\n',
    );
    expect(await prepare()).toEqual(NOTHING);
  });

  test('builds again when a source changes, and removes what was built from a source that is gone', async () => {
    await prepare();
    write('src/cli/main.ts', '3;');
    expect((await prepare()).stderr).toBe('Building (tsc).\n');
    rmSync(path.join(folder, 'src/old.ts'));
    expect((await prepare()).stderr).toBe('Building (tsc).\n');
    expect((await runNode(['dist/old.js'], { cwd: folder })).exitCode).not.toBe(0);
    rmSync(path.join(folder, 'dist'), { recursive: true });
    expect((await prepare()).stderr).toBe('Building (tsc).\n');
  });

  test('does not rebuild because of timestamps', async () => {
    await prepare();
    write('src/cli/main.ts', '1;');
    expect(await prepare()).toEqual(NOTHING);
  });

  test('says in one sentence that Node is too old', async () => {
    write('package.json', JSON.stringify({ engines: { node: '>=99.1' } }));
    expect(await prepare()).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `IoTHub needs Node.js 99.1 or later, and this is ${process.version}: install a newer one from nodejs.org.\n`,
    });
  });

  test('says so when npm did not install what the lock file wants', async () => {
    write('forgetful', '');
    const { exitCode, stderr } = await prepare();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('npm install did not help: node_modules/a is missing;');
  });

  test('says that npm failed, and tries again the next time', async () => {
    write('offline', '');
    const { exitCode, stderr } = await prepare();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('npm install failed (exit code 7)');
    rmSync(path.join(folder, 'offline'));
    expect((await prepare()).exitCode).toBe(0);
  });

  test('says that the build failed, and tries again the next time', async () => {
    await prepare();
    write('broken', '');
    write('src/cli/main.ts', '4;');
    for (let i = 0; i < 2; i++) {
      const { exitCode, stderr } = await prepare();
      expect(exitCode).toBe(1);
      expect(stderr).toContain('The build failed (exit code 2)');
    }
  });

  test('says which file cannot be read when a checkout is damaged', async () => {
    write('package-lock.json', '{');
    const { exitCode, stderr } = await prepare();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^package-lock\.json cannot be read: .*\n$/);
  });

  test('finds npm in the path when it is not run by npm', async () => {
    write('bin/npm', `#!${process.execPath}\n${NPM}`);
    chmodSync(path.join(folder, 'bin/npm'), 0o755);
    const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${folder}/bin:${process.env.PATH}` };
    delete env.npm_execpath;
    expect((await runNode(['scripts/prepare.mjs'], { cwd: folder, env })).exitCode).toBe(0);
  });
});
