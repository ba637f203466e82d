// The names under which everything outside is known to all that is measured; none of them is ever looked up.
// Holds: they look as in production, https included, because every fetch of a target ends at the stand-in.
// Must never: name anything that exists.

/** Where clients reach each target: the name that they send, whatever port it listens on. */
export const host = "mcp.bench.example";
export const origin = `https://${host}`;
export const resource = `${origin}/mcp`;
/** Where a client gets its codes. */
export const redirectUri = "http://127.0.0.1:53682/callback";

export const gateway = {
  id: "m365-gateway",
  baseUrl: "https://gateway.ai.cloudflare.com/v1/bench-account/m365-gateway/custom-graph",
  token: "stand-in-gateway-token",
};

export const microsoft = {
  clientId: "00000000-0000-4000-8000-00000000c11e",
  clientSecret: "stand-in-secret",
  tenantId: "11111111-2222-4333-8444-555555555555",
  loginUrl: "https://login.microsoftonline.com",
};
