//! Which service a path belongs to. One port plays all services, each behind its own prefix; what has no
//! prefix is not there. It must never guess: a path that fits no prefix is a 404, so that a wrongly put
//! together address in the product shows at once.

use crate::wire::{Call, Outcome, Reply};
use crate::world::Shared;
use crate::{access, control, documents, entra, gateway, graph, linked_app, transfer};

/// Serves one request of any kind.
pub async fn serve(shared: &Shared, mut call: Call) -> Outcome {
    let path = call.path.clone();
    let under =
        |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let targets = vec![(call.method.clone(), call.target())];
    if let Some(rest) = under("/_emulator") {
        return Outcome::Reply(control::execute(shared, &call, rest));
    }
    if let Some(rest) = under("/graph") {
        // Records show the same path, whichever way a call took to Graph.
        call.path = rest.to_owned();
        return graph::serve(shared, &call, rest).await;
    }
    if path == "/ai-gateway/run" {
        return gateway::run::serve(shared, &call).await;
    }
    if let Some(rest) = under("/gateway") {
        return gateway::custom::serve(shared, &call, rest).await;
    }
    if let Some(rest) = under("/entra") {
        let run = async { Outcome::Reply(entra::execute(&mut shared.lock(), shared.keys(), &call, rest)) };
        return shared.observed("entra", &call, targets, run).await;
    }
    if let Some(rest) = under("/storage") {
        let run = async { Outcome::Reply(transfer::execute(&mut shared.lock(), &call, rest)) };
        return shared.observed("storage", &call, targets, run).await;
    }
    if let Some(rest) = under("/access") {
        let run = async { Outcome::Reply(access::execute(&mut shared.lock(), shared.keys(), &call, rest)) };
        return shared.observed("access", &call, targets, run).await;
    }
    if under("/documents").is_some() {
        let run = async { Outcome::Reply(documents::execute(&shared.lock(), &call)) };
        return shared.observed("documents", &call, targets, run).await;
    }
    if let Some(rest) = under("/app") {
        let run =
            async { Outcome::Reply(linked_app::execute(&mut shared.lock(), shared.keys(), &call, rest)) };
        return shared.observed("app", &call, targets, run).await;
    }
    Outcome::Reply(Reply::text(404, "text/plain", "no emulated service has this path"))
}
