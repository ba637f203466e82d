//! The whole state of the emulator in one value, and the handle through which requests share it. All
//! services are functions over `World`; only `Shared` knows about locks and waiting. A lock is held for
//! one synchronous step and never across an await.

use crate::access::sign_in::Codes;
use crate::agenda::Agendas;
use crate::clock::Clock;
use crate::concurrency::Concurrency;
use crate::contacts::Contacts;
use crate::drives::Drives;
use crate::entra::assertion::Certificates;
use crate::entra::store::Grants;
use crate::faults::{Action, Faults, shortcut_reply};
use crate::gateway::log::GatewayState;
use crate::ids::Ids;
use crate::jwt::Keys;
use crate::mailbox::{Mailboxes, Post};
use crate::options::Options;
use crate::planner::Planner;
use crate::records::Records;
use crate::settings::Settings;
use crate::storage::Storage;
use crate::subscriptions::Subscriptions;
use crate::teamwork::Teamwork;
use crate::tenant::{self, Directory};
use crate::todo::Todo;
use crate::wire::{Call, Outcome, Reply, pair, parse_pairs};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Everything that can change.
#[derive(Debug)]
pub struct World {
    /// The start-up options.
    pub options: Options,
    /// This emulator's own origin.
    pub base: String,
    /// The time.
    pub clock: Clock,
    /// Hands out ids.
    pub ids: Ids,
    /// What tests may change.
    pub settings: Settings,
    /// Who there is.
    pub directory: Directory,
    /// The mailboxes.
    pub mailboxes: Mailboxes,
    /// The calendars.
    pub agendas: Agendas,
    /// The contacts.
    pub contacts: Contacts,
    /// Teams, chats and meetings.
    pub teamwork: Teamwork,
    /// The settings of mailboxes that differ from the defaults, by object id.
    pub preferences: BTreeMap<&'static str, Map<String, Value>>,
    /// OneDrive and SharePoint.
    pub drives: Drives,
    /// The lists and tasks of To Do.
    pub todo: Todo,
    /// The plans of teams.
    pub planner: Planner,
    /// What is carried up and down by addresses that need no token.
    pub storage: Storage,
    /// Codes and tokens.
    pub grants: Grants,
    /// Tokens of sign-ins through Access.
    pub access_tokens: crate::access::sign_in::Issued,
    /// What was ordered at the internal application.
    pub orders: Vec<Value>,
    /// Codes of sign-ins through Access.
    pub access_codes: Codes,
    /// The certificates of the application.
    pub certificates: Certificates,
    /// The gateway's log, cache and counters.
    pub gateway: GatewayState,
    /// The record of requests.
    pub records: Records,
    /// The fault rules.
    pub faults: Faults,
    /// Requests in flight.
    pub concurrency: Concurrency,
    /// Subscriptions to changes.
    pub subscriptions: Subscriptions,
    /// The writes that were refused because nobody may write at the moment.
    pub refused_writes: Vec<String>,
}

impl World {
    /// A fresh world with the demo tenant in it.
    pub fn new(options: Options, base: String) -> Self {
        let clock = Clock::default();
        let now_ms = clock.now_ms();
        let directory = options.tenant.directory();
        let ids = Ids::new(options.seed, now_ms);
        let mut world = Self {
            settings: Settings::initial(&options),
            options,
            base,
            clock,
            ids,
            directory,
            mailboxes: Mailboxes::new(directory),
            agendas: Agendas::new(directory),
            contacts: Contacts::default(),
            teamwork: Teamwork::default(),
            preferences: BTreeMap::new(),
            drives: Drives::default(),
            todo: Todo::default(),
            planner: Planner::default(),
            storage: Storage::default(),
            grants: Grants::default(),
            access_tokens: crate::access::sign_in::Issued::default(),
            orders: Vec::new(),
            access_codes: Codes::default(),
            certificates: Certificates::default(),
            gateway: GatewayState::default(),
            records: Records::default(),
            faults: Faults::default(),
            concurrency: Concurrency::default(),
            subscriptions: Subscriptions::default(),
            refused_writes: Vec::new(),
        };
        crate::seed::fill(&mut world, now_ms);
        world
    }

    /// Back to the start, except for what is in flight.
    pub fn reset(&mut self) {
        let fresh = Self::new(self.options.clone(), self.base.clone());
        let mut concurrency = std::mem::take(&mut self.concurrency);
        concurrency.clear_marks();
        // The numbering goes on, or a request in flight would close another one's record.
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        *self = Self { concurrency, records, ..fresh };
    }

