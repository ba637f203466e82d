//! Subscriptions to changes and the notifications that they cause. Changes are found by comparing what a
//! mailbox or calendar holds with what it held before, so that no way of changing anything can be forgotten.
//! Delivery is at least once; `courier.rs` carries what is due. A subscription that is over must never speak.

use crate::agenda::Agendas;
use crate::clock::iso;
use crate::mailbox::Mailboxes;
use crate::settings::Notifications;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The messages in the inbox.
    Inbox,
    /// The events of all calendars.
    Events,
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its identifier.
    pub id: String,
    /// Whose mailbox.
    pub oid: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// The resource as it was written.
    pub resource: String,
    /// The change types, lower case.
    pub changes: Vec<String>,
    /// Where notifications go.
    pub url: String,
    /// Where lifecycle notifications go.
    pub lifecycle_url: Option<String>,
    /// The secret that each notification shows.
    pub client_state: Option<String>,
    /// When it ends.
    pub expires_ms: u64,
    /// Notifications that were taken.
    pub delivered: u64,
    seen: BTreeMap<String, u64>,
}

/// One notification on its way.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The subscription that speaks.
    pub subscription: String,
    /// Where to.
    pub url: String,
    /// What it says.
    pub body: Value,
    /// Deliveries that are still to be made after this one.
    pub repeats: u32,
    /// Attempts that failed.
    pub failures: u32,
    due_ms: u64,
}

/// All subscriptions, and what is on its way.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    list: Vec<Subscription>,
    outbox: Vec<Notification>,
}

/// What a topic holds now: identifiers and their versions.
fn contents(
    topic: Topic,
    oid: &str,
    mailboxes: &Mailboxes,
    agendas: &Agendas,
    now_ms: u64,
) -> BTreeMap<String, u64> {
    match topic {
        Topic::Inbox => {
            let messages = mailboxes.get(oid).into_iter().flat_map(|mailbox| &mailbox.messages);
            let inside = messages.filter(|m| m.folder == "inbox" && m.visible_at_ms <= now_ms);
            inside.map(|m| (m.immutable_id.clone(), m.change)).collect()
        }
        Topic::Events => {
            let events = agendas.get(oid).into_iter().flat_map(|agenda| &agenda.events);
            // A single day of a series changes the series.
            let version = |days: usize| u64::try_from(days).unwrap_or(0) << 32;
            events.map(|e| (e.immutable_id.clone(), e.change | version(e.exceptions.len()))).collect()
        }
    }
}

impl Subscription {
    /// As Graph shows it.
    pub fn shown(&self, application_id: &str) -> Value {
        json!({
            "id": self.id,
            "resource": self.resource,
            "applicationId": application_id,
            "changeType": self.changes.join(","),
            "clientState": self.client_state,
            "notificationUrl": self.url,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": iso(self.expires_ms),
            "creatorId": self.oid,
            "latestSupportedTlsVersion": "v1_2",
            "includeResourceData": false,
            "notificationQueryOptions": null,
            "encryptionCertificate": null,
            "encryptionCertificateId": null,
            "notificationUrlAppId": null,
        })
    }

