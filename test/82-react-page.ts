/**
 * The page of the tests in Chromium: components over a source at the other end of a channel of texts.
 *
 * Bundled by 82-react-support.ts; the test drives it through `window.page`.
 */
import {
  Component,
  createElement as h,
  memo,
  startTransition,
  StrictMode,
  Suspense,
  useEffect,
  useLayoutEffect,
  useReducer,
  useState,
} from 'react';
import type { ComponentType, ReactNode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import {
  connectLiveSource,
  GlyphCaseProvider,
  QuerySnapshot,
  useAction,
  useQuery,
  useRow,
  useWatch,
} from '../sdk/react/index.ts';
import type { ConnectedSource, TextChannel } from '../sdk/react/index.ts';

/** Messages to the host by `fetch`, from it by server-sent events. */
class HttpChannel extends EventTarget implements TextChannel {
  onmessage: ((event: { readonly data: string }) => unknown) | null = null;
  readyState = 0;
  #sent: Promise<unknown> = Promise.resolve();
  readonly #id = crypto.randomUUID();

  constructor() {
    super();
    const events = new EventSource(`/channel/${this.#id}`);
    events.onopen = () => {
      this.readyState = 1;
      this.dispatchEvent(new Event('open'));
    };
    events.onmessage = (event) => this.onmessage?.({ data: String(event.data) });
    events.onerror = () => {
      events.close();
      this.dispatchEvent(new Event('close'));
    };
  }

  /** One after the other, so that they arrive in order. */
  send(text: string): void {
    this.#sent = this.#sent.then(() => fetch(`/channel/${this.#id}`, { method: 'POST', body: text }));
  }
}

interface Task {
  readonly id: number;
  readonly title: string;
}

/** How often something was rendered, by its name. */
const renders: Record<string, number> = {};
const heard: unknown[] = [];
const errors: string[] = [];
const count = (name: string): void => void (renders[name] = (renders[name] ?? 0) + 1);

const TaskRow = memo(({ task }: { readonly task: Task }) => {
  count(`row ${task.id}`);
  return h('li', { id: `task-${task.id}` }, task.title);
});

function List(): ReactNode {
  count('list');
  const { data, status, error } = useQuery<Task>('SELECT id, title FROM tasks ORDER BY id LIMIT 50');
  return h(
    'section',
    null,
    h('h1', null, 'Tasks'),
    h('p', { id: 'status' }, error === undefined ? `${status}, ${data.length} rows` : `${status} ${error.code}`),
    h('ol', null, ...data.map((task) => h(TaskRow, { key: task.id, task }))),
  );
}

/** What it shows is asked for by its properties; says which rows it showed for which. */
function ByTitle({ title, unrelated }: { readonly title: string; readonly unrelated: number }): ReactNode {
  const { data, isPending } = useQuery<Task>('SELECT id, title FROM tasks WHERE title = ? AND id > ?', [title, 0]);
  useLayoutEffect(() => {
    for (const row of data) if (row.title !== title) errors.push(`${row.title} shown for ${title}`);
    if (isPending) heard.push(`pending ${title}`);
  });
  return h('p', { id: 'found' }, `${title}: ${data.map(({ id }) => id).join()} (${unrelated})`);
}

function Single({ id }: { readonly id: number }): ReactNode {
  const { data, isSuccess } = useRow<Task>('tasks', id);
  return h('p', { id: 'single' }, isSuccess ? (data?.title ?? 'gone') : 'pending');
}

function Watching({ tag }: { readonly tag: string }): ReactNode {
  const { error } = useWatch<Task>(
    'tasks',
    (events) => void heard.push(...events.map((e) => `${tag} ${e.operation} ${e.newData?.title}`)),
    {
      filter: 'id > ?',
      params: [2],
    },
  );
  const wrong = useWatch('nowhere', () => undefined);
  return h('p', { id: 'watch' }, `${String(error?.code)} ${String(wrong.error?.code)}`);
}

function Acting(): ReactNode {
  const add = useAction<number>('add');
  const nobody = useAction('nobody');
  const raced = useAction<string>('race');
  return h(
    'div',
    null,
    h('button', { id: 'add', onClick: () => void add.request({ a: 1n, b: 2 }) }, 'add'),
    h('button', { id: 'tell', onClick: () => void add.dispatch({ a: 5n, b: 5 }) }, 'tell'),
    h('button', { id: 'ask', onClick: () => void nobody.request() }, 'ask'),
    h('button', { id: 'race', onClick: () => ['slow', 'fast'].map(raced.request) }, 'race'),
    h('p', { id: 'raced' }, `${raced.pending} ${String(raced.result)}`),
    h('p', { id: 'acted' }, `${add.pending} ${String(add.result)} ${String(nobody.error?.code)}`),
  );
}

class Boundary extends Component<{ readonly children?: ReactNode }, { readonly code: string | undefined }> {
  override state: { readonly code: string | undefined } = { code: undefined };

  static getDerivedStateFromError(error: { readonly code?: string }): { readonly code: string } {
    return { code: error.code ?? 'without a code' };
  }

  override render(): ReactNode {
    const { code } = this.state;
    if (code === undefined) return this.props.children;
    return h('button', { id: 'again', onClick: () => this.setState({ code: undefined }) }, code);
  }
}

function Suspending({ sql }: { readonly sql: string }): ReactNode {
  const { data } = useQuery(sql, [], { suspense: true });
  count('suspended');
  return h('p', { id: 'rows' }, JSON.stringify(data));
}

const Suspended = ({ sql }: { readonly sql: string }): ReactNode =>
  h(Boundary, null, h(Suspense, { fallback: h('p', { id: 'wait' }, 'wait') }, h(Suspending, { sql })));

const COUNTER = 'SELECT value FROM counter';

/** What a component reads that has no useSyncExternalStore: whatever is there at the moment. */
function useNaively(): number {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const query = source.observe<{ readonly value: number }>({ sql: COUNTER });
  useEffect(() => query.subscribe(() => startTransition(again)), []);
  return query.getSnapshot().rows[0]?.value ?? -1;
}

const useValue = (): number => useQuery<{ readonly value: number }>(COUNTER).data[0]?.value ?? -1;

/** Renders slowly, so that React interrupts a transition between two of them. */
function Reading({ naive }: { readonly naive: boolean }): ReactNode {
  const value = naive ? useNaively() : useValue();
  const end = performance.now() + 3;
  while (performance.now() < end);
  return h('span', { className: 'value' }, String(value));
}

/** Many components that show the same, rendered again and again in transitions. Counts moments when they do not show the same. */
function Tearing({ naive }: { readonly naive: boolean }): ReactNode {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => startTransition(() => setTick((before) => before + 1)), 1);
    return () => clearTimeout(timer);
  }, [tick]);
  useEffect(() => {
    const look = (): void => {
      const shown = new Set([...document.querySelectorAll('.value')].map((element) => element.textContent));
      count('looks');
      if (shown.size > 1) count('tears');
      for (const value of shown) renders['latest'] = Number(value);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    return () => observer.disconnect();
  }, []);
  count('ticks');
  return h('div', { 'data-tick': tick }, ...Array.from({ length: 8 }, (_, key) => h(Reading, { key, naive })));
}

