// A NovaMed client on Express: the clinic's webhook secret stands in the `x-api-key` header.
"use strict";

const http = require("node:http");
const express = require("express");
const { accept, acceptedStatus, listen, refuse, secret } = require("./receiver.js");

const app = express();
const bodies = new WeakMap();
const rawBody = (request) => bodies.get(request) ?? Buffer.alloc(0);

app.use(express.json({ verify: (request, _response, raw) => bodies.set(request, raw) }));

app.post("/{*path}", (request, response) => {
  if (request.headers["x-api-key"] !== secret) {
    return reject(request, response, 401, "x-api-key is not the webhook secret");
  }
  if (request.body === undefined) return reject(request, response, 400, "the body is not declared as JSON");
  // The sender waits 5 seconds at most, so it is answered before anything is done with the event.
  response.status(acceptedStatus).json({ received: true });
  accept(request, rawBody(request), { type: request.body.event_type, id: request.body.event_id });
});

app.use((request, response) => reject(request, response, 405, "only POST is served"));

app.use((error, request, response, _next) => reject(request, response, error.status ?? 500, error.message));

function reject(request, response, status, message) {
  refuse(request, rawBody(request), { status, message });
  response.status(status).json({ error: message });
}

listen(http.createServer(app));
