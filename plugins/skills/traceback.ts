/** The Lua traceback of an error, as far as it tells the author of a skill something: frames in the skill's own files. */

/** Frames of GlyphCase itself, and of C functions. */
const OURS = /^(\[C\]|glyphcase|testing|sandbox):/;

/** Frames, innermost first: `main.lua:4: in upvalue 'settle'`. Empty for an error that did not come out of Lua. */
export function tracebackOf(error: unknown): readonly string[] {
  const cause = error instanceof Error ? error.cause : undefined;
  if (typeof cause !== 'object' || cause === null) return [];
  if (!('traceback' in cause) || typeof cause.traceback !== 'string') return tracebackOf(cause);
  return cause.traceback.split('\n').filter((line) => line !== '' && !OURS.test(line));
}

/** A message with the error's traceback below it, when that says more than the place the message begins with. */
export function withTraceback(message: string, error: unknown): string {
  const frames = tracebackOf(error);
  return frames.length < 2 ? message : [message, ...frames.map((frame) => `  ${frame}`)].join('\n');
}
