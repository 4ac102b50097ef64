// What a document says of days, in a contract that has seconds in their place.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, api, check, launch, newPage, portalLink, receiver } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

test("Noyo: a subscription is unhealthy, then failed, and its customer resumes it", async () => {
  await account("carrier-1", "noyo-hurried");
  const hook = await receiver(503);
  const page = await newPage(browser);
  await page.goto(await portalLink("carrier-1"));
  await page.getByRole("button", { name: "New subscription" }).click();
  await page.getByLabel("Destination", { exact: true }).fill(hook.url);
  await page.getByLabel("Secret", { exact: true }).fill("0123456789abcdef0123456789abcdef");
  await page.getByLabel("API key name", { exact: true }).fill("primary");
  await page.locator("main form button").last().click();
  await page.getByRole("heading", { name: "primary" }).waitFor();

  const catalogue = await api("GET", "/v1/contracts/noyo-hurried");
  const type = catalogue.events[0].type;
  const [endpoint] = (await api("GET", "/v1/accounts/carrier-1/endpoints")).items;
  await api("POST", `/v1/accounts/carrier-1/endpoints/${endpoint.id}/test`, { type });
  await hook.request(1);
  const shows = async (word, within = page.getByRole("heading", { level: 1 })) => {
    const deadline = Date.now() + 40_000;
    while (await within.getByText(word, { exact: true }).count() === 0) {
      assert.ok(Date.now() < deadline, `the page never said ${word}`);
      await page.reload();
    }
  };
  await shows("unhealthy");
  await check(page);
  await shows("failed");
  assert.ok(hook.got.length >= 7, `it was tried all the time: ${hook.got.length}`);
  await check(page);

  hook.status = 200;
  const before = hook.got.length;
  await page.getByRole("button", { name: "Resume" }).click();
  await hook.request(before + 1);
  await shows("active");
  await shows("delivered", page.getByRole("main"));
  await check(page);
  hook.close();
});
