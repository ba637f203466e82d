// The pages as people meet them: on a phone and on a desk, by keyboard, with a screen reader, without scripts.
// Holds: axe-core finds nothing serious on any page at either width; the whole sign-in is done with the keyboard.
// Must never: pass unseen where no Chromium is installed: the test says aloud then that it was skipped.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chromium, openBrowser } from "./chromium.mjs";
import { startStack } from "./harness.mjs";
import { oauth, pkce } from "./oauth_client.mjs";
import { checkPage, widths } from "./page_checks.mjs";

const skip = chromium() ? false : "no Chromium is installed: the pages were NOT looked at";

describe("pages", { skip }, () => {
  let stack, browser, client, authorizeUrl;
  before(async () => {
    stack = await startStack();
    let register;
    ({ register, authorizeUrl } = oauth(stack));
    client = await register({ client_name: "A client with quite a long name that does not fit a phone's line", redirect_uris: [`${stack.origin}/`] });
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  const consentUrl = (changes = {}) => authorizeUrl(client, pkce(), { redirect_uri: `${stack.origin}/`, ...changes }).href;
  const pages = {
    "the landing page": () => `${stack.origin}/`,
    "the consent page": () => consentUrl(),
    "the page of a client that is not known": () => consentUrl({ client_id: "m365c_x" }),
    "the page of a sign-in that is over": () => `${stack.origin}/callback?state=x&code=x`,
    "the page of a link that is over": () => `${stack.origin}/connect?ticket=x`,
  };

  for (const [title, url] of Object.entries(pages)) {
    for (const width of widths) {
      test(`${title} at ${width} px: nothing serious for axe, nothing beside the edge`, async () => {
        await checkPage(browser, url(), width);
      });
    }
  }

  test("the consent page is answered by keyboard alone, without scripts, up to Microsoft", async () => {
    await browser.resize(360);
    await browser.withoutScripts(true);
    await browser.open(consentUrl());
    const focused = () => browser.evaluate("document.activeElement.textContent");
    await browser.press("Tab");
    assert.equal(await focused(), "Continue to Microsoft");
    await browser.navigate(() => browser.press("Enter"));
    assert.match(await browser.evaluate("location.href"), /\/entra\/.*\/oauth2\/v2\.0\/authorize\?/);
    await browser.withoutScripts(false);
  });

  test("so is the refusal, which leads back to the client", async () => {
    await browser.open(consentUrl());
    await browser.press("Tab");
    await browser.press("Tab");
    assert.equal(await browser.evaluate("document.activeElement.textContent"), "Cancel");
    await browser.navigate(() => browser.press("Enter"));
    const { searchParams } = new URL(await browser.evaluate("location.href"));
    assert.equal(searchParams.get("error"), "access_denied");
  });
});
