/** Types of the `live` service, for plugins that `use('live')`. Types only: importing this loads nothing. */
export type {
  LiveService,
  LiveStats,
  QueryOptions,
  QuerySubscribeOptions,
  QueryWatcher,
  Standing,
} from '../plugins/live/types.ts';
