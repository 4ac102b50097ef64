// The operator finds out what is wrong and mends it; links, keys and accounts keep to themselves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { account, api, base, check, key, launch, newPage, portalLink, receiver, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser.close(); });

async function endpoint(id, url) {
  const events = ["benefit_verification.status_change"];
  return api("POST", `/v1/accounts/${id}/endpoints`, { url, events, enabled: true, secret: "a secret that nobody guesses" });
}

function publish(id, subjects = []) {
  const data = { id: "bv_2", object: "benefit_verification", status: "completed" };
  return api("POST", `/v1/accounts/${id}/events`, { type: "benefit_verification.status_change", data, subjects });
}

test("a delivery that fails is found, explained, and retried until it arrives", async () => {
  await account("clinic-1", "patient");
  const hook = await receiver(503);
  await api("POST", "/v1/accounts/clinic-1/endpoints", { url: hook.url });
  await publish("clinic-1");
  await hook.request(1);
  const page = await newPage(browser);
  await signIn(page);
  await page.getByRole("link", { name: "Deliveries" }).first().click();
  await page.getByText("retrying").first().waitFor();
  await check(page);
  await page.getByLabel("State").selectOption("pending");
  await page.getByLabel("Status").fill("503");
  await page.getByLabel("Since").fill("1h");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/state=pending/);
  await page.getByText("retrying").first().waitFor();
  await check(page);
  await page.getByLabel("Status").fill("200");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("Nothing fits these filters.").waitFor();
  await page.getByRole("link", { name: "Remove filter Status" }).click();
  await page.getByText("retrying").first().waitFor();
  await page.getByRole("link", { name: /^dlv_/ }).first().click();
  await page.getByText("on the receiver's side").waitFor();
  await page.getByRole("list", { name: "Where the time of attempt 1 went" }).getByText("their answer").waitFor();
  await page.getByText("Response").click();
  await page.getByText("the clinic is closed").waitFor();
  assert.equal(await page.getByText("bv_2").count(), 0, "a payload is shown to who asks for it");
  await check(page);
  hook.status = 200;
  await page.getByRole("button", { name: "Retry now" }).click();
  await hook.request(2);
  await page.getByText("delivered").first().waitFor();
  await page.getByRole("button", { name: "Show payload" }).click();
  await page.getByText("bv_2").first().waitFor();
  await page.getByRole("heading", { name: "The request of the last attempt" }).waitFor();
  await check(page);
  hook.close();
});

test("every page of the operator can be read, in light and dark, on a phone, and without JavaScript", async () => {
  await account("clinic-2", "develop-health");
  const made = await endpoint("clinic-2", "http://127.0.0.1:9/closed");
  await publish("clinic-2");
  const page = await newPage(browser);
  await signIn(page);
  const paths = ["", "/accounts", "/accounts/new", "/accounts/clinic-2", "/accounts/clinic-2/webhooks/new",
    `/accounts/clinic-2/webhooks/${made.id}`, `/accounts/clinic-2/webhooks/${made.id}/edit`, "/accounts/clinic-2/events",
    "/deliveries", "/contracts", "/contracts/noyo", "/keys", "/audit", "/disclosures", "/system"];
  for (const path of paths) {
    await page.goto(`${base}/console${path}`);
    await check(page);
  }
  const plain = await newPage(browser, { javaScriptEnabled: false });
  await signIn(plain);
  for (const path of paths) {
    await plain.goto(`${base}/console${path}`);
    assert.ok((await plain.getByRole("heading", { level: 1 }).textContent()).trim(), path);
  }
});

test("a contract's verification code is there in every language without JavaScript, and can be copied", async () => {
  const plain = await newPage(browser, { javaScriptEnabled: false });
  await signIn(plain);
  await plain.goto(`${base}/console/contracts/noyo`);
  const languages = plain.getByRole("navigation", { name: "Language" });
  for (const [name, line] of [["Go", "func Verify("], ["PHP", "final class WebhookVerifier"], ["Python", "def verify("]]) {
    await languages.getByRole("link", { name, exact: true }).click();
    await plain.getByText(line).waitFor();
    assert.equal(await languages.locator("[aria-current]").textContent(), name);
  }
  const page = await newPage(browser);
  await signIn(page);
  await page.goto(`${base}/console/contracts/noyo?language=ruby`);
  await page.getByRole("button", { name: "Copy code" }).waitFor();
  await check(page);
});

