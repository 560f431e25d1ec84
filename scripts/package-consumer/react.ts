// Type-checked only, against the shipped declarations and React's own.
import { createElement } from 'react';
import type { ReactElement } from 'react';
import { GlyphCase } from 'glyphcase';
import {
  connectLiveSource,
  GlyphCaseProvider,
  serveLiveSource,
  useAction,
  useQuery,
  useRow,
  useWatch,
} from 'glyphcase/react';
import type { LiveSource } from 'glyphcase/react';

interface Task {
  readonly id: number;
  readonly title: string;
}

export function Tasks(): ReactElement {
  const { data, error } = useQuery<Task>('SELECT * FROM tasks WHERE id > ?', [0], { suspense: true });
  const { data: one } = useRow<Task>('tasks', 1);
  const { request, result } = useAction<number>('sum');
  useWatch<Task>('tasks', (events) => void request(events[0]?.newData?.title.length));
  // @ts-expect-error A row that may be gone.
  const title: string = one.title;
  return createElement('p', null, title, error?.code, result?.toFixed(), ...data.map((task) => task.title));
}

const db = new GlyphCase(':memory:');
const { port1, port2 } = new MessageChannel();
serveLiveSource(db, port1);
export const source: LiveSource = connectLiveSource(port2);
export const socket: LiveSource = connectLiveSource(new WebSocket('ws://localhost:1'));
export const here: ReactElement = createElement(GlyphCaseProvider, { db }, createElement(Tasks));
