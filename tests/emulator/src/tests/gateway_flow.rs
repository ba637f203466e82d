//! The gateway's two entrances: what passes, what is logged, what is cached, repeated and blocked. Each
//! refusal is checked together with what must not have happened behind it.

use super::*;

const RUN: &str = "/ai-gateway/run?version=3";
const CUSTOM: &str = "/gateway/v1/account/m365-gateway/custom-graph";

fn run_body(token: &str, method: &str, path: &str, body: Value, gateway: Value) -> Value {
    let mut inputs = json!({
        "method": method, "path": path,
        "headers": { "Authorization": format!("Bearer {token}"), "Content-Type": "application/json" },
    });
    if !body.is_null() {
        inputs["body"] = body;
    }
    let mut options =
        json!({ "gateway": { "id": "m365-gateway", "skipCache": true }, "returnRawResponse": true });
    for (name, value) in gateway.as_object().into_iter().flatten() {
        options["gateway"][name] = value.clone();
    }
    json!({ "inputs": inputs, "options": options })
}

async fn run_with(rig: &Rig, body: &str, extra: &[(&str, &str)]) -> Reply {
    let mut headers = vec![
        ("content-type", "application/json"),
        ("cf-consn-sdk-version", "2.0.0"),
        ("cf-consn-model-id", "dynamic/microsoft-graph-handler"),
    ];
    for (name, value) in extra {
        headers.retain(|(have, _)| have != name);
        headers.push((name, value));
    }
    rig.call("POST", RUN, &headers, body.as_bytes()).await
}

async fn run(rig: &Rig, body: &Value) -> Reply {
    run_with(rig, &body.to_string(), &[]).await
}

async fn custom(
    rig: &Rig,
    token: &str,
    method: &str,
    target: &str,
    body: Value,
    extra: &[(&str, &str)],
) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("cf-aig-authorization", "Bearer emulator-gateway-token"),
        ("content-type", "application/json"),
    ];
    headers.extend_from_slice(extra);
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    rig.call(method, &format!("{CUSTOM}{target}"), &headers, &bytes).await
}

fn internal_code(reply: &Reply) -> u64 {
    let value = reply.value();
    assert_eq!(value["name"], "AiGatewayError", "{value}");
    assert_eq!(value["error"][0]["code"], value["internalCode"]);
    value["internalCode"].as_u64().unwrap()
}

