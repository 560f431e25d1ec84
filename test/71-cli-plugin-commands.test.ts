/** Commands that plugins add to `glyphcase`: how they are declared, found, run and ended. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { checkDefinition } from '../kernel/plugins/definition.ts';
import type { CommandContext, CommandValue } from '../sdk/plugin.ts';
import { defineCommand, definePlugin } from '../sdk/plugin.ts';
import { cli, startCli } from './70-cli-support.ts';
import { at, inProcess, shop, withCommands } from './71-cli-plugin-commands-support.ts';
import { folderWith } from './97-plugin-files-support.ts';
import { thrownBy, until } from './support.ts';

describe('a declaration', () => {
  const run = (): void => undefined;
  const greet = (more: object): object => ({ greet: { summary: 'greets', run, ...more } });
  test.each<[unknown, RegExp]>([
    ['greet', /commands: must be an object, not "greet"/],
    [{ greet: run }, /commands\.greet: must be an object, not a function/],
    [{ greet: {} }, /commands\.greet: the key 'summary' is missing; commands\.greet: the key 'run' is missing/],
    [{ Greet: { summary: 'x', run } }, /`commands\.Greet`: a command is small letters, digits and hyphens/],
    [greet({ run: 'hello' }), /`commands\.greet\.run` is string, not a function/],
    [greet({ args: {} }), /commands\.greet\.args: unknown key 'args'/],
    [greet({ option: {} }), /unknown key 'option' \(did you mean 'options'\?\)/],
    [greet({ arguments: { who: {} } }), /commands\.greet\.arguments\.who: the key 'summary' is missing/],
    [greet({ arguments: { who: { summary: 'x', type: 'boolean' } } }), /who\.type: must be one of "string", "number"/],
    [greet({ arguments: { 'the who': { summary: 'x' } } }), /`commands\.greet\.arguments\.the who`: a name is a word/],
    [
      greet({ arguments: { a: { summary: 'x', many: true }, b: { summary: 'x' } } }),
      /arguments\.a` takes many, which only the last argument may/,
    ],
    [
      greet({ arguments: { a: { summary: 'x', optional: true }, b: { summary: 'x' } } }),
      /arguments\.b` must be given, but stands after one that may be left out/,
    ],
    [greet({ options: { db: { summary: 'x' } } }), /options\.db`: every command has an option --db already/],
    [greet({ options: { noMail: { summary: 'x', type: 'boolean' } } }), /noMail`: no option begins with --no-/],
    [
      greet({ options: { host: { summary: 'x', short: 'h' } } }),
      /options\.host\.short` is 'h', which is --help already/,
    ],
    [
      greet({ options: { a: { summary: 'x', short: 'a' }, b: { summary: 'x', short: 'a' } } }),
      /options\.b\.short` is 'a', which is --a already/,
    ],
    [greet({ options: { a: { summary: 'x', short: 'all' } } }), /options\.a\.short: must match pattern/],
    [greet({ options: { a: { summary: 'x', type: 'boolean', many: true } } }), /is boolean and cannot have `many`/],
    [greet({ options: { a: { summary: 'x', type: 'number', default: '3' } } }), /a\.default` is "3", not a number/],
    [
      greet({ options: { a: { summary: 'x', choices: ['b'], default: 'c' } } }),
      /default` is "c", none of its `choices`/,
    ],
    [greet({ options: { a: { summary: 'x', type: 'number', choices: ['1'] } } }), /choices` are for texts/],
    [greet({ options: { a: { summary: 'x', many: true, default: 'c' } } }), /takes many and cannot have `default`/],
  ])('is refused: %j', async (commands, message) => {
    const definition = { name: 'mine', version: '1.0.0', commands, activate: run };
    const check: (value: unknown) => void = checkDefinition;
    expect(await thrownBy(() => check(definition))).toMatchObject({
      code: 'GC_BAD_PLUGIN',
      message: expect.stringMatching(message),
    });
  });

  test('gives run the types of what is declared', () => {
    const send = defineCommand({
      summary: 'x',
      arguments: {
        net: { summary: 'a', type: 'number' },
        who: { summary: 'b', default: 'me' },
        rest: { summary: 'c', optional: true, many: true },
      },
      options: {
        loud: { summary: 'd', type: 'boolean' },
        kind: { summary: 'e', choices: ['a', 'b'] },
        must: { summary: 'f', required: true },
        sums: { summary: 'g', type: 'integer', many: true },
      },
      run(_, args, options) {
        expectTypeOf(args).toEqualTypeOf<{
          readonly net: number;
          readonly who: string;
          readonly rest: readonly string[];
        }>();
        expectTypeOf(options).toEqualTypeOf<{
          readonly loud: boolean;
          readonly kind: 'a' | 'b' | undefined;
          readonly must: string;
          readonly sums: readonly number[];
        }>();
      },
    });
    const plugin = definePlugin<{ rate: number }>({
      name: 'mine',
      version: '1.0.0',
      commands: {
        send,
        plain: {
          summary: 'x',
          run(ctx, { any }) {
            expectTypeOf(ctx).toEqualTypeOf<CommandContext<{ rate: number }>>();
            expectTypeOf(any).toEqualTypeOf<CommandValue>();
          },
        },
        // @ts-expect-error: a parameter has a summary
        bare: defineCommand({ summary: 'x', arguments: { who: {} }, run: () => undefined }),
        // @ts-expect-error: there is no such type
        date: defineCommand({ summary: 'x', options: { on: { summary: 'x', type: 'date' } }, run: () => undefined }),
      },
      activate: () => undefined,
    });
    expect(plugin.commands?.['send']).toBe(send);
    // A command that does not say which options its plugin has leaves their type as it is.
    definePlugin({
      name: 'mine',
      version: '1.0.0',
      config: { type: 'object', properties: { rate: { type: 'number', default: 1 } } },
      commands: {
        send,
        plain: { summary: 'x', run: (ctx) => void expectTypeOf(ctx.config.rate).toEqualTypeOf<number>() },
      },
      activate: (ctx) => void expectTypeOf(ctx.config.rate).toEqualTypeOf<number>(),
    });
  });
});

/** Prints what it is given as JSON. */
const ECHO = `
  echo: defineCommand({
    summary: 'print what it is given',
    description: 'Prints what it is given, as JSON.',
    arguments: {
      first: { summary: 'a number', type: 'number' },
      rest: { summary: 'words', many: true, optional: true },
    },
    options: {
      dryRun: { summary: 'nothing happens', type: 'boolean', short: 'd' },
      size: { summary: 'how large', choices: ['small', 'large'], default: 'small' },
      times: { summary: 'how often', type: 'integer' },
      tag: { summary: 'a mark', many: true },
    },
    examples: { 'echo 1 a b': 'a number and words' },
    run: (ctx, args, options) => ctx.print(JSON.stringify([args, options])),
  }),`;