    fn said(&self, tenant_id: &str, more: Value) -> Value {
        let mut body = json!({
            "subscriptionId": self.id,
            "subscriptionExpirationDateTime": iso(self.expires_ms),
            "clientState": self.client_state,
            "tenantId": tenant_id,
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    }

    fn change(&self, tenant_id: &str, kind: &str, item: &str, version: u64) -> Value {
        let (folder, name) = match self.topic {
            Topic::Inbox => ("Messages", "Message"),
            Topic::Events => ("Events", "Event"),
        };
        let resource = format!("Users/{}/{folder}/{item}", self.oid);
        let data = json!({
            "@odata.type": format!("#Microsoft.Graph.{name}"),
            "@odata.id": resource,
            "@odata.etag": format!("W/\"{version}\""),
            "id": item,
        });
        self.said(tenant_id, json!({ "changeType": kind, "resource": resource, "resourceData": data }))
    }

    /// What changed since the last look.
    fn compare(&mut self, tenant_id: &str, now: BTreeMap<String, u64>) -> Vec<Value> {
        let mut found = Vec::new();
        for (item, version) in &now {
            match self.seen.get(item) {
                None => found.push(("created", item.clone(), *version)),
                Some(before) if before != version => found.push(("updated", item.clone(), *version)),
                Some(_) => {}
            }
        }
        let gone = self.seen.iter().filter(|(item, _)| !now.contains_key(*item));
        found.extend(gone.map(|(item, version)| ("deleted", item.clone(), *version)));
        self.seen = now;
        let wanted = found.iter().filter(|(kind, ..)| self.changes.iter().any(|change| change == kind));
        wanted.map(|(kind, item, version)| self.change(tenant_id, kind, item, *version)).collect()
    }
}

impl Subscriptions {
    /// Begins a subscription: what is there already is no change.
    pub fn add(&mut self, mut made: Subscription, mailboxes: &Mailboxes, agendas: &Agendas, now_ms: u64) {
        made.seen = contents(made.topic, made.oid, mailboxes, agendas, now_ms);
        self.list.push(made);
    }

    /// A subscription before its first look.
    #[expect(clippy::too_many_arguments, reason = "the members of a request, each used once")]
    pub fn prepared(
        id: String,
        oid: &'static str,
        (topic, resource): (Topic, String),
        changes: Vec<String>,
        url: String,
        lifecycle_url: Option<String>,
        client_state: Option<String>,
        expires_ms: u64,
    ) -> Subscription {
        let (delivered, seen) = (0, BTreeMap::new());
        Subscription {
            id,
            oid,
            topic,
            resource,
            changes,
            url,
            lifecycle_url,
            client_state,
            expires_ms,
            delivered,
            seen,
        }
    }

    /// Those of a person that are not over.
    pub fn of(&self, oid: &str, now_ms: u64) -> impl Iterator<Item = &Subscription> {
        self.list.iter().filter(move |one| one.oid == oid && one.expires_ms > now_ms)
    }

    /// One of a person's, to be changed.
    pub fn find_mut(&mut self, oid: &str, id: &str, now_ms: u64) -> Option<&mut Subscription> {
        self.list.iter_mut().find(|one| one.oid == oid && one.id == id && one.expires_ms > now_ms)
    }

    /// Ends one; says whether there was one.
    pub fn remove(&mut self, oid: &str, id: &str, now_ms: u64) -> bool {
        let found = self.of(oid, now_ms).any(|one| one.id == id);
        self.list.retain(|one| one.oid != oid || one.id != id);
        found
    }

    /// Looks for changes and puts what has to be told on its way.
    pub fn observe(
        &mut self,
        (mailboxes, agendas): (&Mailboxes, &Agendas),
        settings: &Notifications,
        tenant_id: &str,
        now_ms: u64,
    ) {
        self.list.retain(|one| one.expires_ms > now_ms);
        for one in &mut self.list {
            let now = contents(one.topic, one.oid, mailboxes, agendas, now_ms);
            let said = one.compare(tenant_id, now);
            if settings.lost {
                continue;
            }
            let url = &one.url;
            self.outbox.extend(said.into_iter().map(|body| Notification {
                subscription: one.id.clone(),
                url: url.clone(),
                body,
                repeats: settings.repeats,
                failures: 0,
                due_ms: now_ms.saturating_add(settings.delay_ms),
            }));
        }
    }

    /// Sends a lifecycle event to every subscription of a person; one that is removed is over.
    pub fn lifecycle(&mut self, oid: &str, event: &str, tenant_id: &str, now_ms: u64) -> usize {
        let told: Vec<Subscription> = self.of(oid, now_ms).cloned().collect();
        for one in &told {
            let Some(url) = one.lifecycle_url.clone() else { continue };
            let body = one.said(tenant_id, json!({ "lifecycleEvent": event }));
            let (subscription, due_ms) = (one.id.clone(), now_ms);
            self.outbox.push(Notification { subscription, url, body, repeats: 0, failures: 0, due_ms });
            if event == "subscriptionRemoved" {
                self.remove(oid, &one.id, now_ms);
            }
        }
        told.len()
    }

    /// Takes what is due for one address, as one batch.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<Notification> {
        let Some(url) = self.outbox.iter().find(|one| one.due_ms <= now_ms).map(|one| one.url.clone()) else {
            return Vec::new();
        };
        self.outbox.extract_if(.., |one| one.url == url && one.due_ms <= now_ms).collect()
    }

    /// Takes note of how a batch went: what was not taken is tried again, as Graph does for hours.
    pub fn delivered(&mut self, batch: Vec<Notification>, was_taken: bool, now_ms: u64) {
        const RETRY_MS: u64 = 500;
        const RETRIES_MAX: u32 = 240;
        for mut one in batch {
            if was_taken {
                let speaker = self.list.iter_mut().find(|known| known.id == one.subscription);
                if let Some(speaker) = speaker {
                    speaker.delivered += 1;
                }
                if one.repeats > 0 {
                    one.repeats -= 1;
                    self.outbox.push(one);
                }
            } else if one.failures < RETRIES_MAX {
                one.failures += 1;
                one.due_ms = now_ms.saturating_add(RETRY_MS);
                self.outbox.push(one);
            }
        }
    }

    /// For the control plane.
    pub fn to_json(&self, application_id: &str, now_ms: u64) -> Value {
        let alive = self.list.iter().filter(|one| one.expires_ms > now_ms);
        let list: Vec<Value> = alive
            .map(|one| {
                let mut shown = one.shown(application_id);
                if let Some(shown) = shown.as_object_mut() {
                    shown.insert("delivered".into(), one.delivered.into());
                }
                shown
            })
            .collect();
        json!({ "subscriptions": list, "waiting": self.outbox.len() })
    }
}
