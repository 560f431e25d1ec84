/**
 * `glyphcase/channel`: live queries, watches and actions over a MessagePort, a Worker or a WebSocket.
 *
 * The same as in `glyphcase/react`, for programs that have no React. Loads no database.
 */
export { connectLiveSource } from './react/connect.ts';
export type { ConnectedSource } from './react/connect.ts';
export type { Channel, ObjectChannel, TextChannel } from './react/channel.ts';
export { liveSource } from './react/in-process.ts';
export type { LiveDatabase, LiveSourceOptions } from './react/in-process.ts';
export type * from './react/live-source.ts';
export { serveLiveSource } from './react/serve.ts';
export type { ServeOptions } from './react/serve.ts';
export type { ChannelRequest } from './react/wire.ts';
export type { Timers } from './react/timers.ts';
