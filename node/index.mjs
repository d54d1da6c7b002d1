// The same classes for `import`: one instance, whichever way a program loads the package.
import klatsch from './index.js';

export const { Engine, KlatschError, closeCodes, version } = klatsch;
