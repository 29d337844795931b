// The command line: flags, then the server, or one of the tools. What is wrong with the flags is a sentence on stderr and an exit
// code of its own; see exit-code.ts. Each command is loaded when it is asked for: all that a server needs takes longer to load
// than most commands run, and a server loads neither their code nor a store that it does not use.

import { CommanderError } from 'commander';
import { ExitCode } from './exit-code.ts';
import { type CommandLine, parseCommandLine } from './options.ts';
import { readVersion } from './version.ts';

/** The exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let line: CommandLine;
  try {
    line = parseCommandLine(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
  }
  return runCommand(line);
}

async function runCommand(line: CommandLine): Promise<number> {
  switch (line.command) {
    case 'start':
    case 'check':
      return (await import('./run-server.ts')).runServer(line);
    case 'passwd':
      return (await import('./commands/passwd.ts')).passwd(line);
    case 'users':
      return (await import('./commands/users.ts')).runUsers(line, readVersion());
    case 'acl':
    case 'ban':
    case 'reload':
      return (await import('./commands/access.ts')).runAccess(line, readVersion());
    case 'bench':
      return (await import('./commands/bench.ts')).bench(line);
    case 'drops':
      return (await import('./commands/drops.ts')).runDrops(line);
    case 'log':
      return (await import('./commands/log.ts')).runLog(line);
    case 'pub':
      return (await import('./commands/pub.ts')).pub(line);
    case 'sub':
      return (await import('./commands/sub.ts')).sub(line);
    case 'token':
      return (await import('./commands/token.ts')).runToken(line, readVersion());
    case 'healthcheck':
      return (await import('./commands/healthcheck.ts')).healthcheck(line);
    case 'manage':
      return (await import('./commands/manage.ts')).runManage(line);
    case 'explain':
    case 'trace':
      return (await import('./commands/explain.ts')).runExplain(line);
    case 'init':
      return (await import('./commands/init.ts')).init(line);
    case 'completion':
      return (await import('./commands/completion.ts')).completion(line);
    default:
      return (await import('./commands/tool.ts')).runTool(line, readVersion());
  }
}
