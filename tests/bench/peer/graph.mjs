// The peer's way to Microsoft Graph: the same gateway with the same headers as the product's.
// Holds: whatever is no success is an error that names the status and Graph's code.
// Must never: put a token into an error.

/** One call; the answer's JSON, or nothing where there is none. */
export async function callGraph(env, token, path, { method = "GET", body, prefer } = {}) {
  const response = await fetch(`${env.GATEWAY_URL}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`, accept: "application/json",
      "cf-aig-authorization": `Bearer ${env.GATEWAY_TOKEN}`, "cf-aig-skip-cache": "true",
      "cf-aig-collect-log-payload": "false", "cf-aig-max-attempts": "1",
      ...(prefer && { prefer }), ...(body && { "content-type": "application/json" }),
    },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok) return text === "" ? undefined : JSON.parse(text);
  let code = "";
  try {
    code = JSON.parse(text).error.code;
  } catch {
    // Not every refusal is Graph's.
  }
  throw new Error(`Microsoft Graph answered ${response.status} ${code}`.trim());
}
