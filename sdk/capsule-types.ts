/** Types of the `capsule` service, for plugins that `use('capsule')`. Types only: importing this loads nothing. */
export type {
  CapsuleService,
  Cause,
  Causes,
  ChangeEvent,
  Reaction,
  ReactionHandle,
  Reset,
  Subscription,
  Watcher,
} from '../plugins/capsule/types.ts';
