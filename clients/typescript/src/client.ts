/**
 * A client of Bellwire: publish events, and read an account's log. What a receiver needs is in `verify.ts`.
 *
 * The types are made from the API's OpenAPI document; nothing here depends on a package.
 */

import { randomUUID } from "node:crypto";
import type { components } from "./types.js";

export { verify, VerificationError, type Verified, type VerifyOptions } from "./verify.js";

/** An event of an account's log. */
export type Event = components["schemas"]["Event"];
/** An event to publish. */
export type NewEvent = components["schemas"]["EventPublish"];
/** What came of publishing an event. */
export type Receipt = components["schemas"]["Receipt"];
/** Why something was refused (RFC 9457). */
export type Problem = components["schemas"]["Problem"];
type EventPage = components["schemas"]["List_Event"];
type Receipts = components["schemas"]["Receipts"];

export interface ClientOptions {
  /** Where Bellwire is, such as `https://hooks.example`. */
  url: string;
  /** An API key. */
  key: string;
  /** How often a request is sent at most. */
  attempts?: number;
  /** The longest pause after the first attempt, in milliseconds. It doubles with each further one. */
  firstPauseMs?: number;
  /** The longest pause of all, in milliseconds. A server that asks for more than that is not asked again. */
  pauseMaxMs?: number;
  /** How long an answer may take, in milliseconds. */
  timeoutMs?: number;
  /** How to pause for so many milliseconds; by default, with a timer. */
  sleep?: (ms: number) => Promise<unknown>;
}

/** Which part of the log. */
export interface LogOptions {
  /** The last `seq` that you have seen; 0, or none: from the beginning. */
  after?: number;
  /** Only events that were delivered, or that were not. */
  delivered?: boolean;
  /** With `delivered`: to this endpoint. */
  endpoint?: string;
  /** Only events of this type. */
  type?: string;
}

/** A request that was refused, or that was not answered. */
export class BellwireError extends Error {
  constructor(
    message: string,
    /** The status of the answer; `undefined`: there was none. */
    readonly status?: number,
    /** What the answer says, if it is a problem. */
    readonly problem?: Problem,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "BellwireError";
  }
}

/** Statuses that another attempt may change. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Events of one page of the log. */
const PAGE = 200;

export class Client {
  readonly #options: Required<ClientOptions>;

  constructor(options: ClientOptions) {
    const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const defaults = { attempts: 6, firstPauseMs: 200, pauseMaxMs: 60_000, timeoutMs: 30_000, sleep };
    this.#options = { ...defaults, ...options, url: options.url.replace(/\/+$/, "") };
  }

  /**
   * Publishes an event. It is safe to call this again with the same event: one with an id is stored once. An event without an id gets one
   * here, so that an attempt whose answer was lost does not publish it twice.
   */
  async publish(account: string, event: NewEvent): Promise<Receipt> {
    const [receipt] = await this.publishAll(account, [event]);
    if (!receipt) throw new BellwireError("the answer has no receipt");
    return receipt;
  }

  /** Publishes several events, all or none; at most 1,000. */
  async publishAll(account: string, events: readonly NewEvent[]): Promise<Receipt[]> {
    const identified = events.map((event) => ({ ...event, id: event.id ?? randomUUID() }));
    const path = `/v1/accounts/${encodeURIComponent(account)}/events`;
    return (await this.request<Receipts>("POST", path, { events: identified })).items;
  }

  /**
   * An account's events in the order of `seq`, which has no gaps, up to the end of the log. Keep the `seq` of the last event that you
   * have dealt with, and go on after it the next time.
   */
  async *events(account: string, options: LogOptions = {}): AsyncGenerator<Event, void, void> {
    const path = `/v1/accounts/${encodeURIComponent(account)}/events`;
    let after: string | undefined = String(options.after ?? 0);
    while (after !== undefined) {
      const query = new URLSearchParams({ after, limit: String(PAGE) });
      if (options.delivered !== undefined) query.set("delivered", String(options.delivered));
      if (options.endpoint !== undefined) query.set("endpoint", options.endpoint);
      if (options.type !== undefined) query.set("type", options.type);
      const page: EventPage = await this.request("GET", `${path}?${query}`);
      yield* page.items;
      after = page.next ?? undefined;
    }
  }

  /**
   * Sends a request of `/v1`, again while that may help: with pauses that grow and are drawn at random, and no shorter than the server
   * asks for. Use it for requests that may be repeated.
   */
  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const tried = await this.#attempt(method, path, body);
      if ("value" in tried) return tried.value as T;
      const pause = Math.max(this.#pause(attempt), tried.retryAfterMs ?? 0);
      if (!tried.mayPass || attempt >= this.#options.attempts || pause > this.#options.pauseMaxMs) throw tried.error;
      await this.#options.sleep(pause);
    }
  }

  async #attempt(method: string, path: string, body: unknown): Promise<{ value: unknown } | Failed> {
    const { url, key, timeoutMs } = this.#options;
    const headers: Record<string, string> = { authorization: `Bearer ${key}`, accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    try {
      const answer = await fetch(url + path, {
        method,
        headers,
        redirect: "manual", // nobody else gets the key
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (!answer.ok) return await refused(answer);
      return { value: answer.status === 204 ? undefined : await answer.json() };
    } catch (cause) {
      return { error: new BellwireError(`${method} ${path} was not answered`, undefined, undefined, { cause }), mayPass: true };
    }
  }

  #pause(attempt: number): number {
    const longest = Math.min(this.#options.pauseMaxMs, this.#options.firstPauseMs * 2 ** (attempt - 1));
    return longest / 2 + (Math.random() * longest) / 2;
  }
}

interface Failed {
  error: BellwireError;
  mayPass: boolean;
  retryAfterMs?: number;
}

async function refused(answer: Response): Promise<Failed> {
  const text = await answer.text();
  let problem: Problem | undefined;
  if (answer.headers.get("content-type")?.startsWith("application/problem+json")) problem = JSON.parse(text) as Problem;
  const message = problem ? `${problem.title}: ${problem.detail}` : `the answer has status ${answer.status}`;
  const retryAfterMs = readRetryAfter(answer.headers.get("retry-after"));
  return {
    error: new BellwireError(message, answer.status, problem),
    mayPass: PASSING.has(answer.status),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** Seconds, or a date (RFC 9110). */
function readRetryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
