const ABSENT = `
  import Module from 'node:module';
  const load = Module._load;
  Module._load = (name, ...others) => {
    if (name === 'koffi' || name === 'fuse-native') throw new Error('Cannot find module');
    return load(name, ...others);
  };
`;

/** The environment of a command, and of the engines that it starts, for which neither koffi nor fuse-native is installed. */
export const withoutFuse = {
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(ABSENT)}`,
} as const;
