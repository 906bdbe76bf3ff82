// The layers of Umbra, as ARCHITECTURE.md describes them. test/layers.test.ts shows that each rule bites.
const { join } = require('node:path');

const PRODUCT = '^(src|mount|agent)/';

/** A rule: files that match `from` may not import what matches `to`. */
function forbid(name, comment, from, to) {
  return { name, comment, severity: 'error', from, to };
}

/** The files of an installed package, or its bare name where it is not installed. */
function packages(...names) {
  return `(^|/)node_modules/(${names.join('|')})/|^(${names.join('|')})$`;
}

module.exports = {
  forbidden: [
    forbid('no-cycles', 'A cycle has no layers.', {}, { circular: true }),
    forbid('resolvable', 'What is imported must be there.', {}, { couldNotResolve: true }),
    forbid(
      'product-without-tests',
      'The product needs no test code, script or development package.',
      { path: PRODUCT },
      {
        path: '^(test|scripts)/',
      },
    ),
    forbid(
      'product-without-dev-packages',
      'The product runs without development packages.',
      { path: PRODUCT },
      {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
        pathNot: '(^|/)node_modules/@types/',
      },
    ),
    forbid(
      'fuse-native-once',
      'Only mount/fuse.ts, the filter over images and the file system that tests cut the power of import fuse-native.',
      { pathNot: '^(mount/fuse|agent/filter/fuse(-handlers)?|test/kit/power-cut-(server|handlers))\\.ts$' },
      {
        path: packages('fuse-native'),
      },
    ),
    forbid(
      'tree-without-fuse',
      'The virtual tree knows nothing of FUSE: only the adapter and the table of mounts do.',
      {
        path: '^mount/',
        pathNot: '^mount/(fuse[^/]*|active-mount|mounts)\\.ts$',
      },
      { path: '^mount/fuse[^/]*\\.ts$' },
    ),
    forbid(
      'level-in-store',
      'Only the store imports LevelDB.',
      { pathNot: '^(src|test/src)/store/' },
      {
        path: packages('level', 'classic-level', 'abstract-level'),
      },
    ),
    forbid(
      'mount-reach',
      'mount/ reaches src/ through src/common, src/system, src/protocol and src/qcow2 only.',
      { path: '^mount/' },
      {
        path: '^(src|agent)/',
        pathNot: '^src/(common|protocol|qcow2|system)/',
      },
    ),
    forbid(
      'agent-reach',
      'agent/ reaches src/ through src/common, src/system, src/protocol, src/qcow2, src/certificates and src/transport, and cuts regions as the server does.',
      { path: '^agent/' },
      {
        path: '^(src|mount)/',
        pathNot: '^src/(common|protocol|qcow2|system|certificates|transport|codec|workers)/|^src/tree/node\\.ts$',
      },
    ),
    forbid(
      'alerts-reach',
      'Alerts know the store through their records.',
      { path: '^src/alerts/' },
      {
        path: PRODUCT,
        pathNot: '^src/(alerts|common|protocol|system)/|^src/store/alert-records\\.ts$',
      },
    ),
    forbid(
      'certificates-reach',
      'src/certificates imports src/common and src/system only.',
      { path: '^src/certificates/' },
      {
        path: PRODUCT,
        pathNot: '^src/(certificates|common|system)/',
      },
    ),
    forbid(
      'transport-reach',
      'src/transport imports src/certificates, src/common, src/protocol and src/system only.',
      { path: '^src/transport/' },
      {
        path: PRODUCT,
        pathNot: '^src/(transport|certificates|common|protocol|system)/',
      },
    ),
    forbid(
      'common-reach',
      'src/common imports nothing of ours.',
      { path: '^src/common/' },
      {
        path: PRODUCT,
        pathNot: '^src/common/',
      },
    ),
    forbid(
      'protocol-reach',
      'src/protocol imports src/common only.',
      { path: '^src/protocol/' },
      {
        path: PRODUCT,
        pathNot: '^src/(common|protocol)/',
      },
    ),
    forbid(
      'qcow2-reach',
      'src/qcow2 imports nothing of ours.',
      { path: '^src/qcow2/' },
      {
        path: PRODUCT,
        pathNot: '^src/qcow2/',
      },
    ),
    forbid(
      'system-reach',
      'src/system imports src/common only.',
      { path: '^src/system/' },
      {
        path: PRODUCT,
        pathNot: '^src/(common|system)/',
      },
    ),
    forbid(
      'store-reach',
      'The store knows nothing of who uses it.',
      { path: '^src/store/' },
      {
        path: '^(src/(server|client|cli|backup|restore|files)|mount|agent)/',
      },
    ),
    forbid(
      'policies-reach',
      'Policies know nothing of who goes by them: src/policies imports src/common and src/system only.',
      { path: '^src/policies/' },
      {
        path: PRODUCT,
        pathNot: '^src/(policies|common|system)/',
      },
    ),
    forbid(
      'scheduler-reach',
      'The scheduler knows machines, backups and the store through what it is given.',
      { path: '^src/scheduler/' },
      {
        path: PRODUCT,
        pathNot: '^src/(scheduler|policies|common|protocol)/|^src/store/job-records\\.ts$',
      },
    ),
    forbid(
      'files-reach',
      'What reads files of guests knows nothing of who asks for it.',
      { path: '^src/files/' },
      {
        path: '^(src/(server|client|cli|backup)|agent)/',
      },
    ),
    forbid(
      'remote-reach',
      'What reads a server elsewhere is no server, and knows nothing of commands.',
      { path: '^src/remote/' },
      {
        path: '^(src/(server|cli|backup|ingest|agents|access)|agent)/',
      },
    ),
    forbid(
      'cli-reach',
      'The CLI speaks to the server; it only starts it through src/server/serve.ts.',
      { path: '^src/cli/' },
      {
        path: '^src/(store|server)/',
        pathNot: '^src/server/serve\\.ts$',
      },
    ),
  ],
  options: {
    doNotFollow: { path: '(^|/)node_modules/' },
    // Types count as well: a layer that knows another's types knows the other.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: join(__dirname, 'tsconfig.json') },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
    combinedDependencies: false,
  },
};