const scenes: Record<string, ComponentType<never>> = { List, ByTitle, Single, Watching, Acting, Suspended, Tearing };

let source: ConnectedSource = connectLiveSource(new HttpChannel(), { keep: 200 });
let root: Root | undefined;

export interface PageApi {
  /** Shows a scene, or the same with other properties. */
  show(scene: string, props?: object, strict?: boolean): void;
  /** The same as a transition. */
  move(scene: string, props: object): void;
  hide(): void;
  /** Takes over what the server rendered. */
  hydrate(scene: string): void;
  /** Another source, or the same one over another channel. */
  reconnect(): void;
  renew(): void;
  disconnect(): void;
  readonly renders: Readonly<Record<string, number>>;
  readonly heard: readonly unknown[];
  readonly errors: readonly string[];
  forget(): void;
}

const tree = (scene: string, props: object, strict: boolean, snapshot?: QuerySnapshot): ReactNode => {
  const shown = h(GlyphCaseProvider, { source: source, snapshot }, h(scenes[scene] as ComponentType, props));
  return strict ? h(StrictMode, null, shown) : shown;
};

const element = (): Element => document.getElementById('root')!;
const onRecoverableError = (error: unknown): void => void errors.push(String(error));

const page: PageApi = {
  show(scene, props = {}, strict = false) {
    root ??= createRoot(element(), { onRecoverableError });
    root.render(tree(scene, props, strict));
  },
  move: (scene, props) => startTransition(() => root?.render(tree(scene, props, false))),
  hide() {
    root?.unmount();
    root = undefined;
  },
  hydrate(scene) {
    const snapshot = QuerySnapshot.from((window as unknown as { readonly rows: unknown }).rows);
    root = hydrateRoot(element(), tree(scene, {}, true, snapshot), { onRecoverableError });
  },
  reconnect() {
    source = connectLiveSource(new HttpChannel(), { keep: 200 });
  },
  renew: () => source.reconnect(new HttpChannel()),
  disconnect: () => source.close(),
  renders,
  heard,
  errors,
  forget() {
    for (const name of Object.keys(renders)) Reflect.deleteProperty(renders, name);
    heard.length = 0;
    errors.length = 0;
  },
};

declare global {
  interface Window {
    page: PageApi;
  }
}
window.page = page;
window.addEventListener('error', ({ message }) => void errors.push(message));
window.addEventListener('unhandledrejection', ({ reason }) => void errors.push(`unhandled: ${String(reason)}`));
