// Makes the pictures: node screenshots.mjs FOLDER, with BELLWIRE, the binary, and CHROMIUM. They show what the demo leaves behind.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { launch } from "./browser.mjs";

const folder = process.argv[2];
const sizes = { desktop: { width: 1280, height: 860 }, phone: { width: 390, height: 844 } };

const demo = spawn(process.env.BELLWIRE, ["demo", "--keep"], { stdio: ["ignore", "pipe", "inherit"] });
let link;
for await (const line of createInterface({ input: demo.stdout })) {
  const found = line.match(/http:\S+\/console\/portal\/\S+/);
  if (found) { link = found[0]; break; }
}
const base = new URL(link).origin;

const browser = await launch();
const context = await browser.newContext({ viewport: sizes.desktop });
const page = await context.newPage();
await page.goto(link);
await page.getByRole("button", { name: "Sign out" }).waitFor();

await page.goto(`${base}/console/deliveries?state=pending`);
const account = await page.locator('td a[href^="/console/accounts/"]').first().getAttribute("href");
const contract = account.replace("/console/accounts/demo-", "/console/contracts/");
await page.goto(base + account);
const endpoint = await page.getByRole("link", { name: "A clinic that is closed" }).getAttribute("href");
await page.goto(base + endpoint);
const delivery = await page.getByRole("link", { name: /^dlv_/ }).first().getAttribute("href");
const pages = {
  overview: "/console", accounts: "/console/accounts", account, "add-webhook": `${account}/webhooks/new`, endpoint, delivery,
  events: `${account}/events`, deliveries: "/console/deliveries", incidents: "/console/incidents", contract,
  keys: "/console/keys", system: "/console/system",
};

/** A PNG as WebP, made by the browser itself. */
const painter = await context.newPage();
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
  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.goto(base + path);
      const picture = await webp(await page.screenshot({ fullPage: size === "phone" ? false : undefined }));
      writeFileSync(`${folder}/${name}-${size}-${colorScheme}.webp`, picture);
    }
  }
}
await browser.close();
demo.kill("SIGINT");
