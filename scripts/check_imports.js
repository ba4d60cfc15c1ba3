'use strict';
// Checks that imports between the folders of src/ point one way, and that src/reference uses
// TensorFlow.js alone; types it may share with any folder.

const fs = require('node:fs');
const path = require('node:path');
const ts = require('typescript');

const sourceRoot = path.join(__dirname, '..', 'src');

const uses = (...folders) => new Set(folders);
const core = ['kernels', 'backend', 'native'];
const surface = ['layers', 'optimizers', 'ops', 'io', ...core];

/** The folders that each folder may import from, besides itself. */
const mayImport = {
  native: uses(),
  backend: uses('native'),
  kernels: uses('backend', 'native'),
  ops: uses('io', ...core),
  optimizers: uses('ops', 'reference', ...core),
  io: uses('native'),
  data: uses('io', 'native'),
  layers: uses('ops', ...core),
  models: uses('data', ...surface),
  training: uses('models', 'data', ...surface),
  reference: uses(),
};

function sourceFiles() {
  return fs
    .readdirSync(sourceRoot, { recursive: true })
    .filter((name) => /\.m?ts$/.test(name))
    .sort();
}

/** Every module a file imports or re-exports, with `typeOnly` where no code is loaded by it. */
function importsOf(file) {
  const text = fs.readFileSync(path.join(sourceRoot, file), 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const imports = [];
  const visit = (node) => {
    const isDeclaration = ts.isImportDeclaration(node) || ts.isExportDeclaration(node);
    if (isDeclaration && node.moduleSpecifier) {
      const typeOnly = (node.importClause?.isTypeOnly || node.isTypeOnly) ?? false;
      imports.push({ request: node.moduleSpecifier.text, typeOnly });
    } else if (ts.isCallExpression(node) && loadsModule(node.expression)) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteralLike(argument)) {
        imports.push({ request: argument.text, typeOnly: false });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

function loadsModule(expression) {
  return expression.kind === ts.SyntaxKind.ImportKeyword || expression.getText() === 'require';
}

/** Why this import is against the rules, or null. */
function objection(file, { request, typeOnly }) {
  const folder = folderOf(file);
  const allowed = mayImport[folder];
  if (!allowed) return null;
  if (!request.startsWith('.')) {
    const isTfjs = request.startsWith('@tensorflow/');
    const isForeign = folder === 'reference' && !isTfjs && !typeOnly;
    return isForeign ? 'src/reference imports TensorFlow.js alone' : null;
  }
  const target = folderOf(path.join(path.dirname(file), request));
  if (target === folder || allowed.has(target)) return null;
  if (typeOnly && (folder === 'reference' || target === 'reference')) return null;
  return `src/${folder} does not import from ${target === '' ? 'src' : `src/${target}`}`;
}

/** The first folder of a path relative to src/, or '' for a file that lies in src/ itself. */
function folderOf(relative) {
  const parts = relative.split(path.sep);
  return parts.length > 1 ? parts[0] : '';
}

let count = 0;
for (const file of sourceFiles()) {
  for (const imported of importsOf(file)) {
    const reason = objection(file, imported);
    if (!reason) continue;
    count++;
    console.error(`src/${file}: '${imported.request}': ${reason}`);
  }
}
process.exitCode = count > 0 ? 1 : 0;
