/**
 * A throwaway host for one test: a database in memory, a clock that stands still, the skills under test, and the Lua state
 * in which test.lua runs.
 *
 * Invariant: when `rest` resolves, everything committed so far has been handled; a skill that failed meanwhile is told of once.
 */
import { readFileSync } from 'node:fs';
import { GlyphError, messageOf } from '../../kernel/errors.ts';
import type { ActionsService } from '../../plugins/actions/index.ts';
import { createHttpPlugin } from '../../plugins/http/index.ts';
import { findModule } from '../../plugins/lua/modules.ts';
import type { HostFunction, LuaService } from '../lua-types.ts';
import type { LogLevel, SkillReport, SkillsService } from '../../plugins/skills/types.ts';
import { GlyphCase } from '../glyphcase.ts';
import { definePlugin } from '../plugin.ts';
import { VERSION } from '../version.ts';
import { FakeNetwork } from './fake-http.ts';
import { Recorder } from './recorder.ts';
import type { SkillCopies } from './skill-copies.ts';
import { createTestClock } from './test-clock.ts';
import type { TestClock } from './test-clock.ts';
import { TEST_FILE, TestLog } from './test-log.ts';
import type { SkillTestLog } from './types.ts';

interface Services {
  readonly skills: SkillsService;
  readonly actions: ActionsService;
  readonly lua: LuaService;
}

interface Parts {
  readonly clock: TestClock;
  readonly copies: SkillCopies;
  readonly log: TestLog;
}

const RUNTIME = ['expect.lua', 'runtime.lua'].map((file) =>
  readFileSync(new URL(`./${file}`, import.meta.url), 'utf8'),
);
/** Rounds in which reactions wake each other before a test goes on all the same. */
const MAX_ROUNDS = 100;

export class SkillHost implements AsyncDisposable {
  readonly clock: TestClock;
  readonly #db: GlyphCase;
  readonly #services: Services;
  readonly #recorder: Recorder;
  readonly #network = new FakeNetwork();
  readonly #copies: SkillCopies;
  readonly #log: TestLog;
  readonly #totalChanges: { get(): unknown };
  #written = -1;

  /** Opens the database and reads test.lua; the skills are not loaded yet. @throws what test.lua throws */
  static async open(copies: SkillCopies, startAt: number): Promise<SkillHost> {
    const clock = createTestClock(startAt);
    const { promise, resolve } = Promise.withResolvers<Services>();
    const log = new TestLog();
    const db = new GlyphCase(':memory:', {
      clock,
      capsule: { batchInterval: 0 },
      plugins: [door(resolve)],
      logger: log.logger,
    });
    try {
      await db.ready;
      return await new SkillHost(db, await promise, { clock, copies, log }).#prepare();
    } catch (error) {
      await db.close();
      throw error;
    }
  }

  private constructor(db: GlyphCase, services: Services, { clock, copies, log }: Parts) {
    this.#db = db;
    this.#services = services;
    this.clock = clock;
    this.#copies = copies;
    this.#recorder = new Recorder(services.skills);
    this.#log = log;
    this.#totalChanges = db.sqlite.prepare('SELECT total_changes()').pluck();
  }

  get id(): string {
    return this.#copies.folder.id;
  }

  get logs(): readonly SkillTestLog[] {
    return this.#log.lines;
  }

  get report(): SkillReport | undefined {
    return this.#services.skills.get(this.id);
  }

