/**
 * The metrics themselves: counters, gauges and histograms by name, in a registry of prom-client.
 *
 * Invariants: asking twice for a metric gives the same one, so that what was counted stays counted when its plugin is
 * reloaded; nothing here holds on to who asked, so the registry can be handed from one instance of the plugin to the next.
 */
import { GlyphError, messageOf } from 'glyphcase/sdk';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

export interface CounterMetric {
  /** Adds `by`, 1 unless told. */
  inc(labels?: Labels, by?: number): void;
}

export interface GaugeMetric {
  set(value: number, labels?: Labels): void;
  /** Forgets the values of all labels. */
  clear(): void;
}

export interface HistogramMetric {
  observe(value: number, labels?: Labels): void;
}

interface Known {
  /** Kind and labels: a metric that has others is another one. */
  readonly shape: string;
  readonly metric: unknown;
}

/** What an instance hands to its successor. */
export interface KeptMetrics {
  readonly registry: Registry;
  readonly known: Map<string, Known>;
}

/** Seconds; a reaction of a skill takes a millisecond or so. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export class Metrics {
  readonly kept: KeptMetrics;
  readonly #warn: (message: string) => void;

  constructor(kept: KeptMetrics | undefined, warn: (message: string) => void) {
    this.kept = kept ?? { registry: new Registry(), known: new Map() };
    this.#warn = warn;
  }

  /** @throws GC_BAD_ARGUMENT for a name or label that Prometheus does not take */
  counter(name: string, help: string, labels: readonly string[] = []): CounterMetric {
    const counter = this.#find('counter', name, labels, (options) => new Counter({ ...options, help }));
    return { inc: (values = {}, by = 1) => counter.inc({ ...values }, by) };
  }

  /** @throws as {@link counter} */
  gauge(name: string, help: string, labels: readonly string[] = []): GaugeMetric {
    const gauge = this.#find('gauge', name, labels, (options) => new Gauge({ ...options, help }));
    return { set: (value, values = {}) => gauge.set({ ...values }, value), clear: () => gauge.reset() };
  }

  /** @throws as {@link counter} */
  histogram(name: string, help: string, labels: readonly string[] = []): HistogramMetric {
    const make = (options: MetricOptions): Histogram => new Histogram({ ...options, help, buckets: BUCKETS });
    const histogram = this.#find('histogram', name, labels, make);
    return { observe: (value, values = {}) => histogram.observe({ ...values }, value) };
  }

  render(): Promise<string> {
    return this.kept.registry.metrics();
  }

  get contentType(): string {
    return this.kept.registry.contentType;
  }

  #find<M>(kind: string, name: string, labels: readonly string[], make: (options: MetricOptions) => M): M {
    const { registry, known } = this.kept;
    const shape = [kind, ...labels].join(' ');
    const found = known.get(name);
    if (found?.shape === shape) return found.metric as M;
    if (found !== undefined) {
      this.#warn(`The metric ${name} begins anew: it was a ${found.shape}, and is a ${shape}`);
      registry.removeSingleMetric(name);
    }
    try {
      const metric = make({ name, labelNames: [...labels], registers: [registry] });
      known.set(name, { shape, metric });
      return metric;
    } catch (error) {
      throw new GlyphError('GC_BAD_ARGUMENT', `${kind}(): ${messageOf(error)}: ${JSON.stringify([name, ...labels])}`, {
        cause: error,
        hint: 'Names of metrics and labels are letters, digits and _; a metric also needs a help text.',
      });
    }
  }
}

interface MetricOptions {
  readonly name: string;
  readonly labelNames: string[];
  readonly registers: Registry[];
}
