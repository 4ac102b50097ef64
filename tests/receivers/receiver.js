// What the Node receivers share: arguments, the lines on standard output, the life of the process.
//
// `serve(judge)` is a whole receiver on Node's own HTTP server: `judge(request, body)` answers with the event it found,
// or throws `Refused`. A receiver on a framework calls `accept`, `refuse` and `listen` itself. Every request leaves
// one line of JSON on standard output.
"use strict";

const http = require("node:http");
const { parseArgs } = require("node:util");

const { values } = parseArgs({
  options: {
    secret: { type: "string" }, // the webhook secret agreed with the sender
    port: { type: "string", default: "0" }, // on 127.0.0.1; 0 takes a free one
    status: { type: "string", default: "200" }, // the answer to a verified request
  },
});
if (values.secret === undefined) {
  console.error("--secret is required");
  process.exit(2);
}

const secret = values.secret;
const acceptedStatus = Number(values.status);
const seen = new Set();

class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

function accept(request, body, { type = null, id = null }) {
  const duplicate = id !== null && seen.has(id);
  seen.add(id);
  report(request, body, { verified: true, reason: null, duplicate, type, id, status: acceptedStatus });
}

function refuse(request, body, { status, message }) {
  report(request, body, { verified: false, reason: message, duplicate: false, type: null, id: null, status });
}

function report(request, body, { verified, reason, duplicate, type, id, status }) {
  const line = {
    verified,
    reason,
    duplicate,
    event_type: type,
    event_id: id,
    status,
    headers: request.headers,
    body_base64: body.toString("base64"),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Serves until standard input ends, so that no receiver outlives the process that started it. */
function listen(server) {
  process.stdin.resume();
  process.stdin.on("close", () => process.exit(0));
  server.listen(Number(values.port), "127.0.0.1", () => process.stdout.write(`listening ${server.address().port}\n`));
}

function serve(judge) {
  const server = http.createServer(async (request, response) => {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (request.method !== "POST") throw new Refused(405, "only POST is served");
      const event = judge(request, body);
      accept(request, body, event);
      response.writeHead(acceptedStatus).end();
    } catch (error) {
      const status = error instanceof Refused ? error.status : 500;
      refuse(request, Buffer.concat(chunks), { status, message: error.message });
      response.writeHead(status).end();
    }
  });
  listen(server);
}

/** The body as a JSON object; anything else is refused with 400. */
function jsonObject(body) {
  let value = null;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    // Falls through to the refusal, with every other body that is no object.
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Refused(400, "the body is not a JSON object");
  }
  return value;
}

module.exports = { Refused, accept, acceptedStatus, jsonObject, listen, refuse, secret, serve };
