/** manifest.json: what is complained of, and how precisely. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFolder } from '../plugins/skills/folder.ts';
import { limitsOf, readManifest } from '../plugins/skills/manifest.ts';
import { lineOfPath } from '../plugins/skills/source-lines.ts';
import { writeSkill } from './60-skills-support.ts';
import { tempDir } from './support.ts';

function read(manifest: Record<string, unknown> | string, id = 'demo', files: Record<string, string> = {}) {
  return readManifest(readFolder(writeSkill(tempDir(), id, 'x = 1', manifest, files)), '1.4.0');
}

function complaint(manifest: Record<string, unknown> | string, id = 'demo'): string {
  try {
    read(manifest, id);
  } catch (error) {
    expect(error).toMatchObject({ code: 'GC_BAD_MANIFEST', skill: id });
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

describe('a manifest', () => {
  it('must be there, and be JSON', () => {
    const dir = join(tempDir(), 'demo');
    mkdirSync(dir);
    writeFileSync(join(dir, 'main.lua'), '');
    expect(() => readManifest(readFolder(dir), '1.0.0')).toThrow(/manifest\.json is missing/);
    expect(complaint('{ "id": "demo",\n  "version": "1.0.0",\n  oops }')).toMatch(
      /^demo\/manifest\.json:3: not valid JSON/,
    );
    expect(complaint('{ "id": "demo"')).toMatch(/manifest\.json:1: not valid JSON/);
  });

  it('names the line and the likely key of a misspelt one', () => {
    const text =
      '{\n  "id": "demo",\n  "version": "1.0.0",\n  "permissions": {\n    "database": {\n      "raed": ["a"]\n    }\n  }\n}';
    expect(complaint(text)).toBe(
      "demo/manifest.json:6: permissions.database.raed: unknown key 'raed' (did you mean 'read'?)",
    );
    expect(complaint({ watchs: [] })).toContain("did you mean 'watches'?");
  });

  it('has an id equal to the folder, and a version', () => {
    expect(complaint({ id: 'other' })).toMatch(
      /demo\/manifest\.json:2: id: must be the folder's name, "demo", not "other"/,
    );
    expect(complaint({}, 'Not_A_Skill')).toContain('id: must match pattern');
    expect(complaint({ version: 'one' })).toContain('must be a semantic version such as 1.0.0');
    expect(complaint('{ "id": "demo" }')).toContain("the key 'version' is missing");
  });

  it('says which GlyphCase it needs', () => {
    expect(read({ engines: { glyphcase: '^1.2.0' } }).engines).toEqual({ glyphcase: '^1.2.0' });
    expect(complaint({ engines: { glyphcase: '^2.0.0' } })).toContain('it needs GlyphCase ^2.0.0, this is 1.4.0');
    expect(complaint({ engines: { glyphcase: 'newest' } })).toContain('must be a version range');
  });

  it('keeps main inside the folder', () => {
    expect(complaint({ main: '../evil.lua' })).toMatch(/main: (must match|there is no file)/);
    expect(complaint({ main: 'gone.lua' })).toContain('there is no file "gone.lua" in the folder');
    expect(complaint({ main: 'lib/../../evil.lua' })).toMatch(/main: /);
    expect(read({ main: 'lib/start.lua' }, 'demo', { 'lib/start.lua': '' }).main).toBe('lib/start.lua');
  });

  it('gets its defaults', () => {
    expect(read({})).toMatchObject({ name: 'demo', main: 'main.lua', watches: [], permissions: {}, json: 'text' });
  });

  it('limits time and memory', () => {
    expect(limitsOf(read({ limits: { time: '500ms', memory: '8MB' } }))).toEqual({
      timeMs: 500,
      memoryBytes: 8 * 1024 * 1024,
    });
    expect(limitsOf(read({}))).toEqual({});
    expect(complaint({ limits: { time: 'soon' } })).toContain('limits.time');
    expect(complaint({ limits: { memory: 'much' } })).toContain('limits.memory');
  });
});

describe('the line of a key', () => {
  const text = '{\n "a": 1,\n "list": [\n  "x",\n  { "b":\n   2 }\n ],\n "odd key": "{ , } \\" :",\n "last": 3\n}';
  it.each([
    ['a', 2],
    ['list', 3],
    ['list[0]', 4],
    ['list[1]', 5],
    ['list[1].b', 5],
    ["['odd key']", 8],
    ['last', 9],
    ['nowhere', 1],
    ['list[9].c', 3],
  ])('%s is in line %i', (path, line) => expect(lineOfPath(text, path)).toBe(line));
});

describe('a folder', () => {
  it('has one hash over its files; leftovers and links do not count', () => {
    const dir = writeSkill(tempDir(), 'demo', 'x = 1', {}, { 'lib/a.lua': 'return 1' });
    const before = readFolder(dir).hash;
    writeFileSync(join(dir, '.main.lua.swp'), 'x');
    writeFileSync(join(dir, 'main.lua~'), 'x');
    writeFileSync(join(dir, 'a.tmp'), 'x');
    expect(readFolder(dir).hash).toBe(before);
    writeFileSync(join(dir, 'lib/a.lua'), 'return 2');
    expect(readFolder(dir).hash).not.toBe(before);
    expect([...readFolder(dir).files.keys()]).toEqual(['lib/a.lua', 'main.lua', 'manifest.json']);
  });
});
