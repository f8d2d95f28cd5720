// Which room of src may import which (docs/architecture.md). One forbidden rule is made of every row below.

/** Rooms and where they are. Some are planned: their rows hold from their first file on. */
const rooms = {
  format: '^src/engine/format/',
  codec: '^src/engine/codec/',
  activity: '^src/engine/activity/',
  snapshot: '^src/engine/snapshot/',
  overlay: '^src/engine/overlay/',
  volume: '^src/engine/volume/',
  fuse: '^src/engine/fuse/',
  nbd: '^src/engine/nbd/',
  write: '^src/engine/write/',
  // What a test mounts is a file: it is made before there is an engine that could be asked for it.
  'write/recipe/cachedFixture': '^src/engine/write/recipe/cachedFixture\\.ts$',
  // A file that a person asks for takes its name in one way, whoever writes it.
  'write/temporaryFile': '^src/engine/write/temporaryFile\\.ts$',
  review: '^src/engine/review/',
  forensics: '^src/forensics/',
  'control/protocol': '^src/engine/control/protocol[./]',
  'control/client': '^src/engine/control/client[./]',
  'control/server': '^src/engine/control/(?!(protocol|client)[./])',
  process: '^src/engine/process/',
  'process/start': '^src/engine/process/start[./]',
  repl: '^src/repl/',
  tui: '^src/tui/',
  testing: '^src/testing/',
  cli: '^src/cli/',
  library: '^src/index\\.ts$',
};

/** The modules that every room may import. */
const errors = '^src/engine/(byteSize|errors|programs|slices|systemErrors)\\.ts$';

const upToSnapshot = ['format', 'codec', 'activity', 'snapshot'];
const upToVolume = [...upToSnapshot, 'overlay', 'volume'];
const uses = ['fuse', 'nbd', 'write', 'forensics', 'review'];
const upToServer = [...upToVolume, ...uses, 'control/protocol', 'control/server'];
const upToProcess = [...upToServer, 'control/client', 'process'];

/** Room -> rooms it may import, beside itself. */
const mayImport = {
  format: [],
  codec: ['format'],
  activity: ['format'],
  snapshot: ['format', 'codec', 'activity'],
  overlay: upToSnapshot,
  volume: [...upToSnapshot, 'overlay'],
  fuse: upToVolume,
  nbd: upToVolume,
  write: upToVolume,
  forensics: upToVolume,
  review: upToVolume,
  'control/protocol': ['format'],
  'control/client': ['control/protocol'],
  'control/server': [...upToVolume, ...uses, 'control/protocol'],
  process: [...upToServer, 'control/client'],
  repl: ['process/start', 'control/client', 'control/protocol', 'write/temporaryFile'],
  tui: ['repl', 'process/start', 'control/client', 'control/protocol'],
  testing: [
    'repl',
    'process/start',
    'control/client',
    'control/protocol',
    'write/recipe/cachedFixture',
  ],
  cli: [...upToProcess, 'repl', 'tui'],
  library: upToProcess,
};

/** Room -> rooms of which it may import types only. */
const mayImportTypes = {
  repl: ['forensics'],
  tui: ['forensics'],
  testing: ['forensics'],
};

const pathsOf = (names) => names.map((name) => rooms[name]);

const importRules = Object.entries(mayImport).map(([room, imports]) => ({
  name: `${room}-imports`,
  comment: `${room} may import: ${[...imports, 'errors'].join(', ')}`,
  severity: 'error',
  from: { path: rooms[room] },
  to: {
    path: '^src/',
    pathNot: [errors, ...pathsOf([room, ...imports, ...(mayImportTypes[room] ?? [])])],
  },
}));

const typeRules = Object.entries(mayImportTypes).map(([room, imports]) => ({
  name: `${room}-types`,
  comment: `${room} may import only types of: ${imports.join(', ')}`,
  severity: 'error',
  from: { path: rooms[room] },
  to: { path: pathsOf(imports), dependencyTypesNot: ['type-only'] },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...importRules,
    ...typeRules,
    {
      name: 'errors-imports',
      comment: 'errors is below every room: it may import nothing of src but types of format',
      severity: 'error',
      from: { path: errors },
      to: { path: '^src/', pathNot: rooms.format },
    },
    {
      name: 'errors-types',
      comment: 'errors is below every room: of format it may import types only',
      severity: 'error',
      from: { path: errors },
      to: { path: rooms.format, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'known-room-from',
      comment: 'a file of src belongs to a room of this table',
      severity: 'error',
      from: { path: '^src/', pathNot: [errors, ...Object.values(rooms)] },
      to: {},
    },
    {
      name: 'known-room-to',
      comment: 'a file of src belongs to a room of this table',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: [errors, ...Object.values(rooms)] },
    },
    {
      name: 'src-only',
      comment: 'src is complete without tests, measurements, scripts and build results',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|fixtures|dist|build)/' },
    },
    {
      name: 'no-cycle',
      comment: 'modules do not import each other in a circle, types included',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
