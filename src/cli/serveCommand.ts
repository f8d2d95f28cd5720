import { Command, InvalidArgumentError, Option } from 'commander';
import { collect, parseBytes } from './arguments.js';
import type { ServeCommandOptions } from './serve.js';

/** `hexz serve`, as the command line takes it. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('Serve a snapshot to NBD clients: virtual machines, backup tools, other hosts')
    .argument('[snapshot]', 'a .hxz file')
    .option('--nbd', 'the protocol (there is no other yet)')
    .option('--attach <mountpoint>', 'let the engine that serves this mount do it')
    .addOption(
      new Option('--port <number>', 'on 127.0.0.1; 0 takes a free one (default: 8080)').argParser(
        parsePort,
      ),
    )
    .option('--socket <path>', 'a Unix socket, instead of a port')
    .option('--bind <address>', 'another address than 127.0.0.1; needs TLS')
    .option('--export-name <name>', 'name of the disk for clients (default: disk)')
    .option('--memory', 'serve the memory, too, as "memory"')
    .option('--rw', 'let the disk be written, into the overlay (a temporary one if none is named)')
    .option('--overlay <file>', 'the overlay that holds changes of the disk')
    .option('--tls-certificate <file>', 'certificate (PEM) of the server, for TLS')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--tls-client-ca <file>', 'take only clients with a certificate that these have signed')
    .option('--tls-psk <file>', 'for TLS with shared keys: lines of NAME:HEXKEY, as psktool writes')
    .option('-d, --daemon', 'return when it is ready, and go on in the background')
    .option('--force', 'take an overlay that was made on another snapshot')
    .option('--parent-dir <dir>', 'look for parents here too (repeatable)', collect)
    .option('--password-file <file>', 'file that holds a password (repeatable)', collect)
    .addOption(
      new Option(
        '--cache-size <size>',
        'memory for decoded blocks, such as 512M (default: 256M)',
      ).argParser(parseBytes),
    )
    .option('--json', 'print one JSON document')
    .helpOption('-h, --help', 'show this help')
    .addHelpText(
      'after',
      `
It listens on 127.0.0.1 or at a Unix socket that is yours alone. docs/nbd.md has examples for clients.
With TLS, clients have to use it.`,
    )
    .action(async (path: string | undefined, options: ServeCommandOptions) => {
      const { serve } = await import('./serve.js');
      const status = await serve(path, options);
      // Nothing that a client left half done keeps the process.
      process.exit(status);
    });
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new InvalidArgumentError('Give a number from 0 to 65535.');
  return port;
}
