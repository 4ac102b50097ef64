{{ self.comment(model.heading("Node.js 18 or newer").as_str()) }}
//
//     try {
//       verify(SECRET, request.headers, rawBody{% if model.takes_url %}, url{% endif %}{% if model.takes_method %}, request.method{% endif %});
//     } catch (refusal) {
//       response.writeHead(401).end(refusal.message);
//     }
//
{%- for note in model.notes() %}
{{ self.comment(note.as_str()) }}
{%- endfor %}
{%- if !self.imports().is_empty() %}
import { {{ self.imports() }} } from "node:crypto";
{%- endif %}
{%- if model.needs_now() %}

// How far the time of a request may be from yours. It bounds how long a recorded request can be sent again.
const TOLERANCE_SECONDS = {{ model.tolerance_secs }};
{%- endif %}

/** The request is not genuine; the message says why. */
export class VerificationError extends Error {}

/**
 * Throws a VerificationError unless `secret` made the request.
 *
 * `secret` is text, `headers` an object from names in any case to texts (or a `Headers`), and `body` a Buffer.
 {%- if model.needs_now() %}
 * `now` is in seconds since 1970; by default, the time of this machine.
 {%- endif %}
 */
export function verify({{ self.arguments() }}{% if model.needs_now() %}, now = Date.now() / 1000{% endif %}) {
  if (!secret) throw new TypeError("the secret is empty: anybody could sign with it");
  const lowerCase = new Map([...(headers.entries?.() ?? Object.entries(headers))].map(([name, value]) => [name.toLowerCase(), value]));
  {%- for read in model.reads %}
  const {{ self.variable(read.field) }} = {{ self.reading(read) }};
  {%- if let Some(parts) = read.parts %}
  const [{{ self.variables(parts.fields) }}] = parts({{ self.literal(parts.pattern.as_str()) }}, {{ self.variable(read.field) }}, {{ self.literal(read.source.describe().as_str()) }});
  {%- endif %}
  {%- endfor %}
  {%- if let Some(key) = model.key %}
  const key = {{ self.key(key) }};
  {%- endif %}
  {%- if !model.any_of.is_empty() %}
  if (!{{ self.are_there(model.any_of.iter()) }}) {
    throw new VerificationError("nothing in the request proves where it comes from");
  }
  {%- endif %}
  {%- for proof in model.proofs %}
  {%- if let Some((name, signed)) = proof.signed %}
  const {{ self.variable(name) }} = {{ self.bytes(signed) }};
  {%- endif %}
  {%- if proof.has_several() %}
  // While a secret is rotated there is a signature for each; one that fits is enough.
  {%- endif %}
  const {{ self.variable(proof.name) }} = {{ self.text(proof.expected) }};
  if ({% if proof.is_optional %}{{ self.are_there(proof.fields()) }} && {% endif %}{{ self.refused(proof) }}) {
    throw new VerificationError({{ self.literal(proof.refusal()) }});
  }
  {%- endfor %}
  {%- for follow in model.follows %}
  if ({% if follow.is_optional %}{{ self.variable(follow.field) }} && {% endif %}!same({{ self.text(follow.expected) }}, {{ self.variable(follow.field) }})) {
    throw new VerificationError({{ self.literal(model.refusal(follow.field.as_str()).as_str()) }});
  }
  {%- endfor %}
  {%- for time in model.times %}
  {% if time.is_optional %}if ({{ self.variable(time.field) }}) {% endif %}{{ time.form.checker() }}({{ self.variable(time.field) }}, now);
  {%- endfor %}
  {%- if let Some(token) = model.token %}
  {%- let field = self.variable(token.field) %}
  {%- if !token.before.is_empty() %}
  if (!{{ field }}.startsWith({{ self.literal(token.before.as_str()) }})) {
    throw new VerificationError("the token does not start as it should");
  }
  const token = without({{ field }}, {{ self.literal(token.before.as_str()) }});
  {%- else %}
  const token = {{ field }};
  {%- endif %}
  const end = token.lastIndexOf(".");
  const signed = token.slice(0, Math.max(end, 0));
  const [header, claims] = signed.split(".").map(jsonOf);
  // The token does not choose its algorithm: "none" would be one.
  if (header?.alg !== {{ self.literal(token.algorithm) }} || !claims) {
    throw new VerificationError("the token is not a JWT with the algorithm {{ token.algorithm }}");
  }
  if (!same({{ self.token_mac(token) }}.toString("base64url"), token.slice(end + 1))) {
    throw new VerificationError("the token's signature does not fit the secret");
  }
  if ("exp" in claims && claims.exp <= now) {
    throw new VerificationError("the token has expired");
  }
  if ("nbf" in claims && claims.nbf > now + TOLERANCE_SECONDS) {
    throw new VerificationError("the token is not valid yet");
  }
  {%- for claim in token.claims %}
  {%- let name = self.literal(claim.name.as_str()) %}
  {%- if !claim.is_optional %}
  if (!({{ name }} in claims)) {
    throw new VerificationError({{ self.literal(claim.missing().as_str()) }});
  }
  {%- endif %}
  {%- match claim.rule %}
  {%- when Rule::Present %}
  {%- when Rule::Constant(json) %}
  if ({% if claim.is_optional %}{{ name }} in claims && {% endif %}JSON.stringify(claims[{{ name }}]) !== {{ self.literal(json) }}) {
    throw new VerificationError({{ self.literal(claim.wrong().as_str()) }});
  }
  {%- when Rule::Time(form) %}
  {% if claim.is_optional %}if ({{ name }} in claims) {% endif %}{{ form.checker() }}(String(claims[{{ name }}]), now);
  {%- when Rule::Follows(value) %}
  if ({% if claim.is_optional %}{{ name }} in claims && {% endif %}!same({{ self.text(value) }}, String(claims[{{ name }}]))) {
    throw new VerificationError({{ self.literal(claim.wrong().as_str()) }});
  }
  {%- endmatch %}
  {%- endfor %}
  {%- endif %}
}
{%- if self.uses("required(") %}

