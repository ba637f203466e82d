// The `AI` binding's `run`, played by a Worker that the product binds as a service. It has the real
// binding's semantics towards a gateway: method, path and headers inside of `inputs` are only payload,
// nothing here turns them into an HTTP verb. EMULATOR_URL says where the emulated gateway is.
import { WorkerEntrypoint } from "cloudflare:workers";

const SDK_VERSION = "2.0.0";

// Named like the runtime's own error, because callers can see the name and the text alone over RPC.
class InferenceUpstreamError extends Error {
  constructor(message) {
    super(message);
    this.name = "InferenceUpstreamError";
  }
}

class AiInternalError extends Error {
  constructor(message) {
    super(message);
    this.name = "AiInternalError";
  }
}

// The binding's text rules: `internalCode` with the description, or the first of `errors`, or the body.
function errorText(text) {
  try {
    const parsed = JSON.parse(text);
    if (parsed && parsed.internalCode) {
      return `${parsed.internalCode}: ${parsed.description}`;
    }
    if (parsed && Array.isArray(parsed.errors) && parsed.errors.length > 0) {
      return `${parsed.errors[0].code}: ${parsed.errors[0].message}`;
    }
    return text;
  } catch {
    return text;
  }
}

export default class AiBinding extends WorkerEntrypoint {
  async run(model, inputs, options = {}) {
    const { prefix: _prefix, extraHeaders, signal, ...rest } = options ?? {};
    if (inputs instanceof ReadableStream || inputs instanceof FormData) {
      throw new AiInternalError("AI Gateway does not support ReadableStreams yet.");
    }
    const headers = {
      "content-type": "application/json",
      "cf-consn-sdk-version": SDK_VERSION,
      "cf-consn-model-id": model,
      ...extraHeaders,
    };
    const init = { method: "POST", headers, body: JSON.stringify({ inputs, options: rest }) };
    if (signal) {
      init.signal = signal;
    }
    const response = await fetch(`${this.env.EMULATOR_URL}/ai-gateway/run?version=3`, init);
    if (rest.returnRawResponse) {
      return response;
    }
    // An empty success throws as well: that is the real binding's behaviour.
    const empty = !response.body || response.headers.get("content-length") === "0";
    if (!response.ok || empty) {
      throw new InferenceUpstreamError(errorText(await response.text()));
    }
    // Graph's own media type carries parameters, so it comes back as a stream.
    if (response.headers.get("content-type") === "application/json") {
      return await response.json();
    }
    return response.body;
  }
}
