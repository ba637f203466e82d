// The peer: McpAgent behind workers-oauth-provider, with Microsoft Entra ID as the sign-in, as their documentation shows it;
// and the handler without sessions beside it, which the documentation advises for the newest revision.
// Holds: only what a competent user of these packages would write; no shortcut, and no care that they do not ask for.
// Must never: be deployed; it is here to be measured.
import { OAuthError, OAuthProvider } from "@cloudflare/workers-oauth-provider";
import { McpServer as LegacyServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SubscribeRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer } from "@modelcontextprotocol/server";
import { getAgentByName } from "agents";
import { McpAgent } from "agents/mcp";
import { createMcpHandler, getMcpAuthContext } from "agents/mcp/server";
import { env } from "cloudflare:workers";
import { callGraph } from "./graph.mjs";
import { exchange, pages } from "./sign_in.mjs";
import { caller, registerTools } from "./tools.mjs";

const implementation = { name: "microsoft-365", version: "1.0.0" };
const inbox = "microsoft://mail/inbox";

/** One session. */
export class MicrosoftAgent extends McpAgent {
  server = new LegacyServer(implementation, { capabilities: { resources: { subscribe: true } } });

  async init() {
    registerTools(this.server, caller(this.env, () => this.props.accessToken));
    this.server.registerResource("inbox", inbox, { mimeType: "application/json" }, async (uri) => {
      const { value } = await callGraph(this.env, this.props.accessToken, "/me/mailFolders/inbox/messages?$top=10");
      return { contents: [{ uri: uri.href, text: JSON.stringify(value) }] };
    });
    this.server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => this.#watch(params.uri));
  }

  async #watch(uri) {
    const clientState = crypto.randomUUID();
    const { id } = await callGraph(this.env, this.props.accessToken, "/subscriptions", {
      method: "POST",
      body: {
        changeType: "created", resource: "me/mailFolders('inbox')/messages", clientState,
        notificationUrl: `${new URL(this.env.MCP_RESOURCE).origin}/notifications/${this.getSessionId()}`,
        expirationDateTime: new Date(Date.now() + 2 * 86_400_000).toISOString(),
      },
    });
    await this.ctx.storage.put("subscription", { id, clientState, uri });
    return {};
  }

  /** Called by the webhook. */
  async notified(notifications) {
    const known = await this.ctx.storage.get("subscription");
    const isOurs = (one) => known && one.subscriptionId === known.id && one.clientState === known.clientState;
    if (notifications.some(isOurs)) await this.server.server.sendResourceUpdated({ uri: known.uri });
  }
}

const sessionful = MicrosoftAgent.serve("/mcp", { binding: "MCP_OBJECT" });
const stateless = createMcpHandler(() => {
  const server = new McpServer(implementation);
  registerTools(server, caller(env, () => getMcpAuthContext().props.accessToken));
  return server;
});

const api = {
  fetch(request, bindings, context) {
    const isStateless = request.headers.get("mcp-protocol-version") === "2026-07-28";
    return (isStateless ? stateless : sessionful.fetch)(request, bindings, context);
  },
};

async function notify(request, url) {
  const session = url.pathname.slice("/notifications/".length);
  const { value } = await request.json();
  const agent = await getAgentByName(env.MCP_OBJECT, `streamable-http:${session}`);
  await agent.notified(value);
  return new Response(null, { status: 202 });
}

const other = {
  fetch(request, bindings) {
    const url = new URL(request.url);
    if (request.method === "POST" && url.pathname.startsWith("/notifications/")) return notify(request, url);
    return pages(request, bindings, url);
  },
};

/** Microsoft's tokens are renewed together with the client's. */
async function renew({ grantType, props }) {
  if (grantType !== "refresh_token") return undefined;
  const tokens = await exchange(env, { grant_type: "refresh_token", refresh_token: props.refreshToken });
  if (!tokens) throw new OAuthError("invalid_grant", { description: "Microsoft's access was revoked" });
  return { newProps: { ...props, accessToken: tokens.access_token, refreshToken: tokens.refresh_token } };
}

export default new OAuthProvider({
  apiRoute: "/mcp",
  apiHandler: api,
  defaultHandler: other,
  authorizeEndpoint: "/authorize",
  tokenEndpoint: "/token",
  clientRegistrationEndpoint: "/register",
  scopesSupported: ["mail", "calendar", "teams", "contacts"],
  resourceMetadata: { resource: env.MCP_RESOURCE },
  tokenExchangeCallback: renew,
});
