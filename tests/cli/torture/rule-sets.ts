// Passwords, ACLs and configurations that a server can be told from each other by, however much of them it has read. Each version
// has a mark that no other has. Of each file the first line and the last one count: who has read a half of it lets nobody in who
// is told last, or lets out what the last line keeps in.

import { pbkdf2Sync } from 'node:crypto';

export const PARTS = ['passwords', 'acl', 'config'] as const;
export type Part = (typeof PARTS)[number];

export const PASSWORD = 'right';
const SALT = Buffer.alloc(12, 7);
const HASH = `$7$20$${SALT.toString('base64')}$${pbkdf2Sync(PASSWORD, SALT, 20, 64, 'sha512').toString('base64')}`;

/** Lines between the first and the last one that mean nothing to anybody. */
const FILLERS = 60;

/** Where a configuration finds the rest. */
export interface Place {
  readonly passwords: string;
  readonly acl: string;
  readonly port: number;
  /** Of the listener that only some versions have. */
  readonly otherPort: number;
}

/** What only this version allows: a user name, or a topic. */
export function markOf(part: Part, version: string): string {
  return `${part}-${version}`;
}

export function contentOf(part: Part, version: string, place: Place): string {
  switch (part) {
    case 'passwords':
      return passwords(version);
    case 'acl':
      return acl(version);
    case 'config':
      return config(version, place);
  }
}

/** The users, of whom the one that is told last is as good as the others. */
function passwords(version: string): string {
  const names = ['wide', 'narrow', 'ruled', 'source', markOf('passwords', version)];
  const fillers = Array.from({ length: FILLERS }, (_, i) => `user-${i}`);
  return [...names, ...fillers, 'last'].map((name) => `${name}:${HASH}\n`).join('');
}

/** `wide` may do all but what the last line says; `narrow` only a little, the last line included. */
function acl(version: string): string {
  const fillers = Array.from({ length: FILLERS }, (_, i) => `topic read filler/${i}`);
  return [
    ...['user wide', 'topic readwrite #'],
    ...['user source', 'topic write secret/#'],
    ...['user narrow', 'topic readwrite always/#', `topic write ${markOf('acl', version)}`],
    ...['user nobody', ...fillers],
    ...['user narrow', 'topic write last/#'],
    ...['user wide', 'topic deny secret/#'],
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** Who is not in the ACL goes by the rules; the authorizers come last, so that without its end nobody would be asked. */
function config(version: string, { passwords: file, acl: aclFile, ...ports }: Place): string {
  const isEven = Number(version.replace(/\D/g, '')) % 2 === 0;
  const rule = (effect: string, topic: string): string =>
    `[[rules]]\neffect = "${effect}"\nactions = ["publish"]\nusers = ["ruled"]\ntopics = ["${topic}"]\n`;
  const fillers = Array.from({ length: 10 }, (_, i) => rule('allow', `filler/${i}`));
  return [
    `[[listeners]]\nurl = "mqtt://127.0.0.1:${ports.port}"\n`,
    isEven ? `[[listeners]]\nurl = "mqtt://127.0.0.1:${ports.otherPort}"\n` : '',
    '[penalties]\nfailures_max = 0\naddress_failures_max = 0\n',
    rule('allow', markOf('config', version)),
    ...fillers,
    rule('allow', 'last/#'),
    isEven ? '[[quotas]]\nusername = "last"\nmessages_per_second = 1000\n' : '',
    `[[authenticators]]\ntype = "password-file"\nfile = "${file}"\n`,
    `[[authorizers]]\ntype = "acl-file"\nfile = "${aclFile}"\n`,
    '[[authorizers]]\ntype = "rules"\n',
  ].join('');
}

/** Ways in which a file can be such that nobody may go by it. */
export const FLAWS = ['empty', 'shortened', 'garbled', 'unfinished', 'missing', 'folder'] as const;
export type Flaw = (typeof FLAWS)[number];

/** Whether this part can have it: a configuration that is short is one like others. */
export function canHave(part: Part, flaw: Flaw): boolean {
  return part !== 'config' || (flaw !== 'shortened' && flaw !== 'unfinished');
}

const NONSENSE: Readonly<Record<Part, string>> = {
  passwords: 'user:plain\n',
  acl: 'topic my topic\n',
  config: '[[[\n',
};

/** What is in such a file; null: there is none. */
export function flawed(part: Part, flaw: Flaw, content: string, random: () => number): string {
  const lines = content.split('\n').slice(0, -1);
  const at = Math.floor(random() * lines.length);
  switch (flaw) {
    case 'shortened':
      return `${lines.slice(0, Math.floor(lines.length / 3)).join('\n')}\n`;
    case 'garbled':
      return `${[...lines.slice(0, at), NONSENSE[part].trim(), ...lines.slice(at)].join('\n')}\n`;
    case 'unfinished':
      return content.slice(0, -3); // `topic deny secret` is a line like any other
    default:
      return '';
  }
}
