import { Command, Option } from 'commander';
import { HexzError } from '../engine/errors.js';
import { collect, parseBytes } from './arguments.js';
import type { CommitCommandOptions } from './commit.js';
import type { PackCommandOptions } from './pack.js';

/** `hexz pack` and `hexz commit`, which make snapshots. */
export const writingCommands = (): Command[] => [packCommand(), commitCommand()];

function packCommand(): Command {
  const command = new Command('pack')
    .description('Make a snapshot of a disk and a memory')
    .option('--disk <file>', 'a disk image or device; - is standard input')
    .option('--memory <file>', 'a memory dump; - is standard input')
    .requiredOption('-o, --output <file>', 'the snapshot');
  encodingOptions(command)
    .option('--cdc', 'cut blocks where the contents say so')
    .addOption(bytes('--min-chunk <bytes>', 'shortest block with --cdc (default: 16384)'))
    .addOption(bytes('--avg-chunk <bytes>', 'average block with --cdc (default: 65536)'))
    .addOption(bytes('--max-chunk <bytes>', 'longest block with --cdc (default: 131072)'))
    .option('--train-dict', 'train a dictionary on the input (zstd only; needs libzstd)')
    .option('--encrypt', 'encrypt with a password')
    .option('--parent <snapshot>', 'borrow blocks that this snapshot has in the same place')
    .option('--message <text>', 'store a text with the snapshot')
    .option('--verify-all', 'decode everything that was written, not only one block in sixteen')
    .addOption(
      new Option(
        '--salt <hex>',
        'for test fixtures only: a salt that is not random makes encryption weak',
      ),
    );
  return endOptions(command).action(async (options: PackCommandOptions) => {
    const { pack } = await import('./pack.js');
    await pack(options);
  });
}

function commitCommand(): Command {
  const command = new Command('commit')
    .description('Make a new snapshot of a base and its overlay')
    .usage(
      '[options] <base> <overlay> <output>\n       hexz commit --live [options] <mountpoint> <output>',
    )
    .argument('<base>', 'the snapshot that the overlay was made on; with --live a mountpoint')
    .argument('<overlay>', 'the data file of the overlay; with --live the new snapshot')
    .argument('[output]', 'the new snapshot')
    .option(
      '--live',
      'commit the overlay of a mount, as it is at one instant, while the mount goes on',
    );
  encodingOptions(command)
    .option('--thin', 'borrow what did not change from the base')
    .option('--flatten', 'need no other snapshot afterwards (this is the default)')
    .option('--keep-overlay', 'leave the overlay as it is')
    .option('--select <file>', 'commit only these pages (hexz diff --pages prints such a file)')
    .addOption(
      new Option(
        '--memory <file>',
        'a memory dump in the place of the memory of the base',
      ).conflicts('dropMemory'),
    )
    .option('--drop-memory', 'leave the memory of the base out')
    .option('--message <text>', 'store a text with the snapshot')
    .option('--encrypt', 'encrypt with the password of the base, or a new one')
    .option('--new-password-file <file>', 'file that holds another password for the new snapshot')
    .option('--verify-all', 'compare every byte with base and overlay, also what was only copied')
    .addHelpText(
      'after',
      `
The overlay is deleted when the new snapshot has been read back and compared. With --select, the pages
that were not committed stay in it, and it lies on the new snapshot. With --live it stays as it is, and
what the review of the mount drops is left out.`,
    );
  return endOptions(command).action(
    async (
      base: string,
      overlay: string,
      output: string | undefined,
      options: CommitCommandOptions & { live?: boolean },
    ) => {
      if ((options.live === true) === (output !== undefined)) {
        throw new HexzError('USAGE', 'commit takes a base, an overlay and an output', {
          hint: 'or with --live a mountpoint and an output',
        });
      }
      if (output === undefined) {
        const { commitLive } = await import('./commitLive.js');
        await commitLive(base, overlay, options);
        return;
      }
      const { commit } = await import('./commit.js');
      await commit(base, overlay, output, options);
    },
  );
}

function encodingOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--compression <codec>', 'how blocks are compressed')
        .choices(['lz4', 'zstd'])
        .default('lz4'),
    )
    .addOption(bytes('--block-size <bytes>', 'length of a block').default(65_536));
}

function endOptions(command: Command): Command {
  return command
    .option('--password-file <file>', 'file that holds a password (repeatable)', collect)
    .option('--parent-dir <dir>', 'look for parents here too (repeatable)', collect)
    .option('--force', 'replace an existing file')
    .option('-s, --silent', 'say nothing but warnings and errors')
    .option('--json', 'print JSON lines: progress, then the result')
    .helpOption('-h, --help', 'show this help');
}

const bytes = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(parseBytes);