  /** Calls a global function of the test's Lua state, in a transaction. */
  call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.#services.skills.callFunction(name, ...args);
  }

  /** Calls a function of the skill. */
  callSkill(name: string, args: readonly unknown[]): Promise<unknown> {
    return this.#services.skills.call(this.id, name, ...args);
  }

  /** Loads the skills and lets them come to rest; they need not be active yet. */
  async loadSkills(): Promise<void> {
    for (const dir of this.#copies.dirs) await this.#services.skills.load(dir);
    await this.rest();
  }

  /** Reads the skill's folder again. @throws what is wrong with it */
  async reload(): Promise<void> {
    await this.#services.skills.reload(this.id);
    await this.rest();
    this.assertActive();
  }

  /** @throws GC_SKILL_FAILED with the reasons when one of the skills does not run */
  assertActive(): void {
    const idle = this.#services.skills.list().find(({ state }) => state !== 'active');
    if (idle === undefined) return;
    const waitsForTable = idle.reasons.some((reason) => reason.startsWith('waiting (table'));
    throw new GlyphError('GC_SKILL_FAILED', `the skill ${idle.id} is ${idle.state}: ${idle.reasons.join('; ')}`, {
      ...(waitsForTable ? { hint: 'Create the tables it watches in setup(), or at the top of test.lua.' } : {}),
      skill: idle.id,
      cause: idle.error,
    });
  }

  /** Waits until everything committed so far has been handled. @throws the first new failure of a skill */
  async rest(): Promise<void> {
    await this.#quiet();
    const [failure] = this.#log.takeFailures();
    if (failure !== undefined) throw failure;
    const [request] = this.#network.takeUnanswered();
    if (request !== undefined) {
      throw new GlyphError(
        'GC_NOT_SUPPORTED',
        `the skill asked ${request.method} ${request.url}, which nobody answers`,
        {
          hint: `http.respond("${request.url}", { status = 200 }) in the test answers for it.`,
        },
      );
    }
  }

  /** Moves time on, or to a moment. @throws the first new failure of a skill */
  async moveClock(move: (rest: () => Promise<void>) => Promise<void>): Promise<void> {
    await move(() => this.#afterStep());
    await this.rest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.close();
  }

  /** Most steps of the clock find nothing to do; only what has written is waited for. */
  async #afterStep(): Promise<void> {
    const { activity } = this.#network;
    await new Promise((resolve) => setImmediate(resolve));
    const written = this.#totalChanges.get() as number;
    if (written === this.#written && activity === this.#network.activity) return;
    this.#written = written;
    await this.#quiet();
  }

  async #quiet(): Promise<void> {
    const { skills } = this.#services;
    const moved = (): string => `${this.#db.stats().end} ${this.#network.activity}`;
    for (let round = 0, before = ''; round < MAX_ROUNDS && before !== moved(); round++) {
      before = moved();
      await this.#db.flush().catch((error: unknown) => {
        this.#log.lines.push({ skill: this.id, level: 'error', message: messageOf(error) });
      });
      await skills.settled();
      // Actions and what listens to them take turns of the event loop, not of the clock.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #prepare(): Promise<this> {
    const { skills, actions } = this.#services;
    await this.#db.plugins.unload('http');
    this.#db.plugins.load(createHttpPlugin({ client: this.#network.connect }));
    this.#network.respond = (request) => this.call('__testing_respond', request);
    actions.on('*', (payload, action) => this.#recorder.actionSent(action, payload));
    skills.extend({ name: 'testing', create: ({ isHost }) => ({ functions: isHost ? this.#functions() : {} }) });
    for (const name of this.#copies.functions) this.#recorder.stub(name);
    // An extension starts the host's state anew, a moment later.
    await Promise.resolve();
    for (const part of RUNTIME) await skills.execute(part, { name: 'testing' });
    await skills.execute(this.#copies.folder.files.get(TEST_FILE) ?? '', { name: TEST_FILE });
    return this;
  }

  /** What runtime.lua asks the runner. */
  #functions(): Readonly<Record<string, HostFunction>> {
    const recorder = this.#recorder;
    const { lua } = this.#services;
    const { files } = this.#copies.folder;
    return {
      '__testing.now': () => Math.floor(this.clock.now() / 1000),
      '__testing.sent': (pattern) => recorder.sent(optionalText(pattern, 'actions.sent: the pattern')),
      '__testing.calls': (name) => recorder.calls(optionalText(name, 'host.calls: the name') ?? ''),
      '__testing.register': (name) => recorder.fake(optionalText(name, 'host.functions: the name') ?? ''),
      '__testing.answer': (ok, value) => recorder.answer(ok === true, value),
      '__testing.module': (name) => {
        const { source, chunkName } = findModule(files, name);
        return lua.results(source, chunkName);
      },
      '__testing.state': () => lua.results(this.report?.state ?? 'discovered', this.report?.reasons ?? []),
      '__testing.requests': () => this.#network.requests,
      '__testing.logs': (level) => this.#linesOf(optionalText(level, 'skill.logs: the level')),
    };
  }

  #linesOf(level: string | undefined): readonly { readonly level: LogLevel; readonly message: string }[] {
    return this.#services.skills
      .logs(this.id)
      .filter((line) => level === undefined || line.level === level)
      .map(({ level: own, message }) => ({ level: own, message }));
  }
}

function optionalText(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw new GlyphError('GC_BAD_ARGUMENT', `${what} must be a text`);
}

/** A plugin that hands out the services the runner works with. */
function door(open: (services: Services) => void): ReturnType<typeof definePlugin> {
  return definePlugin({
    name: 'skill-test',
    version: VERSION,
    requires: { skills: '^1.0.0', actions: '^1.0.0', lua: '^1.0.0' },
    activate: (ctx) => open({ skills: ctx.use('skills'), actions: ctx.use('actions'), lua: ctx.use('lua') }),
  });
}
