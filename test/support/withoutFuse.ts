/** The environment of a command, and of the engines that it starts, for which packages are not installed. */
function without(...names: readonly string[]): { readonly NODE_OPTIONS: string } {
  const code = `
    import Module from 'node:module';
    const load = Module._load;
    Module._load = (name, ...others) => {
      if (${JSON.stringify(names)}.includes(name)) throw new Error('Cannot find module');
      return load(name, ...others);
    };
  `;
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(code)}` };
}

/** With neither koffi nor fuse-native. */
export const withoutFuse = without('koffi', 'fuse-native');

export const withoutFuseNative = without('fuse-native');
