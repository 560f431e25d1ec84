/** `glyphcase watch DB "SELECT …"`: a result kept current on a terminal; its differences, for programs, anywhere else. */
import type { Logger } from '../../../kernel/logger.ts';
import type { Batch, ChangeEvent } from '../../../plugins/capsule/types.ts';
import type { QueryWatcher } from '../../../plugins/live/types.ts';
import { changeToJson } from '../changes.ts';
import { complaints } from '../complaints.ts';
import { untilStopped } from '../lifetime.ts';
import { note, paint, print, printJson } from '../output.ts';
import { existingDatabase, shown } from '../paths.ts';
import { QueryView } from '../query-view.ts';
import { Screen } from '../screen.ts';

/** Where a result goes. */
interface Output {
  readonly logger: Logger;
  told(events: readonly ChangeEvent[], batch: Batch, watcher: QueryWatcher): void;
  end(): void;
}

export async function watchQuery(file: string, sql: string, { json }: { readonly json?: true }): Promise<void> {
  const path = existingDatabase(file);
  const [{ observe }, { checkQuery }] = await Promise.all([
    import('../../maintenance/observer.ts'),
    import('../../maintenance/tables.ts'),
  ]);
  // Tried before a host opens the file: a slip of the pen leaves nothing behind in it.
  const names = checkQuery(path, sql);
  const output = json !== true && canDrawOver(process.stdout) ? onScreen(sql, names) : asLines;
  const observer = observe(path, output.logger);
  try {
    const watcher = observer.live.watch(sql);
    if (json !== true) note(paint('dim', `Watching a query in ${shown(path)}. Ctrl-C ends it.`, process.stderr));
    observer.live.subscribe(watcher, (events, batch) => output.told(events, batch, watcher), {
      initial: true,
      listenerId: 'glyphcase watch',
    });
    await untilStopped();
  } finally {
    output.end();
    await observer.close();
  }
}

const asLines: Output = {
  logger: complaints,
  told(events, { reset }) {
    // Whoever keeps a copy has to know that it is void.
    if (reset !== undefined) printJson({ reset });
    for (const event of events) print(changeToJson(event));
  },
  end: () => undefined,
};

function onScreen(sql: string, names: readonly string[]): Output {
  const { stdout } = process;
  const screen = new Screen(stdout);
  const view = new QueryView(sql, names);
  let isTold = false;
  const draw = (): void => {
    if (isTold) screen.draw(view.lines(screen.size, (style, text) => paint(style, text, stdout)));
  };
  const resized = (): void => {
    screen.resized();
    draw();
  };
  // After Ctrl-Z the shell has written below the table.
  const continued = (): void => {
    screen.forget();
    draw();
  };
  stdout.on('resize', resized);
  process.on('SIGCONT', continued);
  const above = (level: 'warn' | 'error', ...[message, fields]: Parameters<Logger['warn']>): void => {
    // The table says by itself when its query cannot be run.
    if (fields?.['sql'] === sql) return;
    const wasDrawn = screen.erase();
    complaints[level](message);
    if (wasDrawn) draw();
  };
  return {
    logger: {
      ...complaints,
      warn: (message, fields) => above('warn', message, fields),
      error: (message, fields) => above('error', message, fields),
    },
    told(events, { reset }, watcher) {
      if (reset === undefined) view.changed(events, watcher.rows(), watcher.explain().mode, new Date());
      else view.failed(reset.message, new Date());
      isTold = true;
      draw();
    },
    end() {
      stdout.off('resize', resized);
      process.off('SIGCONT', continued);
      screen.end();
    },
  };
}

const canDrawOver = (stream: NodeJS.WriteStream): boolean => stream.isTTY && process.env['TERM'] !== 'dumb';