function required(headers, name) {
  const value = headers.get(name);
  if (value === undefined) throw new VerificationError(`the header ${name} is missing`);
  return value;
}
{%- endif %}
{%- if self.uses("parts(") %}

function parts(pattern, text, place) {
  const found = new RegExp(`^(?:${pattern})$`, "s").exec(text);
  if (!found) throw new VerificationError(`${place} is not in its form`);
  return found.slice(1);
}
{%- endif %}
{%- if self.uses("inBody(") %}

function inBody(body, path, isRequired) {
  let value;
  try {
    value = JSON.parse(body.toString());
  } catch {
    throw new VerificationError("the body is not JSON");
  }
  for (const step of path) value = value?.[step];
  if (value !== undefined && value !== null) return typeof value === "string" ? value : JSON.stringify(value);
  if (isRequired) throw new VerificationError(`the body has no ${path.join(".")}`);
  return "";
}
{%- endif %}
{%- if self.uses("same(") %}

function same(expected, shown) {
  // In constant time: how long it takes must not tell how much of a guess is right.
  const [left, right] = [Buffer.from(expected), Buffer.from(shown)];
  return left.length === right.length && timingSafeEqual(left, right);
}
{%- endif %}
{%- for form in model.forms() %}

function {{ form.checker() }}(text, now) {
  {%- match form %}
  {%- when TimeForm::Unix %}
  const sent = /^\d+$/.test(text) ? Number(text) : NaN;
  {%- when TimeForm::UnixMs %}
  const sent = /^\d+$/.test(text) ? Number(text) / 1000 : NaN;
  {%- when _ %}
  const sent = Date.parse(text) / 1000;
  {%- endmatch %}
  if (Number.isNaN(sent)) throw new VerificationError(`${text} is not a time`);
  if (Math.abs(now - sent) > TOLERANCE_SECONDS) {
    throw new VerificationError(`the request is ${Math.round(Math.abs(now - sent))} s too ${sent < now ? "old" : "new"}`);
  }
}
{%- endfor %}
{%- if self.uses("without(") %}

function without(text, prefix) {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}
{%- endif %}
{%- if self.uses("jsonOf") %}

function jsonOf(part) {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return undefined;
  }
}
{%- endif %}
