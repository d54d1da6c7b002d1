'use strict';
// Loads the native half, or says why it does not load.

const { existsSync, readdirSync } = require('node:fs');
const { join } = require('node:path');

const PREBUILDS = join(__dirname, '..', 'prebuilds');
const { platform, arch, report } = process;

/** Names the folder of prebuilds that fits this process: `linux-x64`, `linux-arm64-musl`. */
function fittingName() {
  return `${platform}-${arch}${platform === 'linux' && !hasGlibc() ? '-musl' : ''}`;
}

function hasGlibc() {
  const { excludeNetwork } = report;
  // Else the report looks up the names of all peers.
  report.excludeNetwork = true;
  const { header } = report.getReport();
  report.excludeNetwork = excludeNetwork;
  return header.glibcVersionRuntime !== undefined;
}

function load(folder = PREBUILDS, name = fittingName()) {
  const file = join(folder, name, 'klatsch.node');
  if (!existsSync(file)) {
    const others = existsSync(folder) ? readdirSync(folder).sort().join(', ') : '';
    throw new Error(
      `klatsch has no native build for ${name} (there is ${others || 'none'}); ` +
        'where Rust is installed, `node build.mjs` in a checkout of klatsch makes one'
    );
  }
  try {
    return require(file);
  } catch (cause) {
    throw new Error(`klatsch's native build for ${name} does not load: ${cause.message}`, { cause });
  }
}

module.exports = { load, fittingName };
