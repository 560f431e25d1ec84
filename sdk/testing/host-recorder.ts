/**
 * What a test host remembers: every event of the bus and every line of the log, oldest first.
 *
 * Invariant: an event is remembered before its listeners run, so that what they cause stands after it.
 */
import type { KernelBus } from '../../kernel/bus.ts';
import type { Logger } from '../../kernel/logger.ts';

/** An event of the bus. */
export interface TestEvent {
  readonly channel: string;
  readonly payload: unknown;
  /** By the host's clock, Unix epoch in ms. */
  readonly at: number;
}

/** A line of the log. */
export interface TestLogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  /** What came with it; `plugin` names who logged. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly at: number;
}

export class HostRecorder {
  readonly events: TestEvent[] = [];
  readonly logs: TestLogLine[] = [];
  readonly logger: Logger;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
    const at =
      (level: TestLogLine['level']) =>
      (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
        void this.logs.push({ level, message, fields, at: now() });
    this.logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  /** Listens to all channels of a bus, which the bus itself has no way to do. */
  attach(bus: KernelBus): void {
    const emit = bus.emit.bind(bus);
    bus.emit = (channel, payload) => {
      this.events.push({ channel, payload, at: this.#now() });
      return emit(channel, payload);
    };
  }

  /** Forgets everything so far. */
  clear(): void {
    this.events.length = 0;
    this.logs.length = 0;
  }
}
