// Fetches client ID metadata documents for the server, which alone is bound to it.
// Holds: it has no state, no setting and no route of its own, and its fetches reach the public web only, by the flag in
// wrangler.toml; what it hands on is bounded in time and bytes, and says why there is nothing where there is nothing.
// Must never: follow a redirect, send a cookie or a credential, or fetch a URL that it would read otherwise than its caller.
const bytesMax = 5 * 1024;
const timeoutMs = 10_000;
const jsonTypes = /^application\/(json|[\w.-]+\+json)$/i;

export default {
  async fetch(request) {
    const asked = await request.text();
    try {
      return Response.json(await documentAt(asked));
    } catch (error) {
      return Response.json({ failure: error.name === "TimeoutError" ? "timeout" : "unreachable" });
    }
  },
};

async function documentAt(asked) {
  // A parser that would change a character might mean another place than the one that was checked.
  if (URL.parse(asked)?.href !== asked) return { failure: "ambiguous" };
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = { accept: "application/json", "user-agent": "m365-mcp-server" };
  const answer = await fetch(asked, { redirect: "manual", headers, signal });
  const refusal = refusalOf(answer);
  if (refusal) {
    await answer.body?.cancel();
    return { failure: refusal };
  }
  const body = await boundedText(answer.body);
  if (body === undefined) return { failure: "too_large" };
  return { body, ...freshness(answer.headers) };
}

function refusalOf({ status, headers }) {
  if (status >= 300 && status < 400) return "redirect";
  if (status !== 200) return "status";
  const [type] = (headers.get("content-type") ?? "").split(";");
  return jsonTypes.test(type.trim()) ? undefined : "not_json";
}

/** The text of a body, or nothing when it is longer than its bound, whatever its headers promised. */
async function boundedText(stream) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.byteLength;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return new Blob(chunks).text();
}

/** What the headers say about how long the document may be kept (RFC 9111, section 4.2.1). */
function freshness(headers) {
  const whole = (value) => (/^\d{1,10}$/.test(value ?? "") ? Number(value) : undefined);
  const expires = Date.parse(headers.get("expires") ?? "");
  const date = Date.parse(headers.get("date") ?? "");
  const left = Math.floor((expires - (Number.isNaN(date) ? Date.now() : date)) / 1000);
  return {
    cacheControl: headers.get("cache-control") ?? undefined,
    age: whole(headers.get("age")),
    // An `Expires` that is no date means that the document is stale (RFC 9111, section 5.3).
    expiresIn: headers.has("expires") ? Math.max(0, left || 0) : undefined,
  };
}
