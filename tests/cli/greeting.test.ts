import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isContainer } from '../../src/cli/container.ts';
import { type Greeted, greet } from '../../src/cli/greeting.ts';
import type { Logger } from '../../src/core/logger.ts';
import { temporaryFolder } from '../kit/folder.ts';

const OPEN: Pick<Greeted, 'needsCertificate' | 'authenticators' | 'admitsAnonymous'> = {
  needsCertificate: false,
  authenticators: [],
  admitsAnonymous: true,
};
const ASKED = { ...OPEN, authenticators: ['people', 'jwt'], admitsAnonymous: false };

/** The lines of a greeting, each with its level. */
function linesOf(
  hosts: readonly string[],
  { isInContainer = false, admission = OPEN, authorizers = [] as readonly string[] } = {},
): string[] {
  const lines: string[] = [];
  const at = (level: string) => (_fields: object, text: string) => {
    lines.push(`${level} ${text}`);
  };
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  const addresses = hosts.map(
    (host): Greeted => ({
      url: `mqtt://${host}:1883`,
      protocol: 'mqtt',
      host,
      port: 1883,
      ...admission,
    }),
  );
  greet(addresses, authorizers, logger, '1.2.3', isInContainer);
  return lines;
}

describe('the greeting', () => {
  test('in a container that listens on loopback only names the two ways out, in one line', () => {
    const lines = linesOf(['127.0.0.1', '::1'], { isInContainer: true });
    const warnings = lines.filter((line) => /^warn/.test(line));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("--listener 'mqtt://:1883?anonymous=true'");
    expect(warnings[0]).toContain('[[listeners]], url = "mqtt://:1883", anonymous = true');
  });

  test('in a container does not offer to let in anybody where clients are asked', () => {
    const lines = linesOf(['127.0.0.1'], { isInContainer: true, admission: ASKED });
    expect(lines.join('\n')).toContain('[[listeners]], url = "mqtt://:1883"');
    expect(lines.join('\n')).not.toContain('anonymous');
  });

  test('elsewhere, or when others are served, does not', () => {
    expect(linesOf(['127.0.0.1']).join('\n')).not.toContain('container');
    const others = linesOf(['127.0.0.1', '0.0.0.0'], { isInContainer: true });
    expect(others.join('\n')).not.toContain('container');
  });

  test('calls loopback only what is', () => {
    for (const host of ['127.0.0.1', '127.3.2.1', '::1', '::ffff:127.0.0.1', 'localhost']) {
      expect(linesOf([host]).join('\n')).toContain('only those on this machine');
    }
    for (const host of ['0.0.0.0', '::', '192.0.2.1', '127.example.org']) {
      expect(linesOf([host]).join('\n')).toContain('warn ANYBODY');
    }
  });

  test('of clients on this machine that nobody asks is short', () => {
    expect(linesOf(['127.0.0.1'])).toEqual([
      'info IoTHub 1.2.3 serves MQTT 3.1, 3.1.1 and 5.0 on mqtt://127.0.0.1:1883',
      'info Clients are anonymous, and only those on this machine (loopback) are served',
      "info Try: mosquitto_sub -h 127.0.0.1 -p 1883 -t '#' -v",
      "info or:  npx mqtt sub -h 127.0.0.1 -p 1883 -t '#' -v",
    ]);
  });

  test('says who is asked who a client is, and that he may then do all', () => {
    expect(linesOf(['0.0.0.0'], { admission: ASKED })).toEqual([
      'info IoTHub 1.2.3 serves MQTT 3.1, 3.1.1 and 5.0 on mqtt://0.0.0.0:1883',
      'info Who comes to mqtt://0.0.0.0:1883 is known by people, jwt; others are refused',
      'info There is no authorizer: every client that is let in may publish and subscribe to everything but topics that begin with $',
      "info Try: mosquitto_sub -h 127.0.0.1 -p 1883 -u USER -P PASSWORD -t '#' -v",
      "info or:  npx mqtt sub -h 127.0.0.1 -p 1883 -u USER -P PASSWORD -t '#' -v",
    ]);
  });

  test('says who is asked what a client may do', () => {
    const lines = linesOf(['127.0.0.1'], { admission: ASKED, authorizers: ['rules', 'acl-file'] });
    expect(lines).toContain(
      'info Clients may do what rules, acl-file allows; what nobody allows is refused',
    );
    expect(lines).toContain('info Of all clients only those on this machine (loopback) are served');
  });

  test.each([
    [OPEN, [], 'may connect, read and publish everything: nobody is asked for a password. Keep'],
    [
      { ...ASKED, admitsAnonymous: true },
      [],
      'may connect, read and publish everything: anonymous clients are let in. Keep',
    ],
    [OPEN, ['rules'], 'may connect, and do what rules allows: nobody is asked for a password'],
    [
      { ...OPEN, needsCertificate: true },
      [],
      'Everybody with a certificate of its authorities may connect to mqtt://0.0.0.0:1883, read and publish everything: there are no passwords',
    ],
  ])('warns of what is open: %j, %j', (admission, authorizers, sentence) => {
    const warnings = linesOf(['0.0.0.0'], { admission, authorizers }).filter((line) =>
      line.startsWith('warn'),
    );
    expect(warnings).toEqual([expect.stringContaining(sentence)]);
  });
});

describe('a container', () => {
  /** The beginning of a file system with this file in it. */
  function rootWith(name: string, content = ''): string {
    const root = temporaryFolder();
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
    return root;
  }

  test.each([
    ['.dockerenv', ''],
    ['run/.containerenv', ''],
    ['proc/1/cgroup', '0::/system.slice/docker-0a1b.scope\n'],
    ['proc/1/cgroup', '12:pids:/kubepods/besteffort/pod1\n'],
    ['proc/1/cgroup', '0::/machine.slice/libpod-1.scope\n'],
  ])('is known by %s with "%s"', (name, content) => {
    expect(isContainer(rootWith(name, content), {})).toBe(true);
  });

  test('is known by what its environment says', () => {
    const root = temporaryFolder();
    expect(isContainer(root, { container: 'podman' })).toBe(true);
    expect(isContainer(root, { KUBERNETES_SERVICE_HOST: '10.0.0.1' })).toBe(true);
  });

  test('is not a machine', () => {
    expect(isContainer(rootWith('proc/1/cgroup', '0::/init.scope\n'), {})).toBe(false);
    expect(isContainer(temporaryFolder(), {})).toBe(false);
  });
});
