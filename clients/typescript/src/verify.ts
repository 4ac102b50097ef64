/** Verification of what Bellwire sends under the contract `standard-webhooks`, as the Standard Webhooks specification says. */

import { createHmac, timingSafeEqual } from "node:crypto";

/** A request that is genuine. */
export interface Verified<T = unknown> {
  /** The event's id: the same on every attempt. Keep it to recognise an event that comes again. */
  id: string;
  /** The event's type. */
  type: string;
  /** When it happened. */
  timestamp: string;
  /** What was published. */
  data: T;
}

export interface VerifyOptions {
  /** How old a request may be, or how far ahead, in seconds. */
  toleranceS?: number;
  /** The time now, in milliseconds since 1970. */
  nowMs?: number;
}

/** A request that is not genuine, or not of now. Answer it with 401, and do nothing. */
export class VerificationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "VerificationError";
  }
}

type Head = Headers | Record<string, string | string[] | undefined>;

/**
 * Verifies a request. `body` is what came in, byte for byte: JSON that was read and written again is not the same. Give every secret that
 * is active while one takes the place of another.
 */
export function verify<T = unknown>(
  head: Head,
  body: string | Uint8Array,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Verified<T> {
  const id = header(head, "webhook-id");
  const timestamp = header(head, "webhook-timestamp");
  const given = header(head, "webhook-signature");
  if (!/^\d{1,12}$/.test(timestamp)) throw new VerificationError("webhook-timestamp is no time");
  const age = (options.nowMs ?? Date.now()) / 1_000 - Number(timestamp);
  if (Math.abs(age) > (options.toleranceS ?? 300)) throw new VerificationError("the request is too old, or from the future");
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), Buffer.from(body as Uint8Array)]);
  const keys = (typeof secrets === "string" ? [secrets] : secrets).map(readSecret);
  if (keys.length === 0) throw new TypeError("give at least one secret");
  const signatures = given.split(" ").filter((each) => each.startsWith("v1,"));
  let isGenuine = false;
  for (const key of keys) {
    const expected = createHmac("sha256", key).update(signed).digest();
    for (const each of signatures) {
      const bytes = Buffer.from(each.slice(3), "base64");
      // Every pair is looked at, so that how long it takes tells nothing.
      if (bytes.length === expected.length && timingSafeEqual(bytes, expected)) isGenuine = true;
    }
  }
  if (!isGenuine) throw new VerificationError("no signature is of one of the secrets");
  const content = JSON.parse(Buffer.from(body as Uint8Array).toString("utf8")) as Omit<Verified<T>, "id">;
  return { id, type: content.type, timestamp: content.timestamp, data: content.data };
}

function header(head: Head, name: string): string {
  const entry = Object.entries(head).find(([key]) => key.toLowerCase() === name)?.[1];
  const value = head instanceof Headers ? head.get(name) : entry;
  if (typeof value !== "string" || value === "") throw new VerificationError(`${name} is missing`);
  return value;
}

function readSecret(secret: string): Buffer {
  const encoded = secret.replace(/^whsec_/, "");
  const key = Buffer.from(encoded, "base64");
  if (key.length < 24 || key.toString("base64").replace(/=+$/, "") !== encoded.replace(/=+$/, "")) {
    throw new TypeError("a secret is whsec_ and at least 24 bytes in base64");
  }
  return key;
}
