// What the documentation shows is right: configurations are valid, commands are commands, links lead somewhere. A block that
// is to be wrong, or only a part of something, says so behind its language: ```toml part

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';
import { parseConfig } from '../../src/config/load.ts';
import { ROOT } from './command.ts';

interface Block {
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

const PAGES: readonly string[] = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join('docs', name)),
];

function read(page: string): string {
  return readFileSync(path.join(ROOT, page), 'utf8');
}

/** All that is fenced, with its file and line. */
function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const lines = read(page).split('\n');
  for (let i = 0; i < lines.length; i++) {
    const language = /^```(.*)$/.exec(lines[i])?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', i + 1);
    blocks.push({ place: `${page}:${i + 1}`, language, text: lines.slice(i + 1, end).join('\n') });
    i = end;
  }
  return blocks;
}

const BLOCKS = PAGES.flatMap(blocksOf);

const CONFIGURATIONS = BLOCKS.filter(({ language }) => language === 'toml');
const COMMANDS = BLOCKS.filter(({ language }) => language === 'sh').flatMap(({ place, text }) =>
  commandsOf(text).map((words) => ({ place, line: words.join(' '), args: words.slice(1) })),
);

/** The commands of a block, each as its words; with what a shell would make of quotes, lines and comments. */
function commandsOf(text: string): string[][] {
  const joined = text.replaceAll('\\\n', ' ').replaceAll('node dist/cli/main.js', 'iothub');
  return joined
    .split('\n')
    .map(wordsOf)
    .filter(([program]) => program === 'iothub');
}

function wordsOf(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:#|&|>|\|)/.test(word)) break;
    words.push(word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return words;
}

describe('the documentation', () => {
  test('has such blocks', () => {
    expect(CONFIGURATIONS.length).toBeGreaterThan(15);
    expect(COMMANDS.length).toBeGreaterThan(20);
  });

  test.each(CONFIGURATIONS)('has a valid configuration at $place', ({ place, text }) => {
    expect(() => parseConfig(text, place)).not.toThrow();
  });

  test.each(COMMANDS)('has a command at $place: $line', ({ args }) => {
    expect(parseCommandLine(args)).toBeTypeOf('object');
  });

  test.each(PAGES)('has no dead link in %s', (page) => {
    const text = read(page).replaceAll(/```.*?```/gs, '');
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file, heading] = link.split('#');
      const target = path.join(ROOT, path.dirname(page), file);
      const found = file === '' ? path.join(ROOT, page) : target;
      expect(existsSync(found), link).toBe(true);
      if (heading === undefined) continue;
      expect(headingsOf(readFileSync(found, 'utf8')), link).toContain(heading);
    }
  });
});

/** As links name them. */
function headingsOf(text: string): string[] {
  const headings = text.replaceAll(/```.*?```/gs, '').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
