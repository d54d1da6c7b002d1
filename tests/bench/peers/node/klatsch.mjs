// This engine in a Node script; no JavaScript runs for a message: node klatsch.mjs PORT PACKAGE
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , port, folder] = process.argv;
const { Engine } = await import(pathToFileURL(join(folder, 'index.mjs')));

const engine = new Engine({ listen: `127.0.0.1:${port}`, limits: 'load-test', maxHandshakeCount: 4096 });
await engine.start();
process.once('SIGTERM', () => engine.stop({ graceMs: 0 }));
