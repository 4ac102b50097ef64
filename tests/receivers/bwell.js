// A b.well client: Standard Webhooks headers, checked with the `standardwebhooks` package, around a FHIR MessageHeader.
//
// The document asks clients to check a signature and does not say which; these headers are Bellwire's choice.
"use strict";

const { Webhook } = require("standardwebhooks");
const { Refused, jsonObject, secret, serve } = require("./receiver.js");

const verifier = new Webhook(secret);

serve((request, body) => {
  try {
    verifier.verify(body, request.headers, { jsonParse: false });
  } catch (error) {
    throw new Refused(401, `not genuine: ${error.message}`);
  }
  const message = jsonObject(body);
  if (message.resourceType !== "MessageHeader") throw new Refused(400, "resourceType is not MessageHeader");
  const required = {
    "eventCoding.code": message.eventCoding?.code,
    "destination[0].endpoint": message.destination?.[0]?.endpoint,
    "focus[0].reference": message.focus?.[0]?.reference,
  };
  for (const [path, value] of Object.entries(required)) {
    if (typeof value !== "string" || value === "") throw new Refused(400, `${path} is missing`);
  }
  return { type: message.eventCoding.code, id: message.id };
});
