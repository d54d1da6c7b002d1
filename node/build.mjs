// Puts the native half where the package looks for it, prebuilds/PLATFORM-ARCH/klatsch.node, and the chat client: client
//
//   node build.mjs                       builds it from source (a release build), if there is none yet
//   node build.mjs --force               builds it again
//   KLATSCH_NATIVE=FILE node build.mjs   copies a library that is built already

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { fittingName } = createRequire(import.meta.url)('./lib/native.js');
const folder = dirname(fileURLToPath(import.meta.url));
const target = join(folder, 'prebuilds', fittingName(), 'klatsch.node');

// The browsers' file under the name by which every Node takes it for a module.
const web = join(folder, '..', 'core', 'web');
mkdirSync(join(folder, 'client'), { recursive: true });
copyFileSync(join(web, 'klatsch.js'), join(folder, 'client', 'klatsch.mjs'));
copyFileSync(join(web, 'klatsch.d.ts'), join(folder, 'client', 'klatsch.d.mts'));

const { KLATSCH_NATIVE: built } = process.env;
if (built) {
  install(built);
} else if (!existsSync(target) || process.argv.includes('--force')) {
  install(buildFromSource());
}

function buildFromSource() {
  const args = ['build', '--release', '--package', 'klatsch-node', '--message-format=json-render-diagnostics'];
  const cargo = spawnSync('cargo', args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: Infinity,
  });
  if (cargo.error) {
    fail(`cannot run cargo (${cargo.error.code}): install Rust, https://rustup.rs, and try again`);
  }
  if (cargo.status !== 0) fail(`cargo failed (${cargo.status ?? cargo.signal}); its words stand above`);
  const artifact = cargo.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
    .find(({ reason, target }) => reason === 'compiler-artifact' && target.name === 'klatsch_node');
  return artifact.filenames.find((name) => /\.(so|dylib|dll)$/.test(name));
}

/** Copies and renames, so that a process that has the old one loaded keeps it. */
function install(library) {
  if (!existsSync(library)) fail(`${library} is not there`);
  mkdirSync(dirname(target), { recursive: true });
  const whole = `${target}.${process.pid}`;
  copyFileSync(library, whole);
  renameSync(whole, target);
}

function fail(words) {
  console.error(`klatsch: ${words}`);
  process.exit(1);
}
