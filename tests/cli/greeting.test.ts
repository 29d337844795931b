import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isContainer } from '../../src/cli/container.ts';
import { greet } from '../../src/cli/greeting.ts';
import type { Logger } from '../../src/core/logger.ts';
import { temporaryFolder } from '../kit/folder.ts';

/** The lines of a greeting, each with its level. */
function linesOf(hosts: readonly string[], isInContainer: boolean): string[] {
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
  greet(
    hosts.map((host) => ({
      url: `mqtt://${host}:1883`,
      protocol: 'mqtt',
      host,
      port: 1883,
      needsCertificate: false,
    })),
    logger,
    '1.2.3',
    isInContainer,
  );
  return lines;
}

describe('the greeting', () => {
  test('in a container that listens on loopback only names the two ways out, in one line', () => {
    const warnings = linesOf(['127.0.0.1', '::1'], true).filter((line) => /^warn/.test(line));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("--listener 'mqtt://:1883?anonymous=true'");
    expect(warnings[0]).toContain('[[listeners]], url = "mqtt://:1883", anonymous = true');
  });

  test('elsewhere, or when others are served, does not', () => {
    expect(linesOf(['127.0.0.1'], false).join('\n')).not.toContain('container');
    expect(linesOf(['127.0.0.1', '0.0.0.0'], true).join('\n')).not.toContain('container');
  });

  test('calls loopback only what is', () => {
    for (const host of ['127.0.0.1', '127.3.2.1', '::1', '::ffff:127.0.0.1', 'localhost']) {
      expect(linesOf([host], false).join('\n')).toContain('only those on this machine');
    }
    for (const host of ['0.0.0.0', '::', '192.0.2.1', '127.example.org']) {
      expect(linesOf([host], false).join('\n')).toContain('warn ANYBODY');
    }
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
