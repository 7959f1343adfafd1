// The system's Chromium, driven by playwright-core: no browser is downloaded.
import { X509Certificate, createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** A flag that has the browser believe one certificate (PEM), whoever signed it, and no other. */
function believing(file) {
  const key = new X509Certificate(readFileSync(file)).publicKey.export({ type: "spki", format: "der" });
  return `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`;
}

/** A browser with an empty profile; `close` removes it. `certificate`: a file of the one to believe. */
export async function start({ certificate, ...options } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "valence-console-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true, args: certificate ? [...FLAGS, believing(certificate)] : FLAGS, viewport: { width: 1280, height: 900 }, ...options,
  });
  context.setDefaultTimeout(20_000);
  return { context, close: async () => { await context.close(); rmSync(profile, { recursive: true, force: true }); } };
}