test("an account, an endpoint and a test event by keyboard alone", async () => {
  const hook = await receiver();
  const page = await newPage(browser);
  await signIn(page);
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.getByRole("heading", { name: "Accounts" }).waitFor();
  const reach = async (role, name) => {
    const wanted = page.getByRole(role, { name }).first();
    await wanted.waitFor();
    for (let step = 0; step < 60; step += 1) {
      if (await wanted.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`${role} ${name} cannot be reached by Tab`);
  };
  await reach("button", "Add account");
  await page.keyboard.press("Enter");
  await reach("textbox", "Id");
  await page.keyboard.type("clinic-3");
  await reach("combobox", "Contract");
  await page.keyboard.type("Noyo");
  await reach("button", "Add account");
  await page.keyboard.press("Enter");
  await reach("button", "New subscription");
  await page.keyboard.press("Enter");
  await reach("textbox", "Destination");
  await page.keyboard.type(hook.url);
  await reach("textbox", "Secret");
  await page.keyboard.type("0123456789abcdef0123456789abcdef");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: hook.url }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  hook.close();
});

test("a link to the portal works once, and shows its own account alone", async () => {
  await account("clinic-4", "develop-health");
  await account("clinic-5", "develop-health");
  const link = await portalLink("clinic-4");
  const page = await newPage(browser);
  await page.goto(link);
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  for (const path of ["/accounts/clinic-5", "/accounts/clinic-5/events", "/accounts", "/keys", "/system"]) {
    const answer = await page.goto(`${base}/console${path}`);
    assert.ok([403, 404].includes(answer.status()), `${path}: ${answer.status()}`);
  }
  const again = await newPage(browser);
  await again.goto(link);
  await again.getByText("This link has been used").waitFor();
  await api("DELETE", "/v1/accounts/clinic-4/portal");
  await page.goto(`${base}/console/accounts/clinic-4`);
  await page.getByLabel("API key").waitFor();
});

test("a link that has expired opens nothing", async () => {
  await account("clinic-6", "develop-health");
  const link = await portalLink("clinic-6", { expires_in: "1ms" });
  const page = await newPage(browser);
  await page.goto(link);
  await page.getByText("This link has been used").waitFor();
});

test("a link that only reads shows no button that changes anything, and changes nothing", async () => {
  await account("clinic-7", "develop-health");
  const made = await endpoint("clinic-7", "http://127.0.0.1:9/closed");
  const page = await newPage(browser);
  await page.goto(await portalLink("clinic-7", { read_only: true, path: `/webhooks/${made.id}` }));
  await page.getByText("read only").waitFor();
  assert.equal(await page.getByRole("switch").count(), 0);
  assert.equal(await page.getByRole("button", { name: "Rotate secret" }).count(), 0);
  const status = await page.evaluate(async (path) => (await fetch(path, { method: "POST", body: new URLSearchParams({ active: "false" }) })).status,
    `/console/accounts/clinic-7/webhooks/${made.id}/active`);
  assert.equal(status, 403);
  assert.equal((await api("GET", `/v1/accounts/clinic-7/endpoints/${made.id}`)).enabled, true);
});

test("a cookie is worth nothing after signing out, and a wrong key is refused", async () => {
  const page = await newPage(browser);
  await signIn(page);
  const cookies = await page.context().cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === "Lax"));
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  await page.context().addCookies(cookies);
  await page.goto(`${base}/console/accounts`);
  await page.getByLabel("API key").fill(`${key}x`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This key is unknown, revoked or expired.").waitFor();
  await check(page);
});

test("many deliveries are retried together, with a count, a reason and progress", async () => {
  await account("clinic-9", "patient");
  const hook = await receiver(503);
  const made = await api("POST", "/v1/accounts/clinic-9/endpoints", { url: hook.url });
  for (let number = 0; number < 3; number += 1) await publish("clinic-9");
  await hook.request(3);
  const page = await newPage(browser);
  await signIn(page);
  await page.goto(`${base}/console/deliveries?account=clinic-9&state=pending`);
  await page.getByText("retrying").first().waitFor();
  await page.getByRole("link", { name: "Retry these…" }).click();
  await page.getByText("3 deliveries are sent again").waitFor();
  await check(page);
  await page.getByLabel("Reason").fill("the clinic is open again");
  hook.status = 200;
  await page.getByRole("button", { name: "Retry 3 deliveries" }).click();
  await hook.request(6);
  await page.getByText("3 sent again, 0 skipped").waitFor();
  await page.getByText("done", { exact: true }).waitFor();
  await check(page);
  await page.getByRole("link", { name: "Replays", exact: true }).click();
  await page.getByRole("link", { name: "the clinic is open again" }).waitFor();
  await check(page);
  await page.goto(`${base}/console/accounts/clinic-9/webhooks/${made.id}`);
  await page.getByRole("button", { name: "Replay", exact: true }).click();
  await page.getByRole("checkbox", { name: "arrived" }).check();
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("3 events are sent").waitFor();
  await check(page);
  await page.getByRole("button", { name: "Start replay" }).click();
  await hook.request(9);
  await page.getByRole("button", { name: "Rotate secret" }).click();
  await page.getByRole("button", { name: "Rotate", exact: true }).click();
  await page.goto(`${base}/console/accounts/clinic-9/webhooks/${made.id}`);
  await page.getByText("its overlap ends in 23 h").waitFor();
  await check(page);
  hook.close();
});