async fn logs(rig: &Rig) -> Vec<Value> {
    rig.control("GET", "/gateway-log", Value::Null).await["logs"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_call_through_the_binding_reaches_graph_and_is_logged() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    // The order of the metadata matters, so it is written as text.
    let text = run_body(
        &token,
        "POST",
        "/v1.0/me/sendMail",
        json!({ "message": mail(&address("bob"), "via") }),
        json!({ "eventId": "ev-1", "metadata": "PLACE" }),
    )
    .to_string()
    .replace(
        "\"PLACE\"",
        r#"{"userId":"u","mcpTool":"t","requestId":"r","userEmail":"e","spare":1,"sixth":2}"#,
    );
    let reply = run_with(&rig, &text, &[("cf-aig-collect-log-payload", "false")]).await;
    assert_eq!((reply.status, reply.body.len()), (202, 0));
    assert!(reply.headers.get("request-id").is_some());
    assert_eq!(reply.headers.get("cf-aig-event-id"), Some("ev-1"));
    assert_eq!(reply.headers.get("cf-aig-step"), Some("0"));
    let row = &logs(&rig).await[0];
    assert_eq!(row["id"].as_str(), reply.headers.get("cf-aig-log-id"));
    assert_eq!(row["id"].as_str().unwrap().as_bytes()[14], b'7');
    assert_eq!(
        row["metadata"],
        json!({ "userId": "u", "mcpTool": "t", "requestId": "r", "userEmail": "e", "spare": 1 })
    );
    assert_eq!((&row["payload"], &row["payloadLogged"]), (&Value::Null, &json!(false)));
    assert_eq!(count(&rig.folder("bob", "inbox").await, "via"), 1);
    run(&rig, &run_body(&token, "GET", "/v1.0/me", Value::Null, json!({}))).await;
    assert!(
        logs(&rig).await[1]["payload"].to_string().contains(&token),
        "a careless caller's bearer is logged"
    );
    assert!(!rig.control("GET", "/records", Value::Null).await.to_string().contains(&token));
}

#[tokio::test]
async fn wrong_shapes_are_refused() {
    let rig = Rig::new();
    let good = run_body("t", "GET", "/v1.0/me", Value::Null, json!({}));
    let change = |pointer: &str, value: Value| {
        let mut body = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    for body in [
        change("/options/gateway/id", json!("other")),
        change("/options/gateway/unknown", json!(1)),
        change("/options/gateway", Value::Null),
        change("/inputs/method", json!("get")),
        change("/inputs/path", json!("/me")),
        change("/inputs/path", json!("/v1.0/../beta/me")),
        change("/inputs/path", json!("https://graph.microsoft.com/v1.0/me")),
        change("/inputs/headers/X", json!(1)),
        change("/inputs/messages", json!([])),
        change("/inputs/body", json!({})),
        change("/options/gateway/retries", json!({ "maxAttempts": 6 })),
        json!({ "inputs": {} }),
    ] {
        let reply = run(&rig, &body).await;
        assert_eq!((reply.status, internal_code(&reply)), (400, 2001), "{body}");
    }
    let model =
        async |name: &str| run_with(&rig, &good.to_string(), &[("cf-consn-model-id", name)]).await.status;
    assert_eq!(model("dynamic/another").await, 404);
    assert_eq!(model("@cf/meta/llama").await, 400);
    assert_eq!(run(&rig, &good).await.status, 401, "Graph's own refusal passes through");
    assert!(run(&rig, &good).await.value()["error"]["code"].is_string());
}

#[tokio::test]
async fn the_custom_provider_needs_its_token_and_keeps_its_headers_to_itself() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let bearer = format!("Bearer {token}");
    let target = format!("{CUSTOM}/v1.0/me");
    let bare = rig.call("GET", &target, &[("authorization", &bearer)], b"").await;
    assert_eq!((bare.status, internal_code(&bare)), (401, 2009));
    let meta = ("cf-aig-metadata", r#"{"userId":"x","nested":{"a":1}}"#);
    let quiet = ("cf-aig-collect-log-payload", "false");
    let reply = custom(&rig, &token, "GET", "/v1.0/me/messages?$top=1", Value::Null, &[meta, quiet]).await;
    assert_eq!(reply.status, 200);
    let row = &logs(&rig).await[0];
    assert_eq!((&row["metadata"], &row["path"]), (&json!({}), &json!("/v1.0/me/messages?$top=1")));
    let records = rig.control("GET", "/records?service=graph", Value::Null).await;
    let headers = records["records"][0]["headers"].as_object().unwrap().clone();
    assert!(headers.keys().all(|name| !name.starts_with("cf-")));
    rig.control("POST", "/settings", json!({ "gateway": { "refusedMethods": ["PATCH"] } })).await;
    assert_eq!(custom(&rig, &token, "PATCH", "/v1.0/me/messages/x", json!({}), &[]).await.status, 405);
    let silent =
        custom(&rig, &token, "GET", "/v1.0/me", Value::Null, &[("cf-aig-collect-log", "false")]).await;
    assert!(silent.headers.get("cf-aig-log-id").is_none());
    assert_eq!(logs(&rig).await.len(), 1);
}

#[tokio::test]
async fn without_the_opt_out_reads_are_stale_and_failures_are_repeated() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let top = "/v1.0/me/messages?$top=1&$select=subject";
    let first = custom(&rig, &token, "GET", top, Value::Null, &[]).await;
    rig.control("POST", "/mail", json!({ "user": address("alice"), "message": { "subject": "new" } })).await;
    let second = custom(&rig, &token, "GET", top, Value::Null, &[]).await;
    assert_eq!(second.headers.get("cf-aig-cache-status"), Some("HIT"));
    assert_eq!(first.body, second.body);
    let skip = ("cf-aig-skip-cache", "true");
    let third = custom(&rig, &token, "GET", top, Value::Null, &[skip]).await;
    assert_eq!(third.value()["value"][0]["subject"], "new");
    let fault = json!({ "service": "graph", "pathContains": "/sendMail", "times": 1,
        "action": { "respondAfter": { "status": 502 } } });
    let body = json!({ "message": mail(&address("bob"), "twice") });
    rig.control("POST", "/faults", fault.clone()).await;
    assert_eq!(custom(&rig, &token, "POST", "/v1.0/me/sendMail", body.clone(), &[]).await.status, 202);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "twice"), 2, "the gateway repeated a write");
    rig.control("POST", "/faults", fault).await;
    let once = ("cf-aig-max-attempts", "1");
    assert_eq!(custom(&rig, &token, "POST", "/v1.0/me/sendMail", body, &[once]).await.status, 502);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "twice"), 3);
}

