/** Where components below it find their data. */
import { createContext, createElement, useContext, useMemo } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { GlyphError } from '../../kernel/errors.ts';
import { liveSource } from './in-process.ts';
import type { LiveDatabase } from './in-process.ts';
import type { LiveSource } from './live-source.ts';
import type { QuerySnapshot } from './query-snapshot.ts';

export interface Surroundings {
  readonly source: LiveSource;
  readonly snapshot: QuerySnapshot | undefined;
}

const Context = createContext<Surroundings | undefined>(undefined);

export interface GlyphCaseProviderProps {
  /** A database of this process; or `source`. */
  readonly db?: LiveDatabase;
  /** A source, such as {@link connectLiveSource} makes. */
  readonly source?: LiveSource;
  /** What the server rendered; on the server: where to collect it. */
  readonly snapshot?: QuerySnapshot | undefined;
  readonly children?: ReactNode;
}

/**
 * Gives the hooks below it a database.
 * @throws GC_BAD_ARGUMENT without `db` or `source`, or with both
 * @example
 * ```ts
 * createRoot(element).render(createElement(GlyphCaseProvider, { db }, createElement(App)));
 * ```
 */
export function GlyphCaseProvider({ db, source, snapshot, children }: GlyphCaseProviderProps): ReactElement {
  if ((db === undefined) === (source === undefined))
    throw new GlyphError('GC_BAD_ARGUMENT', '<GlyphCaseProvider> takes either a db or a source');
  const used = source ?? liveSource(db as LiveDatabase);
  const value = useMemo(() => ({ source: used, snapshot }), [used, snapshot]);
  return createElement(Context.Provider, { value }, children);
}

/** @throws GC_BAD_ARGUMENT outside of a provider */
export function useSurroundings(hook: string): Surroundings {
  const surroundings = useContext(Context);
  if (surroundings === undefined)
    throw new GlyphError(
      'GC_BAD_ARGUMENT',
      `${hook}() is called in a component that has no <GlyphCaseProvider> above it`,
    );
  return surroundings;
}
