const ABSENT = `
  import Module from 'node:module';
  const load = Module._load;
  Module._load = (name, ...others) => {
    if (name === 'fuse-native') throw new Error('Cannot find module');
    return load(name, ...others);
  };
`;

/** The environment of a command, and of the engines that it starts, for which fuse-native is not installed. */
export const withoutFuse = {
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(ABSENT)}`,
} as const;