#[tokio::test]
async fn policies_block_before_graph_is_reached() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let send = run_body(
        &token,
        "POST",
        "/v1.0/me/sendMail",
        json!({ "message": mail(&address("bob"), "secret-word") }),
        json!({}),
    );
    let set = async |gateway: Value| rig.control("POST", "/settings", json!({ "gateway": gateway })).await;
    set(json!({ "dlpBlock": "secret-word" })).await;
    let dlp = run(&rig, &send).await;
    assert_eq!((dlp.status, internal_code(&dlp)), (400, 2029));
    assert!(dlp.headers.get("cf-aig-dlp").unwrap().contains("BLOCK"));
    set(json!({ "dlpBlock": null, "guardrailBlock": "secret-word" })).await;
    let body = json!({ "message": mail(&address("bob"), "secret-word") });
    let guard = custom(&rig, &token, "POST", "/v1.0/me/sendMail", body, &[]).await;
    assert_eq!((guard.status, internal_code(&guard)), (424, 2016));
    set(json!({ "guardrailBlock": null, "policyDenied": true })).await;
    let denied = run(&rig, &send).await;
    assert_eq!(
        (denied.status, denied.value()["error"]["message"].clone()),
        (403, json!("Access denied by policy"))
    );
    set(json!({ "policyDenied": false, "spendLimit": true })).await;
    assert_eq!(run(&rig, &send).await.status, 429);
    set(json!({ "spendLimit": false, "outage": "unavailable" })).await;
    let out = run(&rig, &send).await;
    assert_eq!((out.status, internal_code(&out)), (503, 7013));
    set(json!({ "outage": null, "rateLimit": { "limit": 1, "windowMs": 60_000 } })).await;
    assert_eq!(run(&rig, &send).await.status, 202);
    let over = run(&rig, &send).await;
    assert_eq!((over.status, internal_code(&over)), (429, 2003));
    assert_eq!(count(&rig.folder("bob", "inbox").await, "secret-word"), 1);
}

#[tokio::test]
async fn a_broken_upstream_is_the_gateways_own_error() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    rig.control("POST", "/faults", json!({ "service": "graph", "action": { "dropAfter": true } })).await;
    let body = run_body(
        &token,
        "POST",
        "/v1.0/me/sendMail",
        json!({ "message": mail(&address("bob"), "lost") }),
        json!({ "retries": { "maxAttempts": 1 } }),
    );
    let reply = run(&rig, &body).await;
    assert_eq!(reply.status, 502);
    internal_code(&reply);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "lost"), 1, "it was executed all the same");
    rig.control("DELETE", "/faults", Value::Null).await;
    rig.control("POST", "/settings", json!({ "graphLatencyMs": 5_000 })).await;
    let slow = run_body(
        &token,
        "GET",
        "/v1.0/me",
        Value::Null,
        json!({ "requestTimeoutMs": 20, "retries": { "maxAttempts": 1 } }),
    );
    assert_eq!(run(&rig, &slow).await.status, 504);
    let concurrency = rig.control("GET", "/concurrency", Value::Null).await;
    assert_eq!(concurrency["services"]["graph"]["inFlight"], 0, "what is given up is not counted for ever");
}

#[tokio::test]
async fn a_gateway_fault_can_name_the_call_inside() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let rule = json!({ "service": "gateway", "method": "POST", "pathContains": "/v1.0/me/sendMail", "times": 2,
        "action": { "throttle429": 3 } });
    rig.control("POST", "/faults", json!({ "faults": [rule] })).await;
    let message = json!({ "message": mail(&address("bob"), "inside") });
    let read = run_body(&token, "GET", "/v1.0/me", Value::Null, json!({}));
    assert_eq!(run(&rig, &read).await.status, 200);
    let send = run_body(&token, "POST", "/v1.0/me/sendMail", message.clone(), json!({}));
    let limited = run(&rig, &send).await;
    assert_eq!((limited.status, internal_code(&limited)), (429, 2003));
    assert_eq!(limited.headers.get("retry-after"), Some("3"));
    assert_eq!(custom(&rig, &token, "POST", "/v1.0/me/sendMail", message, &[]).await.status, 429);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "inside"), 0);
    assert_eq!(run(&rig, &send).await.status, 202);
}
