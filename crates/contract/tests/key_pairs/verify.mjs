// Verifies requests with Node's own library, and compares the descriptions of a key with one another. Reads JSON, and prints what is wrong.
import crypto from "node:crypto";

const { body, headers } = JSON.parse(await new Response(process.stdin).text());
const { key } = JSON.parse(body);
const publicKey = crypto.createPublicKey(key.pem);
const spki = publicKey.export({ type: "spki", format: "der" });
const wrong = [];
const check = (name, fits) => fits || wrong.push(name);
const verify = (name, algorithm, text, signature, options = {}) =>
  check(name, crypto.verify(algorithm, Buffer.from(text), { key: publicKey, ...options }, signature));
const pss = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const raw = { dsaEncoding: "ieee-p1363" };

check("spki", spki.toString("base64") === key.spki);
check("jwk", crypto.createPublicKey({ key: key.jwk, format: "jwk" }).equals(publicKey));
check("id", crypto.createHash("sha256").update(spki).digest("hex").slice(0, 16) === key.id && key.jwk.kid === key.id);
const certificate = new crypto.X509Certificate(key.x509);
check("x509", certificate.verify(publicKey) && certificate.publicKey.equals(publicKey));
check("x509 name", certificate.subject.startsWith("CN=Keys"));

const token = (name) => {
  if (!headers[name]) return;
  const [head, claims, signature] = headers[name].split(".");
  const { alg } = JSON.parse(Buffer.from(head, "base64url"));
  const options = { ES256: raw, PS256: pss }[alg] ?? {};
  verify(`${name} (${alg})`, alg === "EdDSA" ? null : "sha256", `${head}.${claims}`, Buffer.from(signature, "base64url"), options);
};
token("x-token");
token("x-token-pss");

if (publicKey.asymmetricKeyType === "ed25519") {
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  check("raw", spki.subarray(-32).toString("base64") === key.public);
  const signatures = headers["webhook-signature"].split(" ").map((value) => value.replace(/^v1a,/, ""));
  check("ed25519", signatures.some((value) => crypto.verify(null, Buffer.from(signed), publicKey, Buffer.from(value, "base64"))));
} else if (publicKey.asymmetricKeyType === "ec") {
  check("point", spki.subarray(-65).toString("hex") === key.public);
  verify("der", "sha256", body, Buffer.from(headers["x-der"].split("signature=")[1], "base64"));
  verify("raw", "sha256", body, Buffer.from(headers["x-raw"], "base64url"), raw);
} else {
  check("pkcs1", publicKey.export({ type: "pkcs1", format: "der" }).toString("base64") === key.public);
  verify("sha256", "sha256", body, Buffer.from(headers["x-sha256"], "base64"));
  verify("sha1", "sha1", body, Buffer.from(headers["x-sha1"], "hex"));
  verify("pss", "sha256", body, Buffer.from(headers["x-pss"], "hex"), pss);
}
console.log(wrong.join(", "));
