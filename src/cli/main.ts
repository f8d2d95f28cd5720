#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander';
import { asHexzError, errorTable, HexzError } from '../engine/errors.js';
import { backendNames } from '../engine/fuse/backendNames.js';
import { version } from '../engine/process/version.js';
import {
  collect,
  type MachineOptions,
  parseBytes,
  parseId,
  type ReadOptions,
  streamOption,
} from './arguments.js';
import type { DiffCommandOptions } from './diff.js';
import type { ExtractOptions } from './extract.js';
import type { FixtureBuildOptions } from './fixture.js';
import type { InspectCommandOptions, ScriptSource } from './inspectOptions.js';
import type { KeygenOptions } from './keygen.js';
import type { MountCommandOptions } from './mount.js';
import { type JsonForm, reportError, STANDARD_OUTPUT, watchOutput } from './output.js';
import type { OverlayCommandOptions } from './overlay.js';
import { serveCommand } from './serveCommand.js';
import type { SignOptions } from './sign.js';
import type { UnmountCommandOptions } from './unmount.js';
import { writingCommands } from './writingCommands.js';

/** Exit statuses, for the end of the help; docs/errors.md has every code. */
const HELP_END = `
Exit status: 0 done, 1 the answer is no, 2 usage, 3 input unreadable or not a snapshot, 4 input damaged,
5 wrong or missing password, 6 mount, unmount or device failure, 7 refused to protect
data, 8 output could not be written, 70 a bug in hexz.

Environment:
  HEXZ_PASSWORD  password of encrypted snapshots (set but empty: the empty password)
  HEXZ_BACKEND   what carries a mount, where --backend does not say it
  HEXZ_CODECS    "bundled": do not use the compression libraries of the system`;

function readingCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('<snapshot>', 'a .hxz file')
    .option('--parent-dir <dir>', 'look for parents here too (repeatable)', collect)
    .option('--json', 'print one JSON document')
    .helpOption('-h, --help', 'show this help');
}

const backendOption = (): Option =>
  new Option('--backend <name>', 'what carries the mount').choices([...backendNames]);
const cacheOption = (): Option =>
  new Option(
    '--cache-size <size>',
    'memory for decoded blocks, such as 512M (default: 256M)',
  ).argParser(parseBytes);

const partitionOption = (): Option =>
  new Option(
    '--partition <number>',
    'with --nbd: which partition, where there are several',
  ).argParser(parseId);

function decodingCommand(name: string, description: string): Command {
  return readingCommand(name, description)
    .option('--password-file <file>', 'file that holds a password (repeatable)', collect)
    .addOption(cacheOption());
}

function machineCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print one JSON document')
    .helpOption('-h, --help', 'show this help');
}

