/**
 * Hears that a database is being closed.
 *
 * Invariant: a plugin that is reloaded closes nothing.
 */
import { GlyphError } from '../../kernel/errors.ts';
import type { GlyphCase } from '../glyphcase.ts';

type Closeable = Pick<GlyphCase, 'plugins'>;

/**
 * Calls `fn` once, when `db.close()` ends its services. Call what it returns to hear no more.
 * @throws GC_CLOSED when it is closed already, or about to be
 */
export function whenClosed(db: Closeable, fn: (error: GlyphError) => void): () => void {
  let isOver = false;
  const gone = (): void => {
    if (isOver || !isClosing(db)) return;
    isOver = true;
    fn(closed());
  };
  const stop = follow(db, gone);
  return () => {
    isOver = true;
    stop();
  };
}

function follow(db: Closeable, gone: () => void): () => void {
  try {
    return db.plugins.onService('actions', () => gone);
  } catch {
    throw closed();
  }
}

/** A host that is closing says so to whoever asks for a service that has gone. */
function isClosing(db: Closeable): boolean {
  try {
    db.plugins.use('actions');
    return false;
  } catch (error) {
    return error instanceof GlyphError && error.code === 'GC_CLOSED';
  }
}

/** Names no file: it is for whoever is at the other end of a channel, too. */
const closed = (): GlyphError =>
  new GlyphError('GC_CLOSED', 'The host has closed the database', {
    hint: 'Open it again in the host; behind a channel, serve it anew and go on with source.reconnect(channel).',
  });
