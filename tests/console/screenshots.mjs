// Makes the pictures: node screenshots.mjs FOLDER [PAGE...], with BELLWIRE, the binary, and CHROMIUM. They show what the demo leaves behind.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";

const [folder, ...only] = process.argv.slice(2);
const sizes = { desktop: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

const demo = spawn(process.env.BELLWIRE, ["demo", "--keep"], { stdio: ["ignore", "pipe", "inherit"] });
let link;
for await (const line of createInterface({ input: demo.stdout })) {
  const found = line.match(/http:\S+\/console\/portal\/\S+/);
  if (found) { link = found[0]; break; }
}
const base = new URL(link).origin;

const browser = await launch();
const operator = await signedIn(link);
const stranger = await (await browser.newContext({ viewport: sizes.desktop })).newPage();

/** A page of a browser of its own, signed in by a link. */
async function signedIn(url) {
  const page = await (await browser.newContext({ viewport: sizes.desktop })).newPage();
  await page.goto(url);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

/** Where a link of a page leads to. */
async function leadsTo(path, name) {
  await operator.goto(base + path);
  return operator.getByRole("link", { name }).first().getAttribute("href");
}

/** Has what waits sent again, with a reason: the page that asks for it, and the one that shows how far it is. */
async function retryMany() {
  await operator.goto(base + (await leadsTo("/console/deliveries?state=pending", /^Retry /)));
  const preview = new URL(operator.url());
  await operator.getByLabel("Reason").fill("The clinic is open again");
  await operator.getByRole("button", { name: /^Retry/ }).click();
  await operator.waitForURL(/bulk-retries\/blk_/);
  return { preview: preview.pathname + preview.search, progress: new URL(operator.url()).pathname };
}

await operator.goto(`${base}/console/deliveries?state=pending`);
const account = await operator.locator('td a[href^="/console/accounts/"]').first().getAttribute("href");
const contract = account.replace("/console/accounts/demo-", "/console/contracts/");
const endpoint = await leadsTo(account, "A clinic that is closed");
const delivery = await leadsTo(endpoint, /^dlv_/);
const event = await leadsTo(`${account}/events`, /^evt_/);
const bulk = await retryMany();

const pages = {
  "sign-in": "/console/sign-in", overview: "/console", accounts: "/console/accounts", "add-account": "/console/accounts/new", account,
  "add-webhook": `${account}/webhooks/new`, endpoint, settings: `${endpoint}/edit`, "replay-preview": `${endpoint}/replay?since=1d`,
  events: `${account}/events`, event, deliveries: "/console/deliveries", delivery, find: `/console/find?q=${account.split("/").pop()}`,
  "bulk-retry-preview": bulk.preview, "bulk-retry": bulk.progress, replays: "/console/replays", incidents: "/console/incidents",
  contracts: "/console/contracts", contract, audit: "/console/audit", disclosures: "/console/disclosures", keys: "/console/keys",
  system: "/console/system",
};

/** A PNG as WebP, made by the browser itself. */
const painter = await (await browser.newContext()).newPage();
async function webp(png) {
  const url = await painter.evaluate(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.82);
  }, `data:image/png;base64,${png.toString("base64")}`);
  return Buffer.from(url.split(",")[1], "base64");
}

for (const [name, path] of Object.entries(pages)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const page = name === "sign-in" ? stranger : operator;
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.goto(base + path);
      const picture = await page.screenshot();
      writeFileSync(`${folder}/${name}-${size}-${colorScheme}.webp`, await webp(picture));
    }
  }
}
await browser.close();
demo.kill("SIGINT");
