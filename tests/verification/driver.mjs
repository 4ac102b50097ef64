// Calls generated code of Node.js: driver.mjs FOLDER CASES. See README.md.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, cases] = process.argv.slice(2);
const modules = new Map();
for (const file of readdirSync(folder).filter((file) => file.endsWith(".mjs"))) {
  modules.set(file.slice(0, -4), await import(pathToFileURL(join(folder, file))));
}
for (const line of readFileSync(cases, "utf8").split("\n").filter(Boolean)) {
  const [contract, wanted, now, ...rest] = line.split("\t");
  const [secret, body, url, method, ...pairs] = rest.map((field) => Buffer.from(field, "base64"));
  const headers = {};
  for (let index = 0; index < pairs.length; index += 2) headers[pairs[index]] = String(pairs[index + 1]);
  const given = { url: String(url), method: String(method) };
  const more = wanted.split(",").filter((name) => name !== "-").map((name) => given[name]);
  if (now !== "-") more.push(Number(now));
  const { verify, VerificationError } = modules.get(contract);
  try {
    verify(String(secret), headers, body, ...more);
    console.log("genuine");
  } catch (refusal) {
    if (!(refusal instanceof VerificationError)) throw refusal;
    console.log("refused", refusal.message);
  }
}
