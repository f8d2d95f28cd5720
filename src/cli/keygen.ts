import { NewKeyPair } from '../engine/write/keys.js';
import type { MachineOptions } from './arguments.js';
import { printable, printJson } from './output.js';
import { SignalGuard } from './signalGuard.js';

export interface KeygenOptions extends MachineOptions {
  readonly outputDir: string;
  readonly force?: boolean;
}

/** `hexz keygen [-o DIR] [--force] [--json]` */
export async function keygen({ outputDir, force = false, json }: KeygenOptions): Promise<void> {
  const pair = await SignalGuard.run((guard) => {
    const opened = guard.watch(() => new NewKeyPair(outputDir, { force }));
    opened.finish();
    return opened;
  });
  const { privateKeyPath, publicKeyPath } = pair;
  const publicKey = pair.publicKey.toString('hex');
  if (json === true) {
    printJson({ privateKeyPath, publicKeyPath, publicKey });
    return;
  }
  const lines = [
    `private key: ${printable(privateKeyPath)} (keep it to yourself: hexz sign --key)`,
    `public key:  ${printable(publicKeyPath)} (for others: hexz verify --key)`,
    `             ${publicKey}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
