// `npm run soak`: builds what changed and runs the soak with the Node that the end-to-end tests run with.
// Holds: its exit code is the soak's own.
// Must never: start anything of its own besides that one process.
import { build } from "./build.mjs";
import { inRoot, run, runIfMain, wranglerNode } from "./project.mjs";
import { setup } from "./setup.mjs";

runIfMain(import.meta.url, async () => {
  await setup();
  await build(["--worker", "--native"]);
  await run(wranglerNode(), [inRoot("tests", "end_to_end", "soak.mjs")]);
});
