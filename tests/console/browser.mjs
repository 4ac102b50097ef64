// What the tests of the pages share: a browser, the API, a receiver, and what must hold on every page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const base = process.env.BELLWIRE_URL;
export const key = process.env.BELLWIRE_KEY;

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Calls the API as the operator. */
export async function api(method, path, body) {
  const answer = await fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

export async function account(id, contract) {
  return api("PUT", `/v1/accounts/${id}`, { contract });
}

/** A link to an account's portal. */
export async function portalLink(id, options = {}) {
  return (await api("POST", `/v1/accounts/${id}/portal`, options)).url;
}

/** A page of a browser of its own; what goes wrong on it fails the test. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(`script: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of (4\d\d)/.test(message.text())) page.problems.push(message.text());
  });
  return page;
}

export async function signIn(page, as = key) {
  await page.goto(`${base}/console/sign-in`);
  await page.getByLabel("API key").fill(as);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** A receiver that answers as it is told and keeps what it got. */
export async function receiver(status = 200) {
  const got = [];
  const waiting = [];
  const self = { status, got };
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const seen = { headers: request.headers, path: request.url, body: Buffer.concat(parts).toString() };
      got.push(seen);
      waiting.splice(0).forEach((done) => done());
      response.writeHead(self.status, { "content-type": "application/json" });
      response.end(self.status < 300 ? "{}" : '{"error":"the clinic is closed"}');
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  self.url = `http://127.0.0.1:${server.address().port}/hook`;
  self.close = () => { server.closeAllConnections(); server.close(); };
  /** The request with this number, from 1. */
  self.request = async (number) => {
    const deadline = AbortSignal.timeout(20_000);
    while (got.length < number) {
      await new Promise((done, failed) => {
        waiting.push(done);
        deadline.addEventListener("abort", () => failed(new Error(`request ${number} never came; there were ${got.length}`)));
      });
    }
    return got[number - 1];
  };
  return self;
}

// In the page: until colours that change slowly are what they are changing to.
async function settled() {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const changing = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity);
  await Promise.allSettled(changing.map((one) => one.finished));
}

/** What must hold on every page: no violation that axe finds in light and in dark, nothing that scrolls sideways on a phone. */
export async function check(page) {
  const before = page.viewportSize();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(settled);
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const found = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
    assert.deepEqual(found, [], `${page.url()} in ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 740 });
  const [wide, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= width, `${page.url()} is ${wide} wide on a phone of ${width}`);
  await page.setViewportSize(before);
  assert.deepEqual(page.problems, [], page.url());
}
