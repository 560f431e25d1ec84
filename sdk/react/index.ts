/** `glyphcase/react`: hooks over live queries, and the sources they run on. Loads no database. */
export { connectLiveSource, liveSource, serveLiveSource } from '../channel.ts';
export type * from '../channel.ts';
export { GlyphCaseProvider } from './provider.ts';
export type { GlyphCaseProviderProps } from './provider.ts';
export { QuerySnapshot } from './query-snapshot.ts';
export { useAction } from './use-action.ts';
export type { ActionState } from './use-action.ts';
export { useQuery, useRow } from './use-query.ts';
export type { LiveResult, QueryResult, RowResult, UseQueryOptions } from './use-query.ts';
export { useWatch } from './use-watch.ts';
export type { UseWatchOptions, WatchHandler } from './use-watch.ts';
