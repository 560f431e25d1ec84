/**
 * The network as a test sees it: requests are noted, and what `http.respond` said answers them.
 *
 * Invariant: nothing leaves the process; a request that nobody answers fails, and the test with it.
 */
import { Client } from '../../plugins/http/client.ts';
import type { ClientOptions } from '../../plugins/http/client.ts';
import type { HttpAnswer, HttpRequest } from '../../plugins/http/types.ts';

/** What runtime.lua answers for a request; undefined when no `http.respond` fits. */
export type Respond = (request: SentRequest) => Promise<unknown>;

/** A request as `http.requests()` shows it. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly json?: unknown;
}

export class FakeNetwork {
  readonly requests: SentRequest[] = [];
  /** Requests that nobody answered, since they were last asked for. */
  #unanswered: SentRequest[] = [];
  /** Rises with everything that happens. */
  activity = 0;
  respond: Respond = () => Promise.resolve(undefined);

  readonly connect = (options: ClientOptions): Client => new FakeClient(options, this);

  takeUnanswered(): readonly SentRequest[] {
    const taken = this.#unanswered;
    this.#unanswered = [];
    return taken;
  }

  async answer(request: HttpRequest): Promise<HttpAnswer> {
    this.activity += 1;
    const sent = shown(request);
    this.requests.push(sent);
    const { url } = request;
    try {
      const answer = (await this.respond(sent)) as Readonly<Record<string, unknown>> | null | undefined;
      if (answer !== null && answer !== undefined) return answerOf(url, answer);
      this.#unanswered.push(sent);
      return { url, error: 'no http.respond() of the test answers' };
    } finally {
      this.activity += 1;
    }
  }
}

class FakeClient extends Client {
  readonly #network: FakeNetwork;

  constructor(options: ClientOptions, network: FakeNetwork) {
    super(options);
    this.#network = network;
  }

  override send(request: HttpRequest): Promise<HttpAnswer> {
    return this.#network.answer(request);
  }
}

function shown({ method, url, headers, body }: HttpRequest): SentRequest {
  if (body === undefined) return { method, url, headers };
  const text = Buffer.from(body).toString();
  const isJson = /json/.test(headers['content-type'] ?? '');
  return { method, url, headers, body: text, ...(isJson ? { json: parsed(text) } : {}) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `{ status = 200, json = {…} }` of a test, as if it had come from outside. */
function answerOf(url: string, given: Readonly<Record<string, unknown>>): HttpAnswer {
  const { status, error, body, json } = given;
  if (typeof error === 'string') return { url, error };
  const headers = Object.entries((given['headers'] ?? {}) as Record<string, string>);
  const lower = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
  const text = json === undefined ? (body ?? '') : JSON.stringify(json);
  return {
    url,
    status: typeof status === 'number' ? status : 200,
    headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...lower },
    body: typeof text === 'string' ? Buffer.from(text) : (text as Uint8Array),
  };
}
