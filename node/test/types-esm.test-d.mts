// The same declarations for `import`: one class, one type.
import { createRequire } from 'node:module';
import { Engine, KlatschError, version, type EngineOptions, type MessageEvent } from 'klatsch';
// @ts-expect-error there is no default export
import klatsch from 'klatsch';

const options: EngineOptions = { listen: 0 };
const engine: Engine = new Engine(options);
engine.on('message', (message: MessageEvent) => message.text.length);
const words: string = version;
const error: Error = new KlatschError('busy', words);
export { createRequire, engine, error, klatsch };
