//! The model that condenses long texts: its name with the gateway, and where it is asked.
//!
//! What holds here: it is a dynamic route of the same gateway, so that operators govern and count it like everything else;
//! its address is derived from a URL of the documented form or not at all.

use super::Reader;
use crate::gateway::GRAPH_HANDLER_MODEL;
use crate::outbound::Transport;

/// The longest name of a route, in bytes, with its prefix.
const NAME_BYTES_MAX: usize = 72;

/// A dynamic route of the gateway that answers chat completions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CondenseRoute {
    /// Its name as a model: `dynamic/<name>`.
    pub name: String,
    /// The gateway's endpoint for chat completions; none where the binding is asked.
    pub url: Option<String>,
}

/// Reads `CONDENSE_ROUTE`, which nothing else depends on.
pub(super) fn read<L: Fn(&str) -> Option<String>>(
    reader: &mut Reader<L>,
    transport: Option<Transport>,
    base_url: Option<&str>,
) -> Option<CondenseRoute> {
    let name = reader.optional("CONDENSE_ROUTE")?;
    let is_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() > NAME_BYTES_MAX || !name.strip_prefix("dynamic/").is_some_and(is_name) {
        reader.refuse(
            "CONDENSE_ROUTE",
            "must be `dynamic/` and the name of a route: letters, digits, '-' and '_'",
        );
        return None;
    }
    if name == GRAPH_HANDLER_MODEL {
        reader.refuse("CONDENSE_ROUTE", "must name a model, and not the route that carries calls of Graph");
        return None;
    }
    let url = match transport {
        Some(Transport::CustomProvider) => match base_url.map(chat_completions) {
            Some(Some(url)) => Some(url),
            Some(None) => {
                reader.refuse(
                    "CONDENSE_ROUTE",
                    "needs a GATEWAY_BASE_URL that ends with /v1/<account>/<gateway>/custom-<name>: the model is asked \
                     at its sibling /v1/<account>/<gateway>/compat/chat/completions",
                );
                return None;
            }
            // That the URL is missing was said above already.
            None => return None,
        },
        _ => None,
    };
    Some(CondenseRoute { name, url })
}

/// The endpoint for chat completions beside a custom provider (AI Gateway, dynamic routes, usage); none where the URL of the
/// provider is not of the documented form.
fn chat_completions(base_url: &str) -> Option<String> {
    let (gateway, provider) = base_url.rsplit_once('/')?;
    let mut parts = gateway.rsplit('/');
    let (id, account, version) = (parts.next()?, parts.next()?, parts.next()?);
    let has_form = provider.strip_prefix("custom-").is_some_and(|slug| !slug.is_empty())
        && !id.is_empty()
        && !account.is_empty()
        && version == "v1";
    has_form.then(|| format!("{gateway}/compat/chat/completions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_lies_beside_the_provider_of_the_documented_form_only() {
        let base = "https://gateway.ai.cloudflare.com/v1/account/gateway/custom-graph";
        let expected = "https://gateway.ai.cloudflare.com/v1/account/gateway/compat/chat/completions";
        assert_eq!(chat_completions(base).as_deref(), Some(expected));
        for other in [
            "https://gateway.example",
            "https://gateway.example/custom-graph",
            "https://gateway.example/v1/account/gateway/openai",
            "https://gateway.example/v2/account/gateway/custom-graph",
            "https://gateway.example/v1/account/gateway/custom-",
            "https://gateway.example/v1//gateway/custom-graph",
            "https://gateway.example/v1/account/gateway/custom-graph/more",
        ] {
            assert_eq!(chat_completions(other), None, "{other}");
        }
    }
}
