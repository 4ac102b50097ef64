// What an endpoint chooses of its contract's options, and its handshake.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, base, check, launch, newPage, receiver, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

/** Reads the page again until it shows that: what an answer comes to is written down after the answer. */
async function shown(page, wanted) {
  for (let left = 100; !(await wanted.isVisible()); left -= 1) {
    assert.ok(left > 0, `${page.url()} never shows it`);
    await page.reload();
  }
}

test("an endpoint is added with what it chooses, and asked again until it answers the handshake", async () => {
  const hook = await receiver(503);
  await account("chooser", "choosing");
  const page = await newPage(browser);
  await signIn(page);
  await page.goto(`${base}/console/accounts/chooser/webhooks/new`);
  await page.getByLabel("URL").fill(hook.url);
  await page.getByLabel("Format").selectOption("form");
  await page.getByLabel("Statuses").fill('["lost"]');
  await check(page);
  await page.getByRole("button", { name: "Create" }).click();
  assert.equal(await page.getByLabel("Statuses").getAttribute("aria-invalid"), "true");
  assert.equal(await page.getByLabel("Format").evaluate((field) => field.selectedOptions[0].text), "form", "what was right is kept");
  await check(page);
  await page.getByLabel("Statuses").fill('["open"]');
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("it is shown this once").waitFor();
  await page.getByRole("link", { name: "Done" }).click();

  await page.getByText("unverified").first().waitFor();
  await hook.request(1);
  await shown(page, page.getByText(/The handshake has failed/));
  await page.getByText('["open"]').waitFor();
  await check(page);
  hook.status = 200;
  await page.getByRole("button", { name: "Try again" }).click();
  await hook.request(2);
  await shown(page, page.getByText("active", { exact: true }).first());

  await page.getByRole("link", { name: "Edit" }).click();
  await page.getByLabel("Format").selectOption("");
  await page.getByLabel("Retries").fill("3");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("json", { exact: true }).waitFor();
  await check(page);
  hook.close();
});
