// The command line of `iothub init`.

import { isIP } from 'node:net';
import { type Command, InvalidArgumentError } from 'commander';

export interface InitLine {
  readonly command: 'init';
  readonly folder: string;
  readonly username: string;
  readonly hasTls: boolean;
  /** Names and addresses by which others reach this machine; none: only programs on it do. */
  readonly hosts: readonly string[];
  readonly json: boolean;
}

interface InitOptions {
  readonly json?: boolean;
  readonly user: string;
  readonly tls?: boolean;
  readonly host?: readonly string[];
}

const EPILOGUE = `
It writes FOLDER/iothub.toml and FOLDER/passwords with a user whose password it
prints, once; with --tls also FOLDER/tls with the keys and certificates of an
authority of its own (10 years), of the server and of that user (825 days).
Nothing that is there is overwritten. Without --host only programs on this
machine are served.

Exit codes: 0 done, 1 failed or files are there already, 2 wrong command line.`;

export function addInitCommand(program: Command, found: (line: InitLine) => void): void {
  program
    .command('init')
    .description('write a configuration with a user and a password')
    .argument('[folder]', 'where it is written', parseFolder, './iothub')
    .option('--user <name>', 'the name of the user', parseUser, 'admin')
    .option('--tls', 'serve TLS, too, with certificates that are made for it')
    .option(
      '--host <name>',
      'with --tls: a name or address by which others reach this machine; may be repeated',
      (text, hosts: readonly string[] = []) => [...hosts, parseHost(text)],
    )
    .option('--json', 'say it as one line of JSON, the password too')
    .addHelpText('after', EPILOGUE)
    .action((folder: string, options: InitOptions, command: Command) => {
      const { user: username, tls = false, host: hosts = [], json = false } = options;
      if (hosts.length > 0 && !tls) {
        const message = 'error: --host needs --tls: passwords would cross the network in the clear';
        command.error(message, { exitCode: 2 });
      }
      found({ command: 'init', folder, username, hasTls: tls, hosts, json });
    });
}

function parseFolder(text: string): string {
  if (text !== '' && !text.includes('\0')) return text;
  throw new InvalidArgumentError('The name of the folder must not be empty.');
}

/** A name that is itself in a file, a certificate, a rule and a shell. */
function parseUser(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'Write a letter or digit, then up to 63 letters, digits and . _ @ -',
  );
}

function parseHost(text: string): string {
  const isName = /^(?=.{1,253}$)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*$/;
  if (isIP(text) !== 0 || (isName.test(text) && !text.startsWith('-'))) return text;
  throw new InvalidArgumentError(
    'Write an IP address (IPv6 without brackets) or a name, as 192.0.2.7 or hub.example.com',
  );
}
