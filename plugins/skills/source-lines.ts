/**
 * Finds the line on which a key of a JSON text stands, so that a complaint can name it.
 *
 * Invariant: works on text that JSON.parse accepts; for anything else it finds what it can and never throws.
 */

/** Line (from 1) of the value at `path`, written as `permissions.database.read[0]`; of its nearest parent if it is not there. */
export function lineOfPath(text: string, path: string): number {
  const lines = lineIndex(text);
  let wanted = path;
  for (;;) {
    const line = lines.get(wanted);
    if (line !== undefined) return line;
    if (wanted === '') return 1;
    wanted = wanted.replace(/(\[[^[\]]*\]|\.?[^.[\]]+)$/, '');
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|\n|[^\s{}[\],:"]+/g;

interface Level {
  readonly isArray: boolean;
  readonly path: string;
  index: number;
  key: string;
}

/** Path → line, for every value of the text. */
function lineIndex(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  const levels: Level[] = [];
  let line = 1;
  let isKey = false;
  for (const [token] of text.matchAll(TOKEN)) {
    const level = levels.at(-1);
    if (token === '\n') line += 1;
    else if (token === '}' || token === ']') {
      levels.pop();
      isKey = false;
    } else if (token === ',') {
      if (level?.isArray === true) level.index += 1;
      isKey = level?.isArray === false;
    } else if (token === ':') isKey = false;
    else if (isKey && level !== undefined) {
      level.key = unquoted(token);
      lines.set(pathIn(level), line);
    } else {
      const path = level === undefined ? '' : pathIn(level);
      if (!lines.has(path)) lines.set(path, line);
      if (token === '{' || token === '[') {
        levels.push({ isArray: token === '[', path, index: 0, key: '' });
        isKey = token === '{';
      }
    }
  }
  return lines;
}

function pathIn({ isArray, path, index, key }: Level): string {
  if (isArray) return `${path}[${index}]`;
  if (!/^[\w$-]+$/.test(key)) return `${path}['${key}']`;
  return path === '' ? key : `${path}.${key}`;
}

function unquoted(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}
