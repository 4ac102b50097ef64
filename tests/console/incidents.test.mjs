// What fails now, who knows of it, and how deliveries go.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, api, base, check, launch, newPage, portalLink, receiver, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

/** An account with an endpoint there, which has got an event. Its contract ends a delivery that is answered 410. */
async function started(id, hook) {
  await account(id, "patient");
  const endpoint = await api("POST", `/v1/accounts/${id}/endpoints`, { url: hook.url, name: "Intake" });
  await api("POST", `/v1/accounts/${id}/events`, { type: "order.paid", data: { id: "or_1" } });
  await hook.request(1);
  return endpoint;
}

test("an incident is found on the overview, acknowledged, and resolved by the endpoint's next success", async () => {
  const hook = await receiver(503);
  await started("clinic-1", hook);
  const page = await newPage(browser);
  await signIn(page);
  await page.goto(`${base}/console`);
  const trouble = page.locator("section", { has: page.getByRole("heading", { name: "What fails now" }) });
  await trouble.getByText("503").waitFor();
  await check(page);
  await page.getByRole("link", { name: "Incidents", exact: true }).click();
  await page.getByText("It is on the receiver's side").waitFor();
  await check(page);
  await page.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByRole("status").getByText("Acknowledged").waitFor();
  await page.getByText(/acknowledged by key_/).waitFor();
  await check(page);
  await page.goto(`${base}/console`);
  assert.equal(await page.getByRole("heading", { name: "What fails now" }).count(), 0, "somebody knows");
  hook.status = 200;
  await page.goto(`${base}/console/incidents?state=acknowledged`);
  await page.getByRole("link", { name: "Latest delivery" }).click();
  await page.getByRole("button", { name: "Retry now" }).click();
  await hook.request(2);
  await page.getByText("delivered").first().waitFor();
  await page.goto(`${base}/console/incidents?state=resolved`);
  await page.getByText("resolved by the next success").waitFor();
  await check(page);
  hook.close();
});

test("somebody says that an incident is over, and what failed is sent again", async () => {
  const hook = await receiver(410);
  const endpoint = await started("clinic-2", hook);
  const page = await newPage(browser);
  await page.goto(await portalLink("clinic-2"));
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await page.getByRole("link", { name: "Incidents", exact: true }).click();
  await page.getByText("410").waitFor();
  assert.equal(await page.getByText("clinic-1").count(), 0, "another account's are not shown");
  hook.status = 200;
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByText(/resolved by clinic-2/).waitFor();
  await check(page);
  await api("POST", `/v1/accounts/clinic-2/endpoints/${endpoint.id}/enable`);
  await page.getByRole("button", { name: "Replay the affected" }).click();
  await hook.request(2);
  hook.close();
});

test("the overview draws how deliveries go, and a time that is dragged over is shown alone", async () => {
  const hook = await receiver(200);
  await started("clinic-3", hook);
  const page = await newPage(browser);
  await signIn(page);
  await page.goto(`${base}/console?range=1h`);
  await page.getByRole("navigation", { name: "Time" }).locator("[aria-current]", { hasText: "1h" }).waitFor();
  await page.getByText("of attempts succeeded").waitFor();
  await page.getByText("In numbers").click();
  const row = page.getByRole("region", { name: "In numbers" }).getByRole("row").nth(1);
  assert.match(await row.innerText(), /UTC\s+\d/);
  await check(page);
  const chart = page.locator("svg.chart").first();
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40, { steps: 5 });
  await page.mouse.move(box.x + box.width * 0.98, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/since=.*until=/);
  const asked = new URL(page.url()).searchParams;
  const minutes = (Date.parse(asked.get("until")) - Date.parse(asked.get("since"))) / 60_000;
  assert.ok(minutes > 25 && minutes < 33, `${minutes} minutes of an hour`);
  await page.getByRole("link", { name: "Back to 24 hours" }).click();
  await page.waitForURL(`${base}/console`);
  await page.goto(`${base}/console/accounts/clinic-3`);
  await page.getByText("100%").waitFor();
  await check(page);
  hook.close();
});
