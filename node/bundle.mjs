// Puts the chat client's parts, core/web/client, into the one file that is served and shipped: core/web/klatsch.js
//
//   node bundle.mjs           writes it
//   node bundle.mjs --check   fails where it is not what it should be

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { buildSync } from 'esbuild';

const web = (path) => fileURLToPath(new URL(`../core/web/${path}`, import.meta.url));
const HEADER = '/* The chat client of Klatsch, MIT OR Apache-2.0. Made by node/bundle.mjs from core/web/client: change it there. */\n';

const { outputFiles } = buildSync({
  entryPoints: [web('client/chat.js')],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  write: false,
});
const bundle = HEADER + outputFiles[0].text;

if (!process.argv.includes('--check')) {
  writeFileSync(web('klatsch.js'), bundle);
} else if (readFileSync(web('klatsch.js'), 'utf8') !== bundle) {
  console.error('core/web/klatsch.js is not what core/web/client makes: run node bundle.mjs');
  process.exit(1);
}