    /// The time.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Whose request it is, by its token: Graph's bearer, or what is redeemed at Entra. The gateway's own
    /// requests belong to nobody, since the Graph call inside of each counts already.
    pub fn owner(&self, service: &str, call: &Call) -> Option<&'static str> {
        let oid = match service {
            "graph" => self.grants.access.get(call.headers.bearer("authorization")?)?.oid,
            "entra" if call.method == "POST" => {
                let form = parse_pairs(std::str::from_utf8(&call.body).ok()?)?;
                let by_code = || Some(self.grants.codes.get(pair(&form, "code")?)?.oid);
                let by_token = || Some(self.grants.refresh.get(pair(&form, "refresh_token")?)?.oid);
                by_code().or_else(by_token)?
            }
            _ => return None,
        };
        tenant::by_oid(oid).map(|user| user.address)
    }

    /// Puts what has changed since the last request on its way to those who subscribed.
    pub fn observe_changes(&mut self) {
        let now_ms = self.now_ms();
        let settings = &self.settings.notifications;
        let (held, tenant_id) = ((&self.mailboxes, &self.agendas), &self.options.tenant_id);
        self.subscriptions.observe(held, settings, tenant_id, now_ms);
    }

    /// The mailboxes together with what delivery needs.
    pub fn post(&mut self) -> (&mut Mailboxes, Post<'_>) {
        let now_ms = self.clock.now_ms();
        (&mut self.mailboxes, Post { ids: &mut self.ids, settings: &self.settings, now_ms })
    }
}

/// The state as all requests share it.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    keys: Keys,
}

impl Shared {
    /// Shares a world.
    pub fn new(world: World) -> Self {
        Self { inner: Arc::new(Inner { world: Mutex::new(world), keys: Keys::default() }) }
    }

    /// The world, for one synchronous step.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The signing keys.
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// Records a request around its execution, with fault rules in between.
    pub async fn observed<F>(
        &self,
        service: &'static str,
        call: &Call,
        targets: Vec<(String, String)>,
        run: F,
    ) -> Outcome
    where
        F: Future<Output = Outcome>,
    {
        let visit = Visit::begin(self, service, call);
        let outcome = self.with_faults(service, &targets, run).await;
        visit.end(&outcome);
        outcome
    }

    async fn with_faults<F>(&self, service: &'static str, targets: &[(String, String)], run: F) -> Outcome
    where
        F: Future<Output = Outcome>,
    {
        let (action, request_id, now_ms) = {
            let mut world = self.lock();
            let now_ms = world.now_ms();
            (world.faults.take(service, targets), world.ids.uuid(), now_ms)
        };
        let Some(action) = action else { return run.await };
        if let Some(reply) = shortcut_reply(service, &action, &request_id, now_ms) {
            return Outcome::Reply(reply);
        }
        match action {
            Action::Respond(canned) => Outcome::Reply(canned.reply()),
            Action::DelayMs(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                run.await
            }
            Action::DropBefore(_) => Outcome::Drop,
            Action::DropAfter(_) => {
                run.await;
                Outcome::Drop
            }
            Action::Hang(_) => std::future::pending().await,
            Action::Truncate(length) => match run.await {
                Outcome::Reply(reply) => Outcome::Truncate(reply, length),
                other => other,
            },
            Action::RespondAfter(canned) => {
                run.await;
                Outcome::Reply(canned.reply())
            }
            _ => Outcome::Reply(Reply::text(500, "text/plain", "a shortcut had no answer")),
        }
    }
}

/// Marks a request as in flight; dropping it without `end` means that the client went away.
struct Visit {
    shared: Shared,
    service: &'static str,
    user: Option<&'static str>,
    record: u64,
    ended: bool,
}

impl Visit {
    fn begin(shared: &Shared, service: &'static str, call: &Call) -> Self {
        let mut world = shared.lock();
        let now_ms = world.now_ms();
        let user = world.owner(service, call);
        let record = world.records.begin(service, user, call, now_ms);
        world.concurrency.enter(service, user);
        drop(world);
        Self { shared: shared.clone(), service, user, record, ended: false }
    }

    fn close(&self, ended: &'static str, status: Option<u16>) {
        let mut world = self.shared.lock();
        let now_ms = world.now_ms();
        world.records.end(self.record, ended, status, now_ms);
        world.concurrency.leave(self.service, self.user);
    }

    fn end(mut self, outcome: &Outcome) {
        self.ended = true;
        match outcome {
            Outcome::Reply(reply) => self.close("answered", Some(reply.status)),
            Outcome::Drop => self.close("dropped", None),
            Outcome::Truncate(reply, _) => self.close("truncated", Some(reply.status)),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.ended {
            self.close("abandoned", None);
        }
    }
}
