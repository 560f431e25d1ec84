/**
 * The order of units by what they need from each other.
 *
 * Invariants:
 * - A unit comes after the providers of all it requires, and after those of its optional services wherever that does not
 *   contradict a requirement. Otherwise the order of registration holds.
 * - Requirements that go round in a circle are named, and never put into the order.
 */
import type { Versions } from './types.ts';

/** What the graph needs to know of a unit. */
export interface GraphNode {
  readonly name: string;
  readonly requires?: Versions;
  readonly optional?: Versions;
  readonly provides?: Versions;
}

export interface Sorted<Node extends GraphNode> {
  /** Providers before their users; without the units in, or behind, a cycle. */
  readonly order: readonly Node[];
  /** Each cycle as the names along it, the first repeated at the end: `['a', 'b', 'a']`. */
  readonly cycles: readonly (readonly string[])[];
}

/** Sorts units topologically. What nobody in the list provides is taken to be there. */
export function sortUnits<Node extends GraphNode>(nodes: readonly Node[]): Sorted<Node> {
  const provider = providersOf(nodes);
  const providers = (services: Versions = {}): Node[] =>
    Object.keys(services).flatMap((service) => provider.get(service) ?? []);
  const placed = new Set<Node>();
  const left = new Set(nodes);
  for (;;) {
    const candidates = [...left];
    const ready = (node: Node): boolean => providers(node.requires).every((other) => placed.has(other));
    const settled = (node: Node): boolean =>
      providers(node.optional).every((other) => other === node || placed.has(other));
    const next = candidates.find((node) => ready(node) && settled(node)) ?? candidates.find(ready);
    if (next === undefined) break;
    placed.add(next);
    left.delete(next);
  }
  return { order: [...placed], cycles: findCycles([...left], (node) => providers(node.requires)) };
}

/** Everything that cannot run without `node`, farthest users first: the order in which to stop them. */
export function dependentsOf<Node extends GraphNode>(node: Node, nodes: readonly Node[]): Node[] {
  const affected = new Set<Node>([node]);
  const { order } = sortUnits(nodes);
  const provider = providersOf(nodes);
  for (const unit of order) {
    const needs = Object.keys(unit.requires ?? {}).flatMap((service) => provider.get(service) ?? []);
    if (needs.some((other) => affected.has(other))) affected.add(unit);
  }
  affected.delete(node);
  return [...affected].reverse();
}

function providersOf<Node extends GraphNode>(nodes: readonly Node[]): Map<string, Node> {
  const provider = new Map<string, Node>();
  for (const node of nodes) {
    for (const service of Object.keys(node.provides ?? {})) {
      if (!provider.has(service)) provider.set(service, node);
    }
  }
  return provider;
}

/** Walks from each stuck unit along what it waits for; a unit met twice on one walk closes a cycle. */
function findCycles<Node extends GraphNode>(stuck: readonly Node[], before: (node: Node) => Node[]): string[][] {
  const cycles: string[][] = [];
  const visited = new Set<Node>();
  for (const start of stuck) {
    const walk: Node[] = [];
    let node: Node | undefined = start;
    while (node !== undefined && !visited.has(node)) {
      visited.add(node);
      walk.push(node);
      node = before(node).find((other) => stuck.includes(other));
    }
    const from = node === undefined ? -1 : walk.indexOf(node);
    if (from >= 0) cycles.push([...walk.slice(from), walk[from] as Node].map(({ name }) => name));
  }
  return cycles;
}
