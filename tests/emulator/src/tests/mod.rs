//! The services together, as a client meets them. Most tests call the router in process; those about
//! connections use real sockets on free ports. Nothing here may depend on a fixed port or on sleeping
//! for luck.

mod access_flow;
mod batch_flow;
mod calendar_flow;
mod entra_flow;
mod entra_policy;
mod entra_proof;
mod entra_refusals;
mod faults_flow;
mod files_flow;
mod gateway_flow;
mod mail_actions_flow;
mod mail_flow;
mod mail_strict;
mod model_flow;
mod people_flow;
mod robust;
mod shared_flow;
mod sockets;
mod subscriptions_flow;
mod tasks_flow;
mod teams_flow;
mod tenant_flow;

use crate::options::Options;
use crate::router;
use crate::wire::{Call, Headers, Outcome, Reply};
use crate::world::{Shared, World};
use serde_json::{Value, json};

/// One emulator without a listener.
pub(super) struct Rig {
    pub(super) shared: Shared,
}

pub(super) const ALL_MAIL: &[&str] = &["User.Read", "Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read"];

impl Rig {
    pub(super) fn new() -> Self {
        let world = World::new(Options::default(), "http://127.0.0.1:1".into());
        Self { shared: Shared::new(world) }
    }

    pub(super) async fn outcome(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Outcome {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut list = Headers::default();
        for (name, value) in headers {
            list.push(name, *value);
        }
        let call = Call {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: list,
            body: body.into(),
        };
        router::serve(&self.shared, call).await
    }

    pub(super) async fn call(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        match self.outcome(method, target, headers, body).await {
            Outcome::Reply(reply) => reply,
            other => panic!("no answer: {other:?}"),
        }
    }

    pub(super) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = self.call(method, &format!("/_emulator{path}"), &[], &bytes).await;
        assert_eq!(reply.status, 200, "{}", reply.value());
        reply.value()
    }

    pub(super) async fn token(&self, user: &str, scopes: &[&str]) -> String {
        let minted = self.control("POST", "/token", json!({ "user": address(user), "scopes": scopes })).await;
        minted["accessToken"].as_str().unwrap().to_owned()
    }

    /// A Graph call with a token and, where given, a JSON body.
    pub(super) async fn graph(&self, token: &str, method: &str, target: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        if !bytes.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        self.call(method, &format!("/graph/v1.0{target}"), &headers, &bytes).await
    }

    /// The mails of a folder as the control plane sees them.
    pub(super) async fn folder(&self, user: &str, folder: &str) -> Vec<Value> {
        let state = self.control("GET", "/state", Value::Null).await;
        let owner = address(user);
        let users = state["users"].as_array().unwrap();
        let user = users.iter().find(|u| u["address"] == owner.as_str()).unwrap();
        user["folders"][folder].as_array().unwrap().clone()
    }
}

pub(super) fn address(user: &str) -> String {
    format!("{user}@contoso.example")
}

/// A small mail.
pub(super) fn mail(to: &str, subject: &str) -> Value {
    json!({
        "subject": subject,
        "body": { "contentType": "text", "content": "hello" },
        "toRecipients": [{ "emailAddress": { "address": to } }],
    })
}

pub(super) fn code(reply: &Reply) -> String {
    reply.value()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

pub(super) fn id(reply: &Reply) -> String {
    reply.value()["id"].as_str().unwrap().to_owned()
}

pub(super) fn count(list: &[Value], subject: &str) -> usize {
    list.iter().filter(|mail| mail["subject"] == subject).count()
}
