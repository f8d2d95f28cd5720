import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { ControlClient } from '../engine/control/client.js';
import { HexzError } from '../engine/errors.js';
import type { NbdOptions } from '../engine/process/nbdSettings.js';
import type { EngineEntry } from '../engine/process/registry.js';
import { settingsOf } from '../engine/process/settings.js';
import { findEngine } from '../engine/process/start.js';
import { describeMode, say } from './engineReport.js';
import { printJson } from './output.js';
import { type RunOptions, runEngine } from './runEngine.js';

export interface ServeCommandOptions extends RunOptions, NbdOptions {
  readonly nbd?: boolean;
  readonly attach?: string;
  readonly overlay?: string;
  readonly rw?: boolean;
  readonly force?: boolean;
}

/** `hexz serve SNAP --nbd [...]`; in the foreground it answers with the exit status when serving has ended. */
export async function serve(
  path: string | undefined,
  options: ServeCommandOptions,
): Promise<number> {
  if (options.nbd !== true) {
    throw new HexzError('USAGE', 'say what is to be served: --nbd', {
      hint: 'a mount is served by hexz mount',
    });
  }
  if (options.attach !== undefined) return attach(path, options.attach, options);
  if (path === undefined) throw new HexzError('USAGE', 'name a snapshot, or a mount with --attach');
  const settings = settingsOf({
    ...settingOptions(options),
    snapshot: path,
    parentDirectories: options.parentDir ?? [],
    nbd: nbdOptions(options),
  });
  return runEngine(path, settings, options, {
    document: describe,
    sentence: sentenceOf,
    ending: 'Ctrl+C ends it',
    daemonEnding: ({ pid }) => `kill ${pid} ends it`,
  });
}

/** `hexz serve --attach MOUNTPOINT --nbd [...]`: the running engine serves NBD clients, too, until it ends. */
async function attach(
  path: string | undefined,
  engine: string,
  options: ServeCommandOptions,
): Promise<number> {
  if (path !== undefined) {
    throw new HexzError('USAGE', 'name a snapshot or --attach, not both');
  }
  const { rw, overlay, daemon, force, cacheSize } = options;
  if ([rw, overlay, daemon, force, cacheSize].some((option) => option !== undefined)) {
    throw new HexzError('USAGE', 'how it is served was decided when the engine was started');
  }
  const { pid, socketPath } = findEngine(engine);
  const client = await ControlClient.connect(socketPath);
  try {
    const { url } = await client.request('serveNbd', withRealPaths(nbdOptions(options)));
    if (options.json === true) printJson({ pid, nbd: [url] });
    else say(`ready: ${engine} at ${url}, served by process ${pid}`);
    return 0;
  } finally {
    await client.close();
  }
}

function settingOptions({ overlay, rw, force, cacheSize }: ServeCommandOptions) {
  return {
    ...(overlay === undefined ? {} : { overlay }),
    ...(rw === undefined ? {} : { rw }),
    ...(force === undefined ? {} : { force }),
    ...(cacheSize === undefined ? {} : { cacheSize }),
  };
}

function nbdOptions(options: ServeCommandOptions): NbdOptions {
  const { port, socket, bind, exportName, memory } = options;
  const { tlsCertificate, tlsKey, tlsClientCa, tlsPsk } = options;
  return { port, socket, bind, exportName, memory, tlsCertificate, tlsKey, tlsClientCa, tlsPsk };
}

/** The engine has another current directory, and must not find out itself whether a link leads into its mount. */
function withRealPaths(options: NbdOptions): NbdOptions {
  const real = (path: string | undefined): string | undefined => {
    if (path === undefined) return undefined;
    const absolute = resolve(path);
    return join(realDirectory(dirname(absolute)), basename(absolute));
  };
  return {
    ...options,
    socket: real(options.socket),
    tlsCertificate: real(options.tlsCertificate),
    tlsKey: real(options.tlsKey),
    tlsClientCa: real(options.tlsClientCa),
    tlsPsk: real(options.tlsPsk),
  };
}

/** One that is not there is told of when something is looked for in it. */
function realDirectory(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function describe(entry: EngineEntry): Record<string, unknown> {
  const { pid, snapshot, mode, overlay, isTemporaryOverlay, nbd, startedAt } = entry;
  return { pid, snapshot, mode, overlay, isTemporaryOverlay, nbd, startedAt };
}

const sentenceOf = (entry: EngineEntry): string =>
  `${entry.snapshot} at ${entry.nbd.join(', ')} ${describeMode(entry)}`;
