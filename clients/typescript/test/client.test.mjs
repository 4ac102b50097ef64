// What the client does when things go wrong, against a server of the test's own.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { beforeEach, test } from "node:test";

import { BellwireError, Client, VerificationError, verify } from "bellwire-client";

const RECEIPT = { items: [{ id: "e1", seq: 1, deliveries: 1 }] };
const PROBLEM = { type: "t", title: "Busy", status: 503, detail: "wait", code: "busy", errors: [] };

/** How long it paused, without doing so. */
let pauses = [];
beforeEach(() => (pauses = []));
const OPTIONS = { key: "key", sleep: async (ms) => pauses.push(ms) };

/** Gives these answers, one after the other, and keeps what it was asked. */
async function serving(answers, act) {
  const asked = [];
  const left = [...answers];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
    asked.push({ method: request.method, path: request.url, head: request.headers, body });
    const [status, headers, answer] = left.shift();
    if (status === null) return request.socket.destroy();
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await act(`http://127.0.0.1:${server.address().port}/`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const problem = (status, headers = {}) => [
  status,
  { "content-type": "application/problem+json", ...headers },
  { ...PROBLEM, status },
];

test("it tries again with the same id", () =>
  serving([problem(503), [null], problem(500), [201, {}, RECEIPT]], async (url, asked) => {
    const receipt = await new Client({ url, ...OPTIONS }).publish("clinic 1", { type: "a", data: { é: 1 } });
    assert.deepEqual(receipt, RECEIPT.items[0]);
    assert.equal(asked.length, 4);
    assert.ok(asked[0].body.events[0].id);
    for (const each of asked) assert.deepEqual(each.body, asked[0].body);
    assert.deepEqual([asked[0].method, asked[0].path], ["POST", "/v1/accounts/clinic%201/events"]);
    assert.equal(asked[0].head.authorization, "Bearer key");
    pauses.forEach((pause, number) => assert.ok(100 * 2 ** number <= pause && pause <= 200 * 2 ** number, String(pauses)));
  }));

test("it waits as long as it is asked to", () => {
  const soon = new Date(Date.now() + 30_000).toUTCString();
  const answers = [problem(429, { "retry-after": "7" }), problem(503, { "retry-after": soon }), [200, {}, RECEIPT]];
  return serving(answers, async (url, asked) => {
    await new Client({ url, ...OPTIONS }).publish("a", { type: "a", data: 1, id: "mine" });
    assert.equal(pauses[0], 7_000);
    assert.ok(25_000 < pauses[1] && pauses[1] <= 30_000, String(pauses));
    assert.deepEqual(asked[0].body.events, [{ type: "a", data: 1, id: "mine" }]);
  });
});

test("it gives up", async () => {
  const tomorrow = new Date(Date.now() + 86_400_000).toUTCString();
  for (const [answers, status, times] of [
    [[problem(409)], 409, 1],
    [[problem(503, { "retry-after": "3600" })], 503, 1],
    [[problem(503, { "retry-after": tomorrow })], 503, 1],
    [Array(3).fill(problem(503)), 503, 3],
    [Array(3).fill([null]), undefined, 3],
    [[[302, { location: "http://127.0.0.1:9/" }, null]], 302, 1],
  ]) {
    await serving(answers, async (url, asked) => {
      const failing = new Client({ url, attempts: 3, ...OPTIONS }).publish("a", { type: "a", data: 1 });
      const error = await failing.then(() => assert.fail("it was published"), (error) => error);
      assert.ok(error instanceof BellwireError);
      assert.deepEqual([error.status, asked.length], [status, times]);
      if (status === 409 || status === 503) assert.equal(error.problem.code, "busy");
    });
  }
});

test("it goes on page by page even where one is empty", () => {
  const pages = [
    { items: [{ seq: 8 }], next: "8" },
    { items: [], next: "500" },
    { items: [{ seq: 501 }, { seq: 502 }], next: null },
  ];
  return serving(pages.map((page) => [200, {}, page]), async (url, asked) => {
    const found = [];
    for await (const event of new Client({ url, ...OPTIONS }).events("a", { after: 7, delivered: false })) found.push(event.seq);
    assert.deepEqual(found, [8, 501, 502]);
    const path = (after) => `/v1/accounts/a/events?after=${after}&limit=200&delivered=false`;
    assert.deepEqual(asked.map((each) => each.path), [7, 8, 500].map(path));
  });
});

const KEYS = [1, 2, 3].map((number) => Buffer.alloc(24, number));
const SECRETS = KEYS.map((key) => `whsec_${key.toString("base64")}`);
const BODY = Buffer.from('{"type":"a.b","timestamp":"2025-01-15T10:30:00Z","data":{"é":1.10}}');
const NOW = { nowMs: 1_000_000 };

function head(...keys) {
  const signature = (key) => `v1,${createHmac("sha256", key).update("msg_1.1000.").update(BODY).digest("base64")}`;
  return { "webhook-id": "msg_1", "webhook-timestamp": "1000", "webhook-signature": keys.map(signature).join(" ") };
}

test("what is genuine is read", () => {
  const verified = verify(head(KEYS[0]), BODY, SECRETS[0], { nowMs: 1_299_000 });
  assert.deepEqual(verified, { id: "msg_1", type: "a.b", timestamp: "2025-01-15T10:30:00Z", data: { é: 1.1 } });
  const both = head(KEYS[0], KEYS[1]);
  for (const secrets of [SECRETS[0], SECRETS[1], SECRETS.slice(1), SECRETS]) verify(both, BODY, secrets, NOW);
  verify(new Headers(both), BODY.toString(), SECRETS, NOW);
});

test("what is not genuine is refused", () => {
  const good = head(KEYS[0]);
  for (const [changed, body, secrets, options] of [
    [good, Buffer.concat([BODY, Buffer.from(" ")]), SECRETS, NOW],
    [good, BODY, SECRETS.slice(1), NOW],
    [good, BODY, SECRETS, { nowMs: 1_301_000 }],
    [good, BODY, SECRETS, { nowMs: 699_000 }],
    [{ ...good, "webhook-id": "msg_2" }, BODY, SECRETS, NOW],
    [{ ...good, "webhook-timestamp": "1001" }, BODY, SECRETS, NOW],
    [{ ...good, "webhook-timestamp": "soon" }, BODY, SECRETS, NOW],
    [{ ...good, "webhook-signature": "v1,é v2,x v1," }, BODY, SECRETS, NOW],
    [{ ...good, "webhook-signature": undefined }, BODY, SECRETS, NOW],
  ]) {
    assert.throws(() => verify(changed, body, secrets, options), VerificationError);
  }
  for (const secrets of [[], "", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, not at all"]) {
    assert.throws(() => verify(good, BODY, secrets, NOW), TypeError);
  }
});
