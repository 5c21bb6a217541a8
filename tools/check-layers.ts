// The house's one structural rule: imports point down. Reads every import of every workspace and
// compares it with the layer numbers in package.json ("rookery.layer"), the declared dependencies
// and the purity rule of the core. Prints the graph with --graph.

import { globSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Packages up to this layer do no I/O and know no clock. */
const LAST_PURE_LAYER = 5;
const IMPURE_GLOBALS =
  /\b(Date\.now|new Date\(|Math\.random|process\.|console\.|Buffer\.|setTimeout|setInterval|setImmediate|queueMicrotask|async |await )/;

interface Workspace {
  readonly name: string;
  readonly dir: string;
  readonly layer: number;
  readonly dependencies: ReadonlySet<string>;
}

const root = join(import.meta.dirname, '..');
const workspaces = new Map<string, Workspace>();
for (const file of globSync('{packages,apps}/*/package.json', { cwd: root })) {
  const manifest = JSON.parse(readFileSync(join(root, file), 'utf8'));
  workspaces.set(manifest.name, {
    name: manifest.name,
    dir: join(root, file, '..'),
    layer: manifest.rookery.layer,
    dependencies: new Set(Object.keys(manifest.dependencies ?? {})),
  });
}

const problems: string[] = [];
const edges = new Map<string, Set<string>>();
for (const workspace of workspaces.values()) {
  for (const file of globSync('src/**/*.{ts,tsx}', { cwd: workspace.dir })) {
    checkFile(workspace, join(workspace.dir, file));
  }
}
if (process.argv.includes('--graph')) {
  for (const [from, to] of edges) console.log(`${from} -> ${[...to].sort().join(', ')}`);
}
for (const problem of problems) console.error(problem);
console.log(`layers: ${workspaces.size} workspaces, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

function checkFile(from: Workspace, path: string): void {
  const source = readFileSync(path, 'utf8');
  const where = relative(root, path);
  const isTest = /\.test\.tsx?$/.test(path);
  const pure = from.layer <= LAST_PURE_LAYER && !isTest;
  for (const [, specifier = ''] of source.matchAll(
    /(?<![\w'.])(?:from|import)(?:\s+|\s*\(\s*)'([\w@./:-]+)'/g,
  )) {
    if (specifier.startsWith('.')) {
      const target = relative(from.dir, join(path, '..', specifier));
      if (target.startsWith('..')) problems.push(`${where}: "${specifier}" leaves its package`);
      continue;
    }
    const target = workspaces.get(specifier);
    if (target) checkEdge(from, target, where, isTest);
    else if (specifier.startsWith('@rookery/')) {
      problems.push(`${where}: "${specifier}" is a deep import; use the package's index`);
    } else if (pure) {
      problems.push(`${where}: "${specifier}" is not allowed below layer ${LAST_PURE_LAYER + 1}`);
    }
  }
  if (!pure) return;
  stripText(source)
    .split('\n')
    .forEach((line, i) => {
      const match = IMPURE_GLOBALS.exec(line);
      if (match) problems.push(`${where}:${i + 1}: "${match[0].trim()}" in the pure core`);
    });
}

function checkEdge(from: Workspace, to: Workspace, where: string, isTest: boolean): void {
  if (from === to) return;
  // A test may look up (the rib is tested with the real codec); what ships may not.
  if (isTest) return;
  if (to.layer >= from.layer) {
    problems.push(`${where}: layer ${from.layer} imports ${to.name} of layer ${to.layer}`);
  }
  if (!from.dependencies.has(to.name)) {
    problems.push(`${where}: ${to.name} is not declared in ${from.name}'s package.json`);
  }
  edges.set(from.name, (edges.get(from.name) ?? new Set()).add(to.name));
}

/** Blanks comments and string literals, so that prose cannot look like code. */
function stripText(source: string): string {
  return source.replace(
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g,
    (text) => text.replace(/[^\n]/g, ' '),
  );
}
