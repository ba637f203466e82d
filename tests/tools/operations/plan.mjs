// The plan of `npm run provision`: what is wanted held against what exists.
// Holds: equal is what has all that is wanted, whatever else it has; a second run of the same wishes finds nothing to do.
// Must never: change anything: whoever made the plan decides whether its steps are taken.
import { kinds } from "./cloudflare_api.mjs";

/** Stands for what an earlier step of the same plan will give. */
const unmade = (key) => ({ id: `<${key}, not made yet>`, isUnmade: true });

/** Whether a value has all that is wanted: objects at least the wanted members, lists the same members in any order. */
export function has(existing, wanted) {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(existing) || existing.length !== wanted.length) return wanted.length === 0 && !existing?.length;
    const left = [...existing];
    return wanted.every((item) => {
      const at = left.findIndex((candidate) => has(candidate, item));
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    });
  }
  if (wanted && typeof wanted === "object") {
    return Boolean(existing) && typeof existing === "object" && Object.entries(wanted).every(([name, value]) => has(existing[name], value));
  }
  return existing === wanted;
}

const brief = (value) => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
};

/** What of it differs, as sentences without secrets: an application's are replaced. */
function differences(existing, wanted) {
  const open = (value) => (value?.client_secret ? { ...value, client_secret: "<secret>" } : value);
  return Object.entries(wanted).filter(([name, value]) => !has(existing[name], value))
    .map(([name, value]) => `${name}: ${brief(open(existing[name]))} -> ${brief(value)}`);
}

/** One step for each resource: `create`, `change` or `keep`; `made` grows by what exists already. */
export async function planOf(resources, api) {
  const lists = {};
  const made = {};
  const steps = [];
  for (const resource of resources) {
    const kind = kinds[resource.kind];
    const wanted = resource.body(made);
    lists[resource.kind] ??= await api.list(kind.path);
    const existing = lists[resource.kind].find((candidate) => kind.same(candidate, wanted));
    const differs = existing ? differences(existing, wanted) : [];
    made[resource.key] = existing ?? unmade(resource.key);
    const action = !existing ? "create" : differs.length > 0 && kind.verb ? "change" : "keep";
    steps.push({ ...resource, action, existing, differs, title: kind.title(wanted) });
  }
  return { steps, made };
}

/** Takes the steps in order; each body is made anew, from what the steps before it gave. */
export async function applyPlan({ steps, made }, api, onStep) {
  for (const step of steps) {
    const body = step.body(made);
    if (step.action === "create") made[step.key] = await api.make(step.kind, body);
    if (step.action === "change") made[step.key] = { ...step.existing, ...(await api.change(step.kind, step.existing, body)) };
    await onStep(step, made[step.key]);
  }
  return made;
}
