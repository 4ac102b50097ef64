// A Noyo client on Node's own `http` and `crypto`: an HMAC-SHA256, as lower-case hex, over timestamp, dot and raw body.
"use strict";

const crypto = require("node:crypto");
const { Refused, jsonObject, secret, serve } = require("./receiver.js");

const ageMaxMs = 5 * 60 * 1000;

serve((request, body) => {
  const timestamp = request.headers["x-noyo-timestamp"] ?? "";
  const age = Math.abs(Date.now() - Date.parse(timestamp));
  if (Number.isNaN(age)) throw new Refused(401, "x-noyo-timestamp is not a time");
  if (age > ageMaxMs) throw new Refused(401, "x-noyo-timestamp is more than 5 minutes away");

  const expected = crypto.createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
  // While a secret is being rotated the header lists a signature of each.
  const offered = (request.headers["x-noyo-signature"] ?? "").split(",").map((text) => text.trim());
  if (!offered.some((signature) => sameText(signature, expected))) {
    throw new Refused(401, "no signature in x-noyo-signature matches");
  }
  return jsonObject(body).event ?? {};
});

function sameText(left, right) {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}
