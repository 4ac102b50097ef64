// Each platform's document tells its reader what to click. Here somebody clicks it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, api, base, check, launch, newPage, portalLink, receiver, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

async function portal(id, options) {
  const page = await newPage(browser);
  await page.goto(await portalLink(id, options));
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

test("Develop Health: add a webhook in the Admin Panel, switch it on, and an event arrives", async () => {
  await account("pharmacy-1", "develop-health");
  const hook = await receiver();
  const page = await portal("pharmacy-1");
  await page.getByRole("link", { name: "Admin Panel" }).waitFor();
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  await check(page);
  await page.getByRole("button", { name: "Add Webhook" }).click();
  await check(page);
  await page.getByLabel("Name", { exact: true }).fill("Our pharmacy");
  await page.getByLabel("URL", { exact: true }).fill(hook.url);
  await page.getByLabel("Secret Key", { exact: true }).fill("a secret that nobody guesses");
  await page.getByRole("checkbox", { name: "Benefit Verification Updated" }).check();
  await page.locator("main form button").last().click();
  await page.getByRole("heading", { name: "Our pharmacy" }).waitFor();
  await page.getByRole("link", { name: "Webhooks" }).first().click();
  await page.getByRole("link", { name: "Our pharmacy" }).waitFor();
  const active = page.getByRole("switch", { name: "Active" });
  assert.equal(await active.getAttribute("aria-checked"), "false", "a new webhook is off");
  await active.click();
  await page.getByRole("status").waitFor();
  assert.equal(await active.getAttribute("aria-checked"), "true");
  const data = { id: "bv_1", object: "benefit_verification", status: "completed" };
  await api("POST", "/v1/accounts/pharmacy-1/events", { type: "benefit_verification.status_change", data });
  const request = await hook.request(1);
  assert.equal(JSON.parse(request.body).data.id, "bv_1");
  assert.ok(request.headers["x-webhook-secret"]);
  await page.getByRole("link", { name: "Our pharmacy" }).click();
  await page.getByText("delivered").first().waitFor();
  await check(page);
  await page.getByRole("link", { name: /^dlv_/ }).first().click();
  await page.getByRole("button", { name: "Show payload" }).click();
  await page.getByRole("heading", { name: "What was signed" }).waitFor();
  await page.getByText("body_sha256").first().waitFor();
  const shown = await page.locator("pre.exact").first().textContent();
  assert.ok(shown.endsWith(request.body), `the request is shown as it was sent: ${shown}`);
  await check(page);
  hook.close();
});

test("Noyo: a new subscription in the Command Center gets a test event", async () => {
  await account("carrier-1", "noyo");
  const hook = await receiver();
  const page = await portal("carrier-1");
  await page.getByRole("link", { name: "Command Center" }).waitFor();
  await page.getByRole("button", { name: "New subscription" }).click();
  await page.getByLabel("Destination", { exact: true }).fill(hook.url);
  await page.getByLabel("Secret", { exact: true }).fill("0123456789abcdef0123456789abcdef");
  await page.getByLabel("API key name", { exact: true }).fill("primary");
  await page.locator("main form button").last().click();
  await page.getByRole("heading", { name: "primary" }).waitFor();
  await page.getByRole("button", { name: "Send test event" }).click();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("delivered").first().waitFor();
  assert.match((await hook.request(1)).body, /Hello world!/);
  await check(page);
  hook.close();
});

test("Silver: the representative adds two URLs, and the customer sees whom to ask", async () => {
  await account("admin-1", "silver");
  const page = await newPage(browser);
  await signIn(page);
  await page.goto(`${base}/console/accounts/admin-1`);
  for (const number of [1, 2]) {
    await page.getByRole("button", { name: "Add webhook" }).click();
    await page.getByLabel("URL", { exact: true }).fill(`http://127.0.0.1:9/hook-${number}`);
    for (const box of await page.getByRole("checkbox").all()) await box.check();
    await page.locator("main form button").last().click();
    await page.goto(`${base}/console/accounts/admin-1`);
    await page.getByRole("link", { name: `http://127.0.0.1:9/hook-${number}` }).waitFor();
  }
  const customer = await portal("admin-1");
  await customer.getByText("Ask your Silver representative").waitFor();
  assert.equal(await customer.getByRole("button", { name: "Add webhook" }).count(), 0);
  await check(customer);
});

test("b.well: URLs are named in the account settings", async () => {
  await account("patient-app", "b.well");
  const hook = await receiver();
  const page = await portal("patient-app");
  await page.getByRole("link", { name: "Account settings" }).waitFor();
  await page.getByRole("button", { name: "Add webhook" }).click();
  await page.getByLabel("URL", { exact: true }).fill(hook.url);
  for (const box of await page.getByRole("checkbox").all()) await box.check();
  await page.locator("main form button").last().click();
  await page.getByLabel("Secret").waitFor();
  await check(page);
  await page.getByRole("link", { name: "Done" }).click();
  await page.getByRole("heading", { name: hook.url }).waitFor();
  hook.close();
});

test("NovaMed: an endpoint made by its API is on the page, and one made on the page is in the API", async () => {
  await account("lab-1", "novamed");
  const page = await portal("lab-1");
  await page.getByRole("button", { name: "Add webhook" }).click();
  await page.getByLabel("URL", { exact: true }).fill("http://127.0.0.1:9/lab");
  const lines = page.getByLabel("Events", { exact: true });
  for (const box of await page.getByRole("checkbox").all()) await box.check();
  if (await lines.count() > 0 && await lines.first().evaluate((field) => field.tagName) === "TEXTAREA") await lines.first().fill("");
  await page.locator("main form button").last().click();
  const listed = await api("GET", "/v1/accounts/lab-1/endpoints");
  assert.deepEqual(listed.items.map((item) => item.url), ["http://127.0.0.1:9/lab"]);
});
