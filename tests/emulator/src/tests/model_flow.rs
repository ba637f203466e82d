//! The model behind the gateway: what it takes, what it refuses, and that what is blocked never reaches it.

use super::*;

const RUN: &str = "/ai-gateway/run?version=3";
const COMPAT: &str = "/gateway/v1/account/m365-gateway/compat/chat/completions";

fn inputs() -> Value {
    let messages = [
        json!({"role": "system", "content": "Summarise."}),
        json!({"role": "user", "content": "A text of ours."}),
    ];
    json!({ "messages": messages, "max_tokens": 100 })
}

async fn by_binding(rig: &Rig, model: &str, inputs: &Value) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("cf-consn-sdk-version", "2.0.0"),
        ("cf-consn-model-id", model),
    ];
    let options = json!({ "gateway": { "id": "m365-gateway" }, "returnRawResponse": true });
    let body = json!({ "inputs": inputs, "options": options }).to_string();
    rig.call("POST", RUN, &headers, body.as_bytes()).await
}

async fn by_endpoint(rig: &Rig, body: &Value, extra: &[(&str, &str)]) -> Reply {
    let mut headers =
        vec![("content-type", "application/json"), ("cf-aig-authorization", "Bearer emulator-gateway-token")];
    headers.extend_from_slice(extra);
    rig.call("POST", COMPAT, &headers, body.to_string().as_bytes()).await
}

async fn asked(rig: &Rig) -> usize {
    let records = rig.control("GET", "/records?service=model", Value::Null).await;
    records["records"].as_array().unwrap().len()
}

#[tokio::test]
async fn both_entrances_answer_with_a_digest_of_the_text() {
    let rig = Rig::new();
    let mut named = inputs();
    named["model"] = "dynamic/condense".into();
    for reply in [by_binding(&rig, "dynamic/condense", &inputs()).await, by_endpoint(&rig, &named, &[]).await]
    {
        assert_eq!(reply.status, 200, "{}", reply.value());
        let said = reply.value()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        assert!(
            said.starts_with("Digest of 15 bytes, sha256 ") && said.contains("A text of ours."),
            "{said}"
        );
        assert!(reply.headers.get("cf-aig-log-id").is_some());
    }
    assert_eq!(asked(&rig).await, 2);
}

#[tokio::test]
async fn nothing_but_the_documented_shape_is_taken() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let changed = |name: &str, value: Value| {
        let mut inputs = inputs();
        inputs[name] = value;
        inputs
    };
    let user = json!([{"role": "user", "content": "x"}]);
    let leaking =
        json!([{"role": "system", "content": "x"}, {"role": "user", "content": format!("Bearer {token}")}]);
    let bad = [
        changed("path", "/v1.0/me".into()),
        changed("headers", json!({})),
        changed("max_tokens", 0.into()),
        changed("messages", user),
        changed("messages", leaking),
        changed("model", "dynamic/condense".into()),
    ];
    for inputs in &bad {
        assert_eq!(by_binding(&rig, "dynamic/condense", inputs).await.status, 400, "{inputs}");
    }
    assert_eq!(by_binding(&rig, "dynamic/other", &inputs()).await.status, 404);
    assert_eq!(by_binding(&rig, "dynamic/microsoft-graph-handler", &inputs()).await.status, 400);
    assert_eq!(by_endpoint(&rig, &inputs(), &[]).await.status, 400);
    assert_eq!(by_endpoint(&rig, &changed("model", "dynamic/other".into()), &[]).await.status, 404);
    let named = changed("model", "dynamic/condense".into());
    let bearer = format!("Bearer {token}");
    assert_eq!(by_endpoint(&rig, &named, &[("authorization", &bearer)]).await.status, 400);
    assert_eq!(by_endpoint(&rig, &named, &[("x-other", &bearer)]).await.status, 400);
    assert_eq!(asked(&rig).await, 0);
}

#[tokio::test]
async fn what_policies_block_never_reaches_the_model() {
    let rig = Rig::new();
    for (name, status) in [("dlpBlock", 400), ("guardrailBlock", 422)] {
        rig.control("POST", "/settings", json!({ "gateway": { name: "text of ours" } })).await;
        assert_eq!(by_binding(&rig, "dynamic/condense", &inputs()).await.status, status);
        rig.control("POST", "/settings", json!({ "gateway": { name: null } })).await;
    }
    assert_eq!(asked(&rig).await, 0);
}
