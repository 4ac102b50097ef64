// The documentation: it can be read and searched without a script, and the API reference asks this server and nobody else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, base, check, key, launch, newPage } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

test("pages can be read, in light and dark, on a phone", async () => {
  const page = await newPage(browser);
  for (const path of ["", "/readme", "/concepts", "/operations", "/contract/start", "/readers/noyo", "/search?q=replay", "/search?q=zzzyx", "/api"]) {
    await page.goto(`${base}/docs${path}`);
    if (path === "/api") await page.getByRole("button", { name: "Authorize" }).waitFor();
    await check(page);
  }
});

test("what is looked for is found without JavaScript, and read on from there", async () => {
  const page = await newPage(browser, { javaScriptEnabled: false });
  await page.goto(`${base}/docs`);
  await page.getByRole("searchbox").fill("rotating the master key");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "Running Bellwire: Rotating the master key" }).click();
  await page.waitForURL(/\/docs\/operations#rotating-the-master-key$/);
  await page.getByRole("navigation", { name: "Contents" }).getByRole("link", { name: "Metrics", exact: true }).click();
  await page.waitForURL(/\/docs\/metrics$/);
  await page.getByRole("link", { name: "Next Alerts" }).click();
  await page.waitForURL(/\/docs\/alerts$/);
});

test("a request is tried in the API reference with a key, and nothing is asked of anybody else", async () => {
  await account("clinic-docs", "noyo");
  const page = await newPage(browser);
  const asked = [];
  page.on("request", (request) => asked.push(request));
  await page.goto(`${base}/docs/api`);
  await page.getByRole("button", { name: "Authorize" }).first().click();
  await page.getByRole("dialog").or(page.locator(".dialog-ux")).first().locator("input").fill(key);
  await page.locator(".auth-btn-wrapper").getByRole("button", { name: /authorize|apply/i }).click();
  await page.locator(".auth-btn-wrapper").getByRole("button", { name: "Close" }).click();
  await page.locator(".opblock-tag", { hasText: "accounts" }).first().click();
  const operation = page.locator(".opblock-get").filter({ has: page.locator('[data-path="/v1/accounts"]') });
  await operation.locator(".opblock-summary-control").click();
  await operation.getByRole("button", { name: "Try it out" }).click();
  await operation.getByRole("button", { name: "Execute" }).click();
  await operation.locator(".live-responses-table").getByText("clinic-docs").first().waitFor();
  const tried = asked.find((request) => new URL(request.url()).pathname === "/v1/accounts");
  assert.equal(tried.headers().authorization, `Bearer ${key}`);

  // What a contract sends, for who may see the contract.
  await page.getByText("What a contract sends").click();
  await page.getByLabel("Contract").fill("noyo");
  await page.getByLabel("Key", { exact: true }).fill("not a key");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.locator("#refused:not(:empty)").waitFor();
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByRole("heading", { name: /^Webhooks/ }).waitFor();
  await page.locator("#api").getByText("difference.created").first().waitFor();

  assert.deepEqual(asked.map((request) => request.url()).filter((url) => !url.startsWith(base) && !url.startsWith("data:")), []);
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""]);
  assert.deepEqual(page.problems, []);
});