function program(): Command {
  const hexz = new Command('hexz')
    .description('Look into, make and commit .hxz virtual machine snapshots')
    .version(`hexz ${version}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', HELP_END);
  hexz.addCommand(
    readingCommand('info', 'Show what a snapshot is: streams, sizes, encryption, parents')
      .option('--blocks', 'count the blocks by kind, too (reads the whole index)')
      .action(async (path: string, options: ReadOptions & { blocks?: boolean }) => {
        const { info } = await import('./info.js');
        info(path, options);
      }),
  );
  hexz.addCommand(
    decodingCommand('verify', 'Check every block of a snapshot and its parents')
      .option('--key <file>', 'check the signature with this public key, too')
      .action(async (path: string, options: ReadOptions & { key?: string }) => {
        const { verify } = await import('./verify.js');
        process.exitCode = await verify(path, options);
      }),
  );
  hexz.addCommand(
    decodingCommand('extract', 'Write the decoded bytes of a stream to a file or a pipe')
      .addOption(streamOption())
      .option('-o, --output <file>', 'where to write; - is standard output (default)')
      .addOption(new Option('--offset <bytes>', 'where to begin').argParser(parseBytes))
      .addOption(new Option('--length <bytes>', 'how much to write').argParser(parseBytes))
      .option('--force', 'replace an existing file')
      .action(async (path: string, options: ExtractOptions) => {
        const { extract } = await import('./extract.js');
        await extract(path, options);
      }),
  );
  hexz.addCommand(
    decodingCommand(
      'mount',
      'Mount a snapshot with FUSE: a directory with the files disk and memory',
    )
      .argument('<mountpoint>', 'an empty directory')
      .option('--overlay <file>', 'the overlay that holds changes of the disk')
      .option(
        '--rw',
        'let the disk be written, into the overlay (a temporary one if none is named)',
      )
      .option('-d, --daemon', 'return when it is ready, and go on in the background')
      .addOption(
        new Option('--uid <number>', 'owner of the files (default: you)').argParser(parseId),
      )
      .addOption(
        new Option('--gid <number>', 'group of the files (default: yours)').argParser(parseId),
      )
      .option('--allow-other', 'let other users use the mount')
      .addOption(backendOption())
      .option('--writeback', 'let the kernel keep what is written until it is synced')
      .option('--force', 'take an overlay that was made on another snapshot')
      .option('--nbd', 'mount the file system on the disk, over NBD (needs root, or sudo)')
      .addOption(partitionOption())
      .action(async (path: string, mountpoint: string, options: MountCommandOptions) => {
        const { mount } = await import('./mount.js');
        const status = await mount(path, mountpoint, options);
        // Whoever still has a file of the mount open keeps libfuse at work, and that this process.
        process.exit(status);
      }),
  );
  hexz.addCommand(serveCommand());
  hexz.addCommand(inspectCommand());
  hexz.addCommand(diffCommand());
  for (const command of writingCommands()) hexz.addCommand(command);
  hexz.addCommand(
    machineCommand('unmount', 'End a mount, a dead one too, and wait until everything is flushed')
      .argument('<mountpoint>', 'where it is mounted')
      .option('--lazy', 'detach it now, and serve what is open until it is closed')
      .action(async (mountpoint: string, options: UnmountCommandOptions) => {
        const { unmountCommand } = await import('./unmount.js');
        await unmountCommand(mountpoint, options);
      }),
  );
  hexz.addCommand(
    machineCommand('status', 'List the mounts of this user').action(
      async (options: MachineOptions) => {
        const { status } = await import('./status.js');
        status(options);
      },
    ),
  );
  hexz.addCommand(
    machineCommand('doctor', 'Say what this machine lacks for mounting, and what mends it')
      .addHelpText('after', '\nExit status: 0 when mounting with FUSE can work, 6 when it cannot.')
      .action(async (options: MachineOptions) => {
        const { doctor } = await import('./doctor.js');
        process.exitCode = doctor(options);
      }),
  );
  hexz.addCommand(overlayCommands());
  hexz.addCommand(
    machineCommand('keygen', 'Make a pair of keys for signing: private.key and public.key')
      .option('-o, --output-dir <dir>', 'where to put them', '.')
      .option('--force', 'replace existing keys')
      .action(async (options: KeygenOptions) => {
        const { keygen } = await import('./keygen.js');
        await keygen(options);
      }),
  );
  hexz.addCommand(
    machineCommand('sign', 'Sign a snapshot with a private key')
      .argument('<snapshot>', 'a .hxz file; a signed copy takes its place')
      .requiredOption('--key <file>', 'the private key')
      .action(async (path: string, options: SignOptions) => {
        const { sign } = await import('./sign.js');
        await sign(path, options);
      }),
  );
  hexz.addCommand(fixtureCommands());
  for (const command of [hexz, ...hexz.commands.flatMap((child) => [child, ...child.commands])]) {
    command.exitOverride().configureOutput({ writeErr: () => {} });
  }
  return hexz;
}

function inspectCommand(): Command {
  const sources: ScriptSource[] = [];
  return new Command('inspect')
    .description('Look into a live mount, review and commit its changes: by hand or from a script')
    .argument('[snapshot]', 'a .hxz file')
    .argument('[mountpoint]', 'an empty directory (default: a temporary one)')
    .option('--attach <mountpoint>', 'take the engine that serves this mount instead')
    .option('--rw', 'let the disk be written, into the overlay (a temporary one if none is named)')
    .option('--overlay <file>', 'the overlay that holds changes of the disk')
    .option('-c, --command <commands>', 'run this instead of asking (repeatable)', (text) => {
      sources.push({ kind: 'commands', text });
    })
    .option(
      '--script <file>',
      'run the commands in this file; - is standard input (repeatable)',
      (path) => {
        sources.push({ kind: 'file', path });
      },
    )
    .option('--no-mount', 'serve no mount')
    .option('--nbd', 'mount the file system on the disk, over NBD (needs root, or sudo)')
    .addOption(partitionOption())
    .option('--plain', 'on a terminal: lines instead of the screen')
    .option('--no-alt-screen', 'show the screen below what the terminal shows, not instead of it')
    .option('--no-mouse', 'leave the mouse to the terminal')
    .option('--allow-other', 'let other users use the mount')
    .addOption(backendOption())
    .option('--force', 'take an overlay that was made on another snapshot')
    .option('--parent-dir <dir>', 'look for parents here too (repeatable)', collect)
    .option('--password-file <file>', 'file that holds a password (repeatable)', collect)
    .addOption(cacheOption())
    .option('--json', 'print a JSON document for each command')
    .helpOption('-h, --help', 'show this help')
    .addHelpText(
      'after',
      `
On a terminal it opens a screen (docs/screen.md): ? shows its keys, : takes commands. --plain asks for
commands line by line instead. Where nothing can be mounted and no mountpoint is named, both go on without.
-c and --script are run in the order in which they stand. Without them, and without a terminal, commands
are read from standard input; where none come, it says what the snapshot is, without mounting it.
"-c help" lists the commands, docs/repl.md explains them.
Exit status: that of the first error, which ends a script; 1 when an assertion or a program fails.`,
    )
    .action(
      async (
        path: string | undefined,
        mountpoint: string | undefined,
        options: Omit<InspectCommandOptions, 'sources'>,
      ) => {
        const { inspect } = await import('./inspect.js');
        process.exitCode = await inspect(path, mountpoint, { ...options, sources });
      },
    );
}

function diffCommand(): Command {
  const form = (flag: string, description: string, others: string[]) =>
    new Option(flag, description).conflicts(others);
  return new Command('diff')
    .description('Show what an overlay, or a second snapshot, has changed')
    .argument('<overlay>', 'the data file of an overlay, or a snapshot')
    .argument('[snapshot]', 'compare two snapshots: the one after')
    .option('--base <snapshot>', 'the snapshot that the overlay was made on')
    .addOption(form('--stat', 'sums (default)', ['pages', 'hex']))
    .addOption(form('--pages', 'a line for each run of pages', ['stat', 'hex']))
    .addOption(form('--hex', 'the bytes that have changed, beside each other', ['stat', 'pages']))
    .option('--force', 'compare an overlay that was made on another snapshot')
    .option('--parent-dir <dir>', 'look for parents here too (repeatable)', collect)
    .option('--password-file <file>', 'file that holds a password (repeatable)', collect)
    .addOption(cacheOption())
    .option('--json', 'print one JSON document a line')
    .helpOption('-h, --help', 'show this help')
    .addHelpText(
      'after',
      `
Without --base, the snapshot is taken that the overlay records.
Exit status: 0 when nothing differs, 1 when something does.`,
    )
    .action(async (first: string, second: string | undefined, options: DiffCommandOptions) => {
      const { diff } = await import('./diff.js');
      process.exitCode = await diff(first, second, options);
    });
}

function overlayCommands(): Command {
  const overlayCommand = (name: string, description: string) =>
    new Command(name)
      .description(description)
      .argument('<overlay>', 'the data file of an overlay')
      .option('--base <snapshot>', 'the snapshot that the overlay was made on')
      .option('--parent-dir <dir>', 'look for parents of the base here too (repeatable)', collect)
      .option('--password-file <file>', 'file that holds a password (repeatable)', collect)
      .option('--json', 'print one JSON document')
      .helpOption('-h, --help', 'show this help');
  const changingCommand = (name: 'repair' | 'compact', description: string) =>
    overlayCommand(name, description)
      .option('--force', 'take an overlay that was made on another snapshot')
      .addHelpText('after', '\nWithout --base, the snapshot is taken that the overlay records.')
      .action(async (path: string, options: OverlayCommandOptions) => {
        const commands = await import('./overlay.js');
        await commands[name](path, options);
      });
  return new Command('overlay')
    .description('Check, mend and shrink overlays')
    .helpOption('-h, --help', 'show this help')
    .addCommand(
      overlayCommand('verify', 'Say in what state an overlay is, without changing it')
        .addHelpText('after', '\nExit status: 0 when it is sound, 1 when something is damaged.')
        .action(async (path: string, options: OverlayCommandOptions) => {
          const { verify } = await import('./overlay.js');
          process.exitCode = await verify(path, options);
        }),
    )
    .addCommand(
      changingCommand('repair', 'Mend what an interrupted writer left, and say what was done'),
    )
    .addCommand(changingCommand('compact', 'Drop pages that hold only what the base has'));
}

function fixtureCommands(): Command {
  return new Command('fixture')
    .description('Make snapshots and overlays from recipes, the same bytes everywhere')
    .helpOption('-h, --help', 'show this help')
    .addCommand(
      new Command('build')
        .description('Make what recipes describe, and hold it against their lock files')
        .argument('<recipe...>', 'YAML files; docs/recipes.md says what they can say')
        .option('-o, --output <dir>', 'directory for what is made (default: the current one)')
        .option('--check', 'make it elsewhere, compare with the lock files, and throw it away')
        .option('--update', 'record in the lock files what the recipes make now')
        .option('--force', 'replace files of the same names that hold something else')
        .option('--json', 'print one JSON document')
        .helpOption('-h, --help', 'show this help')
        .addHelpText(
          'after',
          '\nExit status: 0 when all is made; with --check 1 when a lock file does not agree.',
        )
        .action(async (recipes: string[], options: FixtureBuildOptions) => {
          const { build } = await import('./fixture.js');
          process.exitCode = await build(recipes, options);
        }),
    );
}

/** Commands that print a JSON document a line. */
const STREAMING = ['inspect', 'diff', 'pack', 'commit'];

function jsonForm(argv: readonly string[]): JsonForm | undefined {
  if (!argv.includes('--json')) return undefined;
  return STREAMING.includes(argv[0] ?? '') ? 'lines' : 'document';
}

async function main(argv: string[]): Promise<void> {
  watchOutput();
  const hexz = program();
  try {
    // As with most tools: without a word, the help is what is wanted.
    await hexz.parseAsync(argv.length === 0 ? ['--help'] : argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return;
      if (error.code === 'commander.help') {
        // A command that only has commands of its own.
        hexz.commands.find((command) => command.name() === argv[0])?.outputHelp();
        return;
      }
      const message = error.message
        .replace(/^error: /, '')
        .replace(/\s*\n\s*/g, ' ')
        .replace(/\.$/, '');
      const usage = new HexzError('USAGE', message, {
        hint: 'hexz --help lists commands and options',
      });
      reportError(usage, jsonForm(argv));
      process.exitCode = errorTable.USAGE.exitStatus;
      return;
    }
    const hexzError = asHexzError(error);
    if (isClosedPipe(hexzError)) return;
    reportError(hexzError, writesBytesToStandardOutput(argv) ? undefined : jsonForm(argv));
    process.exitCode = hexzError.exitStatus;
  }
}

/** Who reads our standard output may stop when he has enough; a named output was to be complete. */
const isClosedPipe = ({ cause, location }: HexzError): boolean =>
  location.file === STANDARD_OUTPUT &&
  cause instanceof Error &&
  (cause as NodeJS.ErrnoException).code === 'EPIPE';

const writesBytesToStandardOutput = (argv: readonly string[]): boolean =>
  argv[0] === 'extract' && !argv.some((argument) => /^(-o|--output)/.test(argument));

await main(process.argv.slice(2));
