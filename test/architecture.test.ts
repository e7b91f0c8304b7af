/** The layers of the house (CONTRIBUTING.md): who may import whom. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

const root = process.cwd();

/** What a folder may import besides its own files. Packages by name; folders end in a slash. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'src/mqtt/': ['mqtt-packet', 'node:buffer'],
  'src/session/': ['src/mqtt/'],
  'src/policy/': [],
  'src/broker/': ['src/mqtt/', 'src/session/', 'src/policy/'],
  'src/memory/': ['src/session/', 'src/broker/'],
  'src/aws/': ['src/session/', 'src/broker/', '@aws-sdk/', 'aws-jwt-verify/', 'node:crypto'],
  'lambda/': ['src/', 'lib/settings.ts', 'lib/resources.ts', '@aws-lambda-powertools/metrics'],
  'lib/': ['aws-cdk-lib', 'constructs', 'valibot', 'node:'],
  'client/': [],
  'client/bridge/': ['client/', 'ws', 'node:'],
  'admin/': ['src/', 'lib/', 'local/port.ts', 'local/lambda-environment.ts', 'client/bridge/', 'node:'],
  'local/': [
    'lib/',
    'client/',
    'client/bridge/',
    'valibot',
    'ws',
    'mqtt',
    'dynalite',
    'esbuild',
    '@smithy/signature-v4',
    '@aws-crypto/sha256-js',
    'node:',
  ],
};

const filesIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.ts$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)));

const importsOf = (file: string): string[] =>
  [
    ...readFileSync(join(root, file), 'utf8').matchAll(/^(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]/gms),
  ].map(([, from = '']) => (from.startsWith('.') ? normalize(join(dirname(file), from)) : from));

/** Folders that lie in others and are layers of their own. */
const inner = ['client/bridge/'];

const filesOf = (folder: string): string[] =>
  filesIn(folder).filter((file) => !inner.some((each) => each !== folder && file.startsWith(each)));

/** That of a folder, and not that of a layer that lies in it. */
const isFrom = (folder: string, from: string): boolean =>
  from.startsWith(folder) && !inner.some((each) => each !== folder && each.startsWith(folder) && from.startsWith(each));

describe('imports', () => {
  it.each(Object.entries(allowed))('%s imports only what it may', (folder, others) => {
    const files = filesOf(folder);
    expect(files.length).toBeGreaterThan(0);
    const strangers = files.flatMap((file) =>
      importsOf(file)
        .filter((from) => ![folder, ...others].some((each) => isFrom(each, from)))
        .map((from) => `${file} imports ${from}`),
    );
    expect(strangers).toEqual([]);
  });

  it.each(['src/mqtt/', 'src/session/', 'src/policy/', 'src/broker/', 'src/memory/'])(
    '%s uses no Node module, clock or randomness',
    (folder) => {
      const found = filesIn(folder).flatMap((file) =>
        [
          ...readFileSync(join(root, file), 'utf8').matchAll(
            /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|process\.|node:(?!buffer)\w+)/g,
          ),
        ].map(([text]) => `${file}: ${text}`),
      );
      expect(found).toEqual([]);
    },
  );

  it('only one file knows mqtt-packet, and only src/aws the AWS SDK', () => {
    const sources = ['src/', 'lambda/', 'lib/', 'client/', 'local/', 'admin/'].flatMap(filesIn);
    expect(sources.filter((file) => importsOf(file).includes('mqtt-packet'))).toEqual(['src/mqtt/codec.ts']);
    const sdk = sources.filter((file) => importsOf(file).some((from) => from.startsWith('@aws-sdk/')));
    expect(sdk.filter((file) => !file.startsWith('src/aws/'))).toEqual([]);
  });
});
