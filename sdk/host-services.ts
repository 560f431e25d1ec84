/**
 * The services that the host API stands on.
 *
 * Invariant: who asks after the host was closed, or for what an option has switched off, is told that and not that some
 * service is missing.
 */
import { GlyphError } from '../kernel/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { CapsuleService } from '../plugins/capsule/types.ts';
import type { LiveService } from '../plugins/live/types.ts';
import { closedError } from './ready.ts';
import type { Services } from './services.ts';

export interface HostServicesOptions {
  /** Whether the option `capsule.enabled` is on. */
  readonly watching: boolean;
  readonly isClosing: () => boolean;
}

export class HostServices {
  readonly #kernel: Pick<Kernel, 'db' | 'plugins'>;
  readonly #options: HostServicesOptions;

  constructor(kernel: Pick<Kernel, 'db' | 'plugins'>, options: HostServicesOptions) {
    this.#kernel = kernel;
    this.#options = options;
  }

  /** @throws GC_CLOSED; GC_NO_SERVICE saying why it is not there */
  get<Name extends keyof Services>(name: Name): Services[Name];
  get<Service>(name: string, range?: string): Service;
  get(name: string, range?: string): unknown {
    const { db, plugins } = this.#kernel;
    if (!db.sqlite.open) throw closedError(db);
    try {
      return plugins.use(name, range);
    } catch (error) {
      throw this.#options.isClosing() ? closedError(db) : error;
    }
  }

  /** @throws GC_NOT_SUPPORTED when watching is switched off, GC_CLOSED */
  get capsule(): CapsuleService {
    if (!this.#options.watching) {
      throw new GlyphError('GC_NOT_SUPPORTED', 'Watching is switched off: the option capsule.enabled is false');
    }
    return this.get('capsule');
  }

  /** @throws GC_CLOSED */
  get live(): LiveService {
    return this.get('live');
  }

  /** The service whose watcher or subscription it is. @throws as {@link capsule} */
  ownerOf(given: { readonly id: string } | string): Pick<CapsuleService, 'subscribe' | 'unsubscribe' | 'unwatch'> {
    const { capsule } = this;
    return this.live.has(given) ? this.live : capsule;
  }
}
