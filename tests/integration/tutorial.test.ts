// docs/tutorial.md, done: every command in the order of the page, as people type them, with a port of the test and the passwords that were printed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { freePort } from '../kit/free-port.ts';
import { run, within } from './hub.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(path.join(ROOT, 'docs/tutorial.md'), 'utf8');

/** What stands in fences, in order. */
const BLOCKS = [...PAGE.matchAll(/```(sh|toml)\n(.*?)```/gs)].map(([, language, text]) => ({
  language,
  text,
}));

/** A terminal: a shell in which something runs until Ctrl-C. */
class Terminal {
  readonly #child: ChildProcess;
  #printed = '';
  #look: () => void = () => {};

  constructor(script: string) {
    this.#child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#printed += text;
        this.#look();
      });
    }
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  prints(text: string): Promise<void> {
    const printed = new Promise<void>((resolve) => {
      this.#look = () => {
        if (this.#printed.includes(text)) resolve();
      };
      this.#look();
    });
    return within(printed, () => `a terminal prints “${text}”; it prints\n${this.#printed}`);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGINT');
    await within(ended, 'Ctrl-C ends it');
  }
}

class Tutorial {
  readonly #folder = temporaryFolder();
  readonly #port: number;
  readonly #passwords: Record<string, string> = {};
  readonly terminals = new Map<string, Terminal>();
  /** What commands said that came to their end. */
  readonly said: string[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** Appends to the configuration. */
  append(text: string): void {
    appendFileSync(path.join(this.#folder, 'plant/iothub.toml'), `\n${text}`);
  }

  /** What runs until it is stopped, in place of what ran in this terminal before. */
  async start(name: string, line: string): Promise<void> {
    await this.terminals.get(name)?.stop();
    const isServer = name === '1';
    const port = isServer && !line.includes(' -c ') ? ` --port ${this.#port}` : '';
    const shown = isServer ? '' : ' -d';
    const admin = isServer ? ' --no-admin' : ''; // its port is for everybody
    // A machine that is busy makes the server late, which is no reason to refuse clients here.
    const exec = isServer ? 'IOTHUB_LIMITS__LOOP_LAG_MAX=0s exec ' : 'exec ';
    const terminal = new Terminal(this.#script(`${line}${port}${admin}${shown}`, exec));
    this.terminals.set(name, terminal);
    await terminal.prints(isServer ? 'serves MQTT' : 'received SUBACK');
  }

  async run(line: string): Promise<void> {
    const { code, stdout, stderr } = await run('bash', ['-c', this.#script(line, '')]).finished;
    expect(code, `${line}\n${stderr}`).toBe(0);
    this.said.push(stdout);
    if (line.includes(' passwd ')) this.#passwords.SENSOR_PASSWORD = stdout.trim();
    if (!line.includes(' init ')) return;
    this.#passwords.ADMIN_PASSWORD = /PASSWORD=(\w+)/.exec(stdout)?.[1] ?? '';
    const file = path.join(this.#folder, 'plant/iothub.toml');
    writeFileSync(file, this.#placed(readFileSync(file, 'utf8')));
  }

  #placed(text: string): string {
    return text.replaceAll('127.0.0.1:1883', `127.0.0.1:${this.#port}`);
  }

  /** `exec`: signals go to the program itself. Clients that name no server find this one. */
  #script(line: string, exec: string): string {
    const program = `'${process.execPath}' '${path.join(ROOT, 'dist/cli/main.js')}'`;
    const filled = this.#placed(line).replaceAll(
      /\b[A-Z]+_PASSWORD\b/g,
      (name) => this.#passwords[name],
    );
    const [, variable = '', command] = /^(MQTT_URL=\S+)? ?iothub (.*)$/s.exec(filled) ?? [];
    const url = `export ${variable === '' ? `MQTT_URL=mqtt://127.0.0.1:${this.#port}` : variable}`;
    return `cd '${this.#folder}'; ${url}; ${exec}${program} ${command}`;
  }
}

test('the tutorial does what it says', { timeout: 180_000 }, async () => {
  const tutorial = new Tutorial(await freePort());
  const shows = (text: string) => tutorial.terminals.get('2')?.prints(text);
  for (const { language, text } of BLOCKS) {
    if (language === 'toml') {
      tutorial.append(text);
      continue;
    }
    const [first, ...rest] = text.trim().split('\n');
    const name = /^# terminal (\d)$/.exec(first)?.[1];
    if (name !== undefined) await tutorial.start(name, rest[0]);
    else for (const line of [first, ...rest]) await tutorial.run(line);
    if (text.includes('hello/world')) await shows('hello/world first message\n');
    if (text.includes('-m 21.5')) await shows('sensors/sensor-1/temperature 21.5\n');
  }
  const said = tutorial.said.join('');
  expect(said).toContain('known by');
  expect(said).toMatch(/allow.*iothub\.toml:\d+/s);
  expect(said).toContain('sensors/sensor-1/temperature 22 (QoS 1)\n');
  expect(said).toMatch(/sessions +1,/);
});
