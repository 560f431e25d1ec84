/**
 * Runs the text of a CommonJS module, as often as wanted, so that nothing of an earlier run is kept.
 *
 * By eval, because V8 keeps the text of everything that is compiled otherwise (`module._compile`, vm.Script,
 * vm.compileFunction: 5 KiB for each reload of a text of 5 KiB on Node 24), and Node keeps what is imported, for ever.
 * Invariant: the module is in no cache; when nothing refers to its exports any more, its code is collected.
 */
import Module, { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

export interface EvaluateOptions {
  readonly text: string;
  /** Shown in stack traces. */
  readonly filename: string;
  /** The file from which what is required is looked for. */
  readonly from: string;
  /** Answers a specifier before Node's own lookup does; undefined leaves it to that. */
  readonly require?: (specifier: string) => unknown;
}

type Wrapper = (
  exports: object,
  require: (specifier: string) => unknown,
  module: { exports: unknown },
  filename: string,
  dirname: string,
) => void;
/** What CommonJS modules see, in this order. On the text's first line, so that its lines keep their numbers. */
const HEAD = '(function (exports, require, module, __filename, __dirname) { ';

/** The part of Node's module class that its types leave out. */
interface CompilableModule {
  exports: unknown;
  _compile(text: string, filename: string): void;
}

/**
 * An eval that sees the global scope and nothing of ours. It is compiled as a module of its own, as require() would, so that
 * an import() in what it evaluates is one in the file `from`; V8 compiles it once for each file.
 */
function evalIn(from: string): (text: string) => Wrapper {
  const module = new Module(from) as unknown as CompilableModule;
  module._compile('module.exports = (text) => (0, eval)(text);', from);
  return module.exports as (text: string) => Wrapper;
}

/** Runs the text and returns its `module.exports`. Throws what it throws. */
export function evaluate({ text, filename, from, require: answer }: EvaluateOptions): unknown {
  const fromNode = createRequire(from);
  const require = Object.assign((specifier: string): unknown => answer?.(specifier) ?? fromNode(specifier), {
    resolve: fromNode.resolve,
    cache: fromNode.cache,
  });
  const module = { exports: {} };
  compile(text, filename, from)(module.exports, require, module, from, dirname(from));
  return module.exports;
}

function compile(text: string, filename: string, from: string): Wrapper {
  try {
    return evalIn(from)(`${HEAD}${text}\n})\n//# sourceURL=${urlOf(filename)}`);
  } catch (error) {
    // Of a text that cannot be compiled eval does not say the line.
    if (error instanceof SyntaxError) new Script(`${HEAD}${text}\n})`, { filename });
    throw error;
  }
}

/** A file's name as stack traces show it: V8 takes none with blanks or quotes in it. */
export const urlOf = (filename: string): string =>
  filename.replace(
    /[\s'"%]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
