import { readPrivateKey } from '../engine/write/keys.js';
import { Signing } from '../engine/write/sign.js';
import type { MachineOptions } from './arguments.js';
import { printable, printJson } from './output.js';
import { SignalGuard } from './signalGuard.js';

export interface SignOptions extends MachineOptions {
  readonly key: string;
}

/** `hexz sign --key private.key SNAP [--json]` */
export async function sign(path: string, options: SignOptions): Promise<void> {
  const privateKey = readPrivateKey(options.key);
  const signature = await SignalGuard.run((guard) =>
    guard.watch(() => new Signing(path, privateKey)).finish(),
  );
  const publicKey = signature.publicKey.toString('hex');
  if (options.json === true) {
    printJson({ path, ...signature, publicKey });
    return;
  }
  const before = signature.replacesSignature ? ', and the signature before' : '';
  process.stdout.write(
    `${printable(path)}: signed; the signature covers the master index and the metadata${before}; ` +
      `public key ${publicKey}\n`,
  );
}
