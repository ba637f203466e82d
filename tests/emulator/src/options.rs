//! The start-up options of the emulator. They hold what a deployment would configure once (client,
//! tenant, gateway, tokens); everything that a test changes on the fly lives in `settings.rs`.
//! This file must never read the environment or the disk: the caller decides every value.

use crate::tenant::Directory;
use serde::{Deserialize, Serialize};

/// Which tenant is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tenant {
    /// Four people with some two dozen mails each.
    #[default]
    Small,
    /// Forty people, one of whom has three thousand mails of two years.
    Realistic,
}

impl Tenant {
    /// Who is in it.
    pub fn directory(self) -> Directory {
        match self {
            Self::Small => Directory::small(),
            Self::Realistic => Directory::realistic(),
        }
    }
}

/// What is fixed for the life of one emulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port to listen on at 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// The registered application's client id.
    pub client_id: String,
    /// The registered application's client secret.
    pub client_secret: String,
    /// The demo tenant's id.
    pub tenant_id: String,
    /// The AI Gateway that exists on the emulated account.
    pub gateway_id: String,
    /// The token that the custom-provider route expects in `cf-aig-authorization`.
    pub gateway_token: String,
    /// The audience tag of the emulated Access application.
    pub access_aud: String,
    /// The id of the emulated Access for SaaS application.
    pub access_client_id: String,
    /// Its secret.
    pub access_client_secret: String,
    /// Where Graph says it lives in `@odata.nextLink`; `None` means this emulator's own `/graph`.
    pub graph_origin: Option<String>,
    /// Seeds the identifiers, so that two runs with the same calls give the same ids.
    pub seed: u64,
    /// Which tenant is played.
    pub tenant: Tenant,
    /// How long a sent mail takes to show up in Sent Items; `None` means never.
    pub sent_items_delay_ms: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            client_id: "00000000-0000-4000-8000-00000000c11e".into(),
            client_secret: "emulator-secret".into(),
            tenant_id: "11111111-2222-4333-8444-555555555555".into(),
            gateway_id: "m365-gateway".into(),
            gateway_token: "emulator-gateway-token".into(),
            access_aud: "emulator-access-audience".into(),
            access_client_id: "emulator-access-client".into(),
            access_client_secret: "emulator-access-secret".into(),
            graph_origin: None,
            seed: 1,
            tenant: Tenant::Small,
            sent_items_delay_ms: Some(0),
        }
    }
}
