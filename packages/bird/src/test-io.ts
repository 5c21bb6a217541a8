// Files in memory for the tests of this package.

import type { ConfigIo } from './lexer.ts';

/** A reader over a record of paths and texts; globs know `*` only. */
export function memoryIo(files: Readonly<Record<string, string>>): ConfigIo {
  return {
    readFile: (path) => {
      const text = files[path];
      return text === undefined ? { error: 'No such file or directory' } : { text };
    },
    glob: (pattern) => {
      const directory = pattern.slice(0, pattern.lastIndexOf('/') + 1);
      const expression = new RegExp(
        `^${pattern.replace(/[.+^$()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}$`,
      );
      if (!Object.keys(files).some((path) => path.startsWith(directory))) {
        return { error: 'No such file or directory' };
      }
      return {
        paths: Object.keys(files)
          .filter((path) => expression.test(path))
          .sort(),
      };
    },
  };
}
