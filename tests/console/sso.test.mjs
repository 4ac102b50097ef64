// Signing in with an identity provider: oidc-provider, with its own pages.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base as BASE, launch, newPage } from "./browser.mjs";

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

const signIn = async (page, name) => {
  await page.goto(`${BASE}/console/accounts`);
  await page.getByRole("button", { name: "Sign in with SSO" }).click();
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("anything");
  await page.locator("button[type=submit]").click();
  await page.locator("button[type=submit]").click();
};

test("whoever the provider knows as an admin is signed in by name, and goes on where they wanted", async () => {
  const page = await newPage(browser);
  await signIn(page, "officer@example.com");
  await page.waitForURL(`${BASE}/console/accounts`);
  await page.getByText("officer@example.com").waitFor();
  const kept = await page.context().cookies(`${BASE}/console/sign-in`);
  const own = kept.filter((cookie) => cookie.name.startsWith("bellwire"));
  assert.deepEqual(own.map((cookie) => cookie.name), ["bellwire_session"], "nothing is left of the way there");
  assert.ok(own[0].httpOnly);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/console\/sign-in/);
});

test("whoever has no role is told which claim would give one, and is not signed in", async () => {
  const page = await newPage(browser);
  await signIn(page, "visitor@example.com");
  const said = await page.getByText("Not signed in").innerText();
  assert.match(said, /visitor@example.com has no role here: the claim `roles` says \["staff"\]/);
  await page.goto(`${BASE}/console`);
  await page.waitForURL(/\/console\/sign-in/);
});

test("an answer that belongs to no sign-in of this browser is refused", async () => {
  const page = await newPage(browser);
  const answer = await page.goto(`${BASE}/console/sign-in/callback?code=stolen&state=foreign`);
  assert.equal(answer.status(), 403);
  await page.getByText("this sign-in was not begun here").waitFor();
});

test("what the provider refuses is told", async () => {
  const page = await newPage(browser);
  await page.goto(`${BASE}/console/sign-in`);
  await page.getByRole("button", { name: "Sign in with SSO" }).click();
  await page.getByRole("link", { name: /cancel|abort/i }).click();
  await page.getByText("Not signed in").waitFor();
});
