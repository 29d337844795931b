// What the documentation names in the middle of a sentence is there: commands and their options (`iothub users list --json`), keys of
// the configuration (`limits.qos_max`), routes of the admin API (`GET /api/v1/clients`), metrics, what programs import. docs.test.ts has
// what is fenced.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { FAMILIES } from '../../src/admin/metrics/families.ts';
import { commandTree } from '../../src/cli/options.ts';
import { allTables } from '../../src/config/tables.ts';
import { ROOT } from './command.ts';

const PAGES: readonly string[] = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'Dockerfile'],
  ...readdirSync(path.join(ROOT, 'deploy'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:toml|service|yml)$/.test(name))
    .map((name) => path.join('deploy', name)),
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join('docs', name)),
];

function read(page: string): string {
  return readFileSync(path.join(ROOT, page), 'utf8');
}

interface Mention {
  readonly place: string;
  readonly line: string;
}

/** What stands in backticks, outside of fences; fenced lines are of docs.test.ts if they are commands by themselves. */
function mentionsOf(page: string): Mention[] {
  const mentions: Mention[] = [];
  let isFenced = false;
  for (const [index, text] of read(page).split('\n').entries()) {
    const place = `${page}:${index + 1}`;
    if (text.startsWith('```')) isFenced = !isFenced;
    else if (isFenced || !page.endsWith('.md')) mentions.push(...hiddenIn(text, place));
    else
      for (const [, line] of text.matchAll(/`(iothub (?!version )[^`]+)`/g))
        mentions.push({ place, line });
  }
  return mentions;
}

/** A command of ours in a line of something else: behind `sudo`, a variable, a pipe, `docker exec`, as an ExecStart. */
function hiddenIn(text: string, place: string): Mention[] {
  const program = /(?:^|\s)(?:iothub|\S*dist\/cli\/main\.js)((?: [^\s|&;#]+)+)/.exec(text);
  return program === null ? [] : [{ place, line: `iothub${program[1]}` }];
}

const TREE = commandTree(() => {});

/** What is wrong with a command that is named, or null. It may be the beginning of one: what is missing is nothing wrong. */
function problem(line: string): string | null {
  let command: Command = TREE;
  let mayBeCommand = true;
  for (const word of line.split(' ').slice(1)) {
    if (word.startsWith('-')) {
      mayBeCommand = false;
      const flag = /^(?:--[\w-]+|-\w)/.exec(word)?.[0];
      const isKnown = command.options.some(({ long, short }) => long === flag || short === flag);
      if (flag !== undefined && !isKnown) return `${command.name()} has no option ${flag}`;
    } else if (mayBeCommand) {
      const next = command.commands.find((one) => one.name() === word);
      mayBeCommand = next !== undefined;
      const isArgument = command !== TREE && command.registeredArguments.length > 0;
      if (next !== undefined) command = next;
      else if (!isArgument && /^[a-z-]+$/.test(word) && !isStart(command, word)) {
        return `${command.name()} has no command ${word}`;
      }
    }
  }
  return null;
}

/** The server has two names. */
function isStart(command: Command, word: string): boolean {
  return command === TREE && word === 'start';
}

test.each(PAGES)('%s names commands and options that are there', (page) => {
  const problems = mentionsOf(page).flatMap(({ place, line }) => {
    const wrong = problem(line);
    return wrong === null ? [] : [`${place}: \`${line}\`: ${wrong}`];
  });
  expect(problems).toEqual([]);
});

test('a command, or an option, that is not there is noticed', () => {
  expect(problem('iothub acl --live')).toBe('acl has no option --live');
  expect(problem('iothub users lst')).toBe('users has no command lst');
  expect(problem('iothub explain publish --client x')).toBeNull();
});

/** All keys, `limits.qos_max`, and all tables. */
const KEYS = new Set(
  allTables().flatMap(([name, { settings }]) => [
    name,
    ...Object.keys(settings).map((key) => (name === '' ? key : `${name}.${key}`)),
  ]),
);

/** Keys by their whole names, in backticks or as variables of the environment. */
function keysIn(text: string): string[] {
  const spelt = [...text.matchAll(/`([a-z_]+(?:\.[a-z_]+)+)(?: = [^`]*)?`/g)].map(([, key]) => key);
  const variables = [...text.matchAll(/\bIOTHUB_([A-Z][A-Z_]*__[A-Z_]+)/g)].map(([, name]) =>
    name.toLowerCase().replaceAll('__', '.'),
  );
  return [...spelt.filter((key) => KEYS.has(key.split('.')[0])), ...variables].filter(
    (key) => !/^storage\.options\.|\.(?:ts|token)$/.test(key), // a store's own, and files
  );
}

const PACKAGE = JSON.parse(read('package.json'));
const EXAMPLES = readdirSync(path.join(ROOT, 'examples'))
  .map((name) => `examples/${name}/README.md`)
  .filter((page) => existsSync(path.join(ROOT, page)));
const FAMILY_NAMES = new Set(FAMILIES.map(({ name }) => name));
const ROUTES = [...read('docs/admin-api.md').matchAll(/^\| `[A-Z]+ ([^`]+)` \|/gm)].map(
  ([, route]) => new RegExp(`^${route.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
);

describe.each(PAGES)('%s', (page) => {
  const text = read(page);

  test('names keys of the configuration that are there', () => {
    expect(keysIn(text).filter((key) => !KEYS.has(key))).toEqual([]);
  });

  test('names metrics that are there', () => {
    const names = [...text.matchAll(/\b(iothub_[a-z0-9_]+[a-z0-9])\b/g)].map(([, name]) => name);
    expect(names.filter((name) => !isMetric(name))).toEqual([]);
  });

  test('names routes of the admin API that are there', () => {
    const routes = [...text.matchAll(/\/api\/v1\/[\w/{}.-]*[\w}]/g)].map(([route]) => route);
    expect(routes.filter((route) => !ROUTES.some((one) => one.test(route)))).toEqual([]);
  });
});

/** What is imported from the package, by module: `iothub/auth`. */
function importsIn(text: string): { readonly from: string; readonly name: string }[] {
  return [...text.matchAll(/import (?:type )?\{([^}]+)\} from '(iothub[\w/]*)'/g)].flatMap(
    ([, names, from]) => [...names.matchAll(/\w+/g)].map(([name]) => ({ from, name })),
  );
}

/** The names that a module of the package has, types included. */
function exportsOf(from: string): string {
  const entry: { default: string } = PACKAGE.exports[from.replace(/^iothub/, '.')];
  return read(entry.default.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts'));
}

test.each([...PAGES, ...EXAMPLES])('%s imports what the package has', (page) => {
  for (const { from, name } of importsIn(read(page))) {
    expect(exportsOf(from), `${name} of ${from}`).toMatch(new RegExp(`\\b${name}\\b`));
  }
});

/** Also what Prometheus makes of a histogram. */
function isMetric(name: string): boolean {
  return FAMILY_NAMES.has(name) || FAMILY_NAMES.has(name.replace(/_(?:bucket|sum|count)$/, ''));
}