describe('what is typed', () => {
  const folder = (): ReturnType<typeof shop> => shop({ 'echo.ts': withCommands('echo', ECHO) });

  test.each([
    [['echo'], "missing required argument 'first'"],
    [['echo', 'x'], "'x' is invalid for argument 'first'. It must be a number."],
    [['echo', ''], 'It must be a number.'],
    [['echo', '1', '--times', '1.5'], 'It must be a whole number.'],
    [['echo', '1', '--size', 'huge'], 'Allowed choices are small, large.'],
    [['echo', '1', '--tims', '3'], 'Did you mean --times?'],
  ])('%j is a mistake, with code 2', async (args, message) => {
    const { code, stdout, stderr } = await inProcess(...args, ...at(folder()));
    expect(stderr).toContain(message);
    expect(stderr).toContain('See glyphcase echo --help');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test.each([
    [
      ['-1.5'],
      [
        { first: -1.5, rest: [] },
        { dryRun: false, size: 'small', tag: [] },
      ],
    ],
    [
      ['2', 'a', 'b', '-d', '--size', 'large', '--times', '3', '--tag', 'x', '--tag=y'],
      [
        { first: 2, rest: ['a', 'b'] },
        { dryRun: true, size: 'large', times: 3, tag: ['x', 'y'] },
      ],
    ],
    [
      ['2', '--dry-run', '--', '--plugins'],
      [
        { first: 2, rest: ['--plugins'] },
        { dryRun: true, size: 'small', tag: [] },
      ],
    ],
  ])('%j comes with its types and defaults', async (args, values) => {
    const [plugins = '', dir = '', ...db] = at(folder());
    const { code, stdout, stderr } = await inProcess('echo', plugins, dir, ...db, ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(values);
  });

  test('is explained by --help, and by help', async () => {
    const { dir } = folder();
    const { code, stdout, stderr } = await cli(['echo', '--help'], { cwd: dir });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`Usage: glyphcase echo [options] <first> [rest...]

Prints what it is given, as JSON.

A command of the plugin 'echo' 1.2.0, plugins/echo.ts.

Arguments:
  first              a number
  rest               words

Options:
  -d, --dry-run      nothing happens
  --size <text>      how large (choices: "small", "large", default: small)
  --times <integer>  how often
  --tag <text>       a mark; may be repeated
  -h, --help         print help

Options of the host:
  --db <file>        SQLite file (default: glyphcase.db)
  --plugins <dir>    folder with plugins; may be repeated (default: plugins)
  --config <file>    options of the host: JSON, or a module with a default
                     export; flags win

Examples:
  glyphcase echo 1 a b   # a number and words
`);
    expect((await cli(['help', 'echo'], { cwd: dir })).stdout).toBe(stdout);
  });
});

describe('the commands that there are', () => {
  const hello = (text: string): string => `hello: { summary: '${text}', run: (ctx) => ctx.print('${text}') },`;

  test('are in the list, under a heading of their own, and guessed at', async () => {
    const { dir } = shop({ 'a.ts': withCommands('a', hello('says hello')) });
    const list = await cli(['--help', '--plugins', 'plugins'], { cwd: dir });
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.stdout).toMatch(/\n\nCommands of plugins:\n {2}hello \[options\] +says hello\n\n/);
    const slip = await cli(['hallo'], { cwd: dir });
    expect(slip).toEqual({
      code: 2,
      stdout: '',
      stderr: "error: unknown command 'hallo'\n  hint: Did you mean hello? See glyphcase --help\n",
    });
  });

  test('are those of the folders named, of the configuration file, or of ./plugins', async () => {
    const folder = shop({ 'a.ts': withCommands('a', hello('from plugins')) });
    folder.write({
      'other/b.ts': withCommands('b', hello('from other')),
      'conf/c.json': {
        filename: '../glyphcase.db',
        plugins: [{ path: './c.ts', config: { word: 'from conf' } }],
      },
      'conf/c.ts': withCommands(
        'c',
        "hello: { summary: 'x', run: (ctx) => ctx.print(ctx.config.word) },",
        "config: { type: 'object', properties: { word: { type: 'string' } } },",
      ),
    });
    const said = async (...args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await cli(['hello', ...args], { cwd: folder.dir });
      return (stdout + stderr).trim();
    };
    expect(await said()).toBe('from plugins');
    expect(await said('--plugins', 'other')).toBe('from other');
    expect(await said('--config=conf/c.json')).toBe('from conf');
    expect(await said('--plugins', 'nowhere')).toContain('There is no folder nowhere to take plugins from');
    folder.write({ 'conf/c.json': { plugins: [{ path: './c.ts', config: { word: 3 } }] } });
    expect(await said('--config', 'conf/c.json')).toMatch(/conf\/c\.ts: config of plugin 'c': word: must be a string/);
  });

  test('give way to a built-in one, and to nobody of two; a file that is broken keeps no other from running', async () => {
    const folder = shop({
      'a.ts': withCommands(
        'a',
        `${hello('fine')} start: { summary: 'x', run() {} }, twin: { summary: 'x', run() {} },`,
      ),
      'b.ts': withCommands('b', "twin: { summary: 'x', run() {} },"),
      'broken.ts': 'export default {\n  name: ,\n};',
      'wrong.ts': withCommands('wrong', 'nothing: {},'),
    });
    const run = (...args: readonly string[]): ReturnType<typeof cli> => cli(args, { cwd: folder.dir });
    expect(await run('hello')).toEqual({ code: 0, stdout: 'fine\n', stderr: '' });

    const list = await run('--help', '--plugins', 'plugins');
    expect(list.code).toBe(0);
    expect(list.stdout).toContain('  start [options]  ');
    expect(list.stdout).not.toContain('twin');
    expect(list.stderr.trim().split('\n')).toEqual([
      'warning: plugins/broken.ts:2:9: Unexpected ","',
      expect.stringMatching(/^warning: plugins\/wrong\.ts: plugin 'wrong': commands\.nothing: the key 'summary' is/),
      "warning: plugins/a.ts: the plugin 'a' declares the command start, which glyphcase has itself; rename it",
      "warning: The command twin is declared by the plugins 'a' (plugins/a.ts) and 'b' (plugins/b.ts); neither has it",
    ]);
    expect((await run('start', '--help')).stdout).toContain('runs the skills of a folder');
    const twin = await run('twin', '--any', 'thing');
    expect(twin).toMatchObject({ code: 1, stdout: '' });
    expect(twin.stderr).toContain("declared by the plugins 'a' (plugins/a.ts) and 'b' (plugins/b.ts) [GC_BAD_PLUGIN]");

    const unknown = await run('absent');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('warning: plugins/broken.ts:2:9');
    expect(unknown.stderr).not.toContain('twin');
  }, 30_000);

  test('are asked for by no built-in one: the files of plugins are not even read', async () => {
    const loud = "process.stderr.write('loaded\\n');\n";
    const { dir } = shop({ 'a.ts': loud + withCommands('a', hello('x')) });
    const loaded = async (...args: readonly string[]): Promise<boolean> =>
      (await cli(args, { cwd: dir })).stderr.includes('loaded');
    expect(await loaded('doctor', 'glyphcase.db')).toBe(false);
    expect(await loaded('log', 'glyphcase.db')).toBe(false);
    expect(await loaded('help', 'start')).toBe(false);
    expect(await loaded('--version')).toBe(false);
    expect(await loaded('hello', '--help')).toBe(true);
  });

  test('are in a list only when that is asked for; else it says how, and runs nothing', async () => {
    const loud = "process.stderr.write('loaded\\n');\n";
    const { dir } = shop({ 'a.ts': loud + withCommands('a', hello('x')) });
    for (const args of [['--help'], ['help'], []]) {
      const { stdout, stderr } = await cli(args, { cwd: dir });
      expect(stdout + stderr).not.toMatch(/loaded|Commands of plugins/);
      expect(stdout + stderr).toContain('To list them runs their files:\n  glyphcase --help --plugins plugins\n');
    }
    const asked = await cli(['--help', '--plugins', 'plugins'], { cwd: dir });
    expect(asked.stderr).toBe('loaded\n');
    expect(asked.stdout).toContain('Commands of plugins');
    expect(asked.stdout).not.toContain('To list them');
  });
});

describe('a command that runs', () => {
  test('has its plugin active, with what that requires and nothing else; then the host is closed', async () => {
    const folder = shop({
      'sums.ts': withCommands(
        'sums',
        `sum: defineCommand({
           summary: 'x',
           run(ctx) {
             ctx.defer(() => ctx.print('deferred'));
             const words = ctx.use<{ words(): string }>('words').words();
             const own = ctx.use<{ own: string }>('sums').own;
             ctx.db.write(() => ctx.db.run('INSERT INTO orders (total) VALUES (?)', [ctx.config.add]));
             ctx.print(\`\${ctx.name} \${own} \${words} \${ctx.db.value('SELECT sum(total) FROM orders')}\`);
           },
         }),
         other: { summary: 'x', run: (ctx) => void ctx.use('nobody') },`,
        `requires: { words: '^2.0.0', capsule: '^1.0.0' }, provides: { sums: '1.0.0' },
         config: { type: 'object', properties: { add: { type: 'number', default: 5 } } },`,
      ).replace(
        'activate(ctx) {}',
        "activate(ctx) { ctx.provide('sums', { own: 'own' }); ctx.defer(() => console.log('stopped')); }",
      ),
      'words.ts': withCommands('words', '', "provides: { words: '2.1.0' },").replace(
        'activate(ctx) {}',
        "async activate(ctx) { await null; ctx.provide('words', { words: () => 'words' }); }",
      ),
      'bystander.ts': withCommands('bystander', '').replace('activate(ctx) {}', "activate() { console.log('awake'); }"),
    });
    const skill = { id: 'lazy', version: '1.0.0' };
    folder.write({ 'skills/lazy/manifest.json': skill, 'skills/lazy/main.lua': "print('awake')" });
    const result = await cli(['sum'], { cwd: folder.dir });
    expect(result).toEqual({ code: 0, stdout: 'sums own words 35\ndeferred\nstopped\n', stderr: '' });
    const other = await cli(['other'], { cwd: folder.dir });
    expect(other).toMatchObject({ code: 1, stdout: 'stopped\n' });
    expect(other.stderr).toContain(
      "a command of the plugin 'sums' uses the service 'nobody', which it neither provides",
    );
  });

  test.each([
    ["throw new Error('no luck')", /^error: no luck \(at plugins\/a\.ts:3:\d+\) \[GC_PLUGIN_FAILED\]\n {2}hint: .*'a'/],
    ["await null; throw new GlyphError('GC_BAD_ARGUMENT', 'mine')", /^error: mine \[GC_BAD_ARGUMENT\]\n/],
    ["ctx.db.all('SELECT * FROM absent')", /^error: .*absent.* \[GC_NO_SUCH_TABLE\]\n/],
  ])('and throws (%s) ends with 1, without a stack, and the host is closed', async (body, message) => {
    const run = `boom: { summary: 'x', async run(ctx) { ${body}; } },`;
    const stopped = "activate(ctx) { ctx.defer(() => console.log('stopped')); }";
    const { dir } = shop({ 'a.ts': withCommands('a', run).replace('activate(ctx) {}', stopped) });
    const { code, stdout, stderr } = await cli(['boom'], { cwd: dir });
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
    expect({ code, stdout }).toEqual({ code: 1, stdout: 'stopped\n' });
  });

  test('ends with the exit code that it sets', async () => {
    const { dir } = shop({ 'a.ts': withCommands('a', "odd: { summary: 'x', run() { process.exitCode = 7; } },") });
    expect((await cli(['odd'], { cwd: dir })).code).toBe(7);
  });

  test.each([
    ['activate(ctx) { throw new Error("no luck"); }', '', "plugin 'a' failed in activate: no luck"],
    ['activate(ctx) {}', "requires: { mailer: '^1.0.0' },", "It waits for the service 'mailer' ^1.0.0"],
    ['activate(ctx) {}', "glyphcase: '^9.0.0',", 'It needs GlyphCase ^9.0.0'],
  ])('needs an active plugin: %s %s', async (activate, more, why) => {
    const text = withCommands('a', "go: { summary: 'x', run: (ctx) => ctx.print('went') },", more);
    const folder = shop({ 'a.ts': text.replace('activate(ctx) {}', activate) });
    const { code, stdout, stderr } = await inProcess('go', ...at(folder));
    expect(stderr).toContain(why);
    expect(stderr.match(/error:/g)).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  test('makes no database, but may do without one', async () => {
    const folder = folderWith({
      'plugins/a.ts': withCommands('a', "go: { summary: 'x', run: (ctx) => ctx.print(ctx.db.filename) },"),
    });
    const { code, stderr } = await cli(['go'], { cwd: folder.dir });
    expect(stderr).toContain('There is no database glyphcase.db [GC_CANNOT_OPEN]');
    expect(stderr).toContain('hint: Name the file, or create it: glyphcase start (or do without: --db :memory:)');
    expect(code).toBe(1);
    expect(existsSync(folder.at('glyphcase.db'))).toBe(false);
    const none = await inProcess('go', '--plugins', folder.at('plugins'), '--db', ':memory:');
    expect(none).toEqual({ code: 0, stdout: ':memory:\n', stderr: '' });
  });
});

describe('Ctrl-C', () => {
  const stopped = "activate(ctx) { ctx.defer(() => require('node:fs').writeFileSync('stopped', '')); }";
  const waiting = (body: string): ReturnType<typeof shop> =>
    shop({
      'a.ts': withCommands('a', `wait: { summary: 'x', async run(ctx) { ctx.print('waiting'); ${body} } },`).replace(
        'activate(ctx) {}',
        stopped,
      ),
    });
  const told = "await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));";

  test.each([
    ['lets a command that listens end by itself, with 0', `${told} ctx.print('done');`, 0, 'waiting\ndone\n'],
    ['cuts off one that does not, with 130', 'await new Promise(() => undefined);', 130, 'waiting\n'],
    ['is a failure for one that gives up, with 130', `${told} throw new Error('given up');`, 130, 'waiting\n'],
  ])('%s; the host is closed', async (_, body, code, stdout) => {
    const folder = waiting(body);
    const running = startCli(['wait'], { cwd: folder.dir });
    await running.shows('waiting');
    expect(await running.stop()).toBe(code);
    expect([running.stdout, running.stderr]).toEqual([stdout, '']);
    expect(readFileSync(folder.at('stopped'), 'utf8')).toBe('');
  });

  test('may be a reader that has gone: that ends it quietly, with 0', async () => {
    const folder = waiting("for (;;) { ctx.print('more'); await new Promise((resolve) => setTimeout(resolve, 10)); }");
    const running = startCli(['wait'], { cwd: folder.dir });
    await running.shows('more');
    running.child.stdout?.destroy();
    expect(await running.ended).toBe(0);
    expect(running.stderr).toBe('');
    await until(() => existsSync(folder.at('stopped')), 2000);
  });
});
