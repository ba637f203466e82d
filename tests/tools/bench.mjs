// `npm run bench`: builds what changed and runs the benchmark with the Node that the end-to-end tests run with.
// Holds: options go to the benchmark as they are, with `--cost` to that of the bill; a profile is taken of a build whose functions have names.
// Must never: measure anything but a release build, unless `--worker` names another one.
import { build } from "./build.mjs";
import { inRoot, run, runIfMain, wranglerNode } from "./project.mjs";
import { setup } from "./setup.mjs";

runIfMain(import.meta.url, async () => {
  const options = process.argv.slice(2);
  const has = (name) => options.some((option) => option === name || option.startsWith(`${name}=`));
  await setup();
  if (!has("--worker")) await build([has("--profile") ? "--named" : "--worker"]);
  const script = has("--cost") ? ["cost", "run.mjs"] : ["run.mjs"];
  await run(wranglerNode(), [inRoot("tests", "bench", ...script), ...options]);
});
