// What has to hold of every page for people, whoever serves it.
// Holds: axe-core finds nothing serious; the page is not wider than its window and has one title and a language.
// Must never: depend on what a page says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inRoot } from "../tools/project.mjs";

/** A phone, and a desk. */
export const widths = [360, 1280];
const axe = readFileSync(inRoot("node_modules", "axe-core", "axe.min.js"), "utf8");

/** Opens a page at a width and in a colour scheme, and looks at it. */
export async function checkPage(browser, url, width, scheme = "light") {
  await browser.resize(width);
  await browser.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  await browser.open(url);
  await browser.evaluate(axe);
  const found = await browser.evaluate("axe.run().then(({ violations }) => violations)");
  const serious = found.filter(({ impact }) => ["serious", "critical"].includes(impact));
  assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
  const [inner, wide] = await browser.evaluate("[innerWidth, document.documentElement.scrollWidth]");
  assert.ok(wide <= inner, `${wide} px in a window of ${inner} px`);
  assert.equal(await browser.evaluate("document.documentElement.lang"), "en");
  assert.equal(await browser.evaluate("document.querySelectorAll('h1').length"), 1);
}
