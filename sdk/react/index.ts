/** `glyphcase/react`: hooks over live queries, and the sources they run on. Loads no database. */
export { connectLiveSource } from './connect.ts';
export type { ConnectedSource } from './connect.ts';
export type { Channel, ObjectChannel, TextChannel } from './channel.ts';
export { liveSource } from './in-process.ts';
export type { LiveDatabase, LiveSourceOptions } from './in-process.ts';
export type * from './live-source.ts';
export { GlyphCaseProvider } from './provider.ts';
export type { GlyphCaseProviderProps } from './provider.ts';
export { QuerySnapshot } from './query-snapshot.ts';
export { serveLiveSource } from './serve.ts';
export type { Timers } from './timers.ts';
export { useAction } from './use-action.ts';
export type { ActionState } from './use-action.ts';
export { useQuery, useRow } from './use-query.ts';
export type { LiveResult, QueryResult, RowResult, UseQueryOptions } from './use-query.ts';
export { useWatch } from './use-watch.ts';
export type { UseWatchOptions, WatchHandler } from './use-watch.ts';