test("an auditor sees who was shown a payload, keeps a checkpoint, and is shown no payload", async () => {
  await account("clinic-10", "develop-health");
  await endpoint("clinic-10", "http://127.0.0.1:9/closed?token=hidden");
  await publish("clinic-10");
  const operator = await newPage(browser);
  await signIn(operator);
  await operator.goto(`${base}/console/accounts/clinic-10/events`);
  await operator.getByRole("link", { name: /^evt?_|^[0-9a-f-]{36}$/ }).first().click();
  await operator.getByRole("button", { name: "Show payload" }).click();
  await operator.getByText("bv_2").first().waitFor();
  const event = operator.url().split("/").pop();

  const made = await api("POST", "/v1/keys", { role: "auditor", name: "Audit" });
  const auditor = await newPage(browser);
  await signIn(auditor, made.key);
  await auditor.getByRole("link", { name: "Audit", exact: true }).click();
  await auditor.getByLabel("What").selectOption("payloads.read");
  await auditor.getByLabel("Account").fill("clinic-10");
  await auditor.getByRole("button", { name: "Show" }).click();
  await auditor.getByText(`ids: ${event}`).first().waitFor();
  await auditor.getByText("console, 127.0.0.1").first().waitFor();
  await check(auditor);
  const saving = auditor.waitForEvent("download");
  await auditor.getByRole("link", { name: "Take a checkpoint" }).click();
  assert.match((await saving).suggestedFilename(), /^checkpoint-\d+\.txt$/);
  assert.equal(await auditor.getByRole("link", { name: "Keys", exact: true }).count(), 0);
  await auditor.goto(`${base}/console/accounts/clinic-10/events/${event}`);
  await auditor.getByText("This role is not shown payloads.").waitFor();
  await auditor.goto(`${base}/console/accounts/clinic-10`);
  assert.equal(await auditor.getByText("hidden").count(), 0);
  assert.equal(await auditor.getByRole("button", { name: /^(Add|Test|Rotate|Delete|Resume)/ }).count(), 0);
  await check(auditor);
});

test("an operator sees who was told about somebody, places a hold, lifts it, and erases", async () => {
  const hook = await receiver();
  await account("clinic-11", "develop-health");
  await endpoint("clinic-11", hook.url);
  await publish("clinic-11", ["patient:123"]);
  const page = await newPage(browser);
  await signIn(page);
  await page.getByRole("link", { name: "Disclosures", exact: true }).click();
  await page.getByLabel("Account").fill("clinic-11");
  await page.getByLabel("Subject").fill("patient:123");
  const told = page.getByRole("region", { name: "Disclosures" }).getByText(hook.url);
  for (let tries = 0; tries < 50 && await told.count() === 0; tries++) {
    await page.getByRole("button", { name: "Show" }).click(); // until the delivery's attempt is recorded
    await page.getByRole("heading", { name: "Hold" }).waitFor();
  }
  await told.first().waitFor();
  await check(page);
  await page.getByLabel("Reason of the hold").fill("Doe v. Clinic");
  await page.getByRole("button", { name: "Place hold" }).click();
  await page.getByText("Under a hold: Doe v. Clinic").waitFor();
  assert.equal(await page.getByRole("button", { name: "Erase" }).count(), 0, "while it stands nothing can be erased");
  await check(page);
  await page.getByRole("button", { name: "Lift hold" }).click();
  await page.getByLabel("Reason of the erasure").fill("asked for by the patient");
  await page.getByRole("button", { name: "Erase" }).click();
  await page.getByText("The erasure has begun.").waitFor();
  const done = page.getByRole("region", { name: "Erasures" }).getByText("1 payload", { exact: false });
  for (let tries = 0; tries < 50 && await done.count() === 0; tries++) {
    await page.reload();
  }
  await check(page);
  await page.getByRole("region", { name: "Disclosures" }).getByRole("link").nth(1).click();
  await page.getByText("The data of this event was erased.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Show payload" }).count(), 0);
  await check(page);
  hook.close();
});
