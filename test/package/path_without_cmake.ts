import * as fs from 'node:fs';
import * as path from 'node:path';

/**
 * A PATH with every program of this one except CMake: `folder` filled with links to them.
 * Earlier folders win, as in a search of PATH.
 */
export function pathWithoutCmake(folder: string): string {
  fs.mkdirSync(folder);
  for (const from of (process.env.PATH ?? '').split(path.delimiter)) {
    if (!fs.existsSync(from)) continue;
    for (const name of fs.readdirSync(from)) {
      const link = path.join(folder, name);
      if (name !== 'cmake' && !fs.existsSync(link)) fs.symlinkSync(path.join(from, name), link);
    }
  }
  return folder;
}
