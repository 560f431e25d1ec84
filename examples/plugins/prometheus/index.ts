/**
 * The plugin `prometheus`: what the host is doing, as Prometheus reads it, and metrics of other plugins.
 *
 * Invariant: a reload loses no count and refuses no request; a server that cannot listen fails the plugin and nothing else.
 */
import { definePlugin } from 'glyphcase/sdk';
import type { PluginContext } from 'glyphcase/sdk';
import { HostMetrics, newProgress } from './host-metrics.ts';
import type { Progress } from './host-metrics.ts';
import { Metrics } from './metrics.ts';
import type { CounterMetric, GaugeMetric, KeptMetrics } from './metrics.ts';
import { MetricsServer } from './server.ts';
import type { Answer } from './server.ts';

export type { CounterMetric, GaugeMetric, Labels } from './metrics.ts';

export interface PrometheusConfig {
  /** Where it serves by itself; 0 takes any free port. Without it the host's routes have the metrics. */
  readonly port?: number;
  readonly host: string;
  readonly path: string;
  /** How the names of the host's own metrics begin. */
  readonly prefix: string;
}

/** The service `metrics`. Names are used as they are given; asking twice for one gives the same metric. */
export interface MetricsService {
  /** @throws GC_BAD_ARGUMENT for a name or label that Prometheus does not take */
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric;
  /** @throws GC_BAD_ARGUMENT */
  gauge(name: string, help: string, labels?: readonly string[]): GaugeMetric;
  /** All metrics in Prometheus' text format. */
  render(): Promise<string>;
  /** Where they are served; undefined without a port. */
  readonly url: string | undefined;
}

interface Kept {
  readonly metrics: KeptMetrics;
  readonly progress: Progress;
  /** While it serves by itself. */
  server?: MetricsServer;
}

/** What `snapshot` finds of each running instance; several hosts may run in one process. */
const instances = new WeakMap<PluginContext<PrometheusConfig, Kept>, Kept>();

export default definePlugin<PrometheusConfig, Kept>({
  name: 'prometheus',
  version: '1.0.0',
  glyphcase: '^1.0.0',
  optional: { capsule: '^1.0.0', live: '^1.0.0', skills: '^1.0.0' },
  provides: { metrics: '1.0.0' },
  config: {
    type: 'object',
    properties: {
      port: { type: 'integer', minimum: 0, maximum: 65_535 },
      host: { type: 'string', minLength: 1, default: '127.0.0.1' },
      path: { type: 'string', pattern: '^/[^?#]*$', default: '/metrics' },
      prefix: { type: 'string', pattern: '^[a-zA-Z_:][a-zA-Z0-9_:]*$', default: 'glyphcase_' },
    },
  },
  activate(ctx) {
    const metrics = new Metrics(ctx.state?.metrics, (message) => ctx.log.warn(message));
    const kept: Kept = { metrics: metrics.kept, progress: ctx.state?.progress ?? newProgress() };
    instances.set(ctx, kept);
    const host = new HostMetrics(ctx, metrics, kept.progress);
    host.listen();

    const { port, path } = ctx.config;
    const render = (): Promise<string> => {
      host.observe();
      return metrics.render();
    };
    ctx.provide<MetricsService>('metrics', {
      counter: (name, help, labels) => metrics.counter(name, help, labels),
      gauge: (name, help, labels) => metrics.gauge(name, help, labels),
      render,
      get url() {
        return kept.server?.urlOf(path);
      },
    });
    const answer: Answer = async () => ({ type: metrics.contentType, text: await render() });
    if (port !== undefined) return serve(ctx, kept, answer, port);
    ctx.route('GET', path, async () => {
      const { type, text } = await answer();
      return new Response(text, { headers: { 'content-type': type } });
    });
  },
  snapshot(ctx) {
    return instances.get(ctx) as Kept;
  },
});

/** Takes the server of the instance before, or a new one. */
async function serve(
  ctx: PluginContext<PrometheusConfig, Kept>,
  kept: Kept,
  answer: Answer,
  port: number,
): Promise<void> {
  const { host, path } = ctx.config;
  const former = ctx.state?.server;
  const server = former?.fits({ port, host }) === true ? former : await MetricsServer.listen({ port, host });
  ctx.defer(server.hold(path, answer), 'server');
  kept.server = server;
  if (server !== former) ctx.log.info(`Metrics are at ${server.urlOf(path)}`);
}
