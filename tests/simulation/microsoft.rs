//! Microsoft as the object meets it: a mailbox that executes calls and counts what they did, and a token endpoint.
//!
//! What holds here: what is executed is counted at the moment of execution, whether or not the answer ever arrives. A
//! draft is sent once and is no draft afterwards; a sent mail shows up in Sent Items late or never; an old refresh token
//! stays valid after a new one was issued, as Entra ID keeps it. Nothing here knows the product's types.

use std::collections::{BTreeMap, BTreeSet};

use protocol::time::UnixMs;
use serde_json::{Value, json};

use crate::collaboration::Message;
use crate::dials::Dials;
use crate::random::Random;
use crate::wire::{GraphRequest, base64url, field};
use crate::world::EPOCH_MS;

pub(crate) const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const PERSON: &str = "aaaa0000-0000-4000-8000-00000000000a";
pub(crate) const CLIENT: &str = "client";
pub(crate) const LOGIN: &str = "https://login.microsoftonline.com";
/// How a code ends whose sign-in carried the demanded claims.
pub(crate) const STEPPED_UP: &str = "-stepped-up";
const DEMAND: &str = r#"{"access_token":{"CANARY":{"essential":true}}}"#;
pub(crate) const OPERATION: &str = "String {6d2a5f5e-93c1-4b0e-8f4e-2f6f0d3c7a11} Name M365McpOperation";

/// What is answered, before the network touches it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub status: u16,
    pub retry_after_s: Option<u64>,
    pub body: String,
}

#[derive(Debug)]
struct Mail {
    subject: String,
    operation: String,
    is_draft: bool,
    attachments: usize,
    /// When the copy in Sent Items can be seen; `None` for never.
    visible_at: Option<u64>,
}

/// What happened when a call was executed.
#[derive(Debug, Default)]
pub(crate) struct Microsoft {
    mails: BTreeMap<String, Mail>,
    /// Mails that left, by the operation that sent them.
    pub sent_by_operation: BTreeMap<String, u32>,
    /// Mails that left, by subject.
    pub sent_by_subject: BTreeMap<String, u32>,
    /// How many attachments each mail that left had, by subject.
    pub attached_by_subject: BTreeMap<String, usize>,
    /// Subjects of events, by `transactionId`.
    pub events: BTreeMap<String, String>,
    /// The `externalId` of every meeting.
    pub meetings: BTreeSet<String>,
    pub messages: Vec<Message>,
    /// How often each event that was there before was changed.
    pub changes: BTreeMap<String, u32>,
    access_tokens: BTreeMap<String, u64>,
    refresh_tokens: BTreeSet<String>,
    issued: u64,
    /// Refresh tokens of which Entra ID said that they are dead.
    pub denied: BTreeSet<String>,
    pub refreshes: u64,
    /// Whether a second factor is demanded that no sign-in has shown yet.
    is_demanding: bool,
    /// Graph calls that came with a token whose time was over.
    pub unauthorized: u64,
}

pub(crate) fn answer(status: u16, body: &Value) -> Response {
    Response { status, retry_after_s: None, body: body.to_string() }
}

pub(crate) fn graph_error(status: u16, code: &str) -> Response {
    answer(status, &json!({"error": {"code": code, "message": "CANARY quoted content", "innerError": {}}}))
}

pub(crate) fn gateway_error(status: u16, code: u32) -> Response {
    answer(status, &json!({"success": false, "error": [{"code": code, "message": "refused"}]}))
}

impl Microsoft {
    /// Executes one Graph call.
    pub(crate) fn graph(
        &mut self,
        request: &GraphRequest,
        now: u64,
        dials: &Dials,
        random: &mut Random,
    ) -> Response {
        if self.access_tokens.get(&request.bearer).is_none_or(|ends| *ends <= now) {
            self.unauthorized += 1;
            return graph_error(401, "InvalidAuthenticationToken");
        }
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["me", "messages"]) => self.create(&request.body),
            (method, ["me", "messages", id, "attachments"]) => self.attachments(method, id, &request.body),
            ("POST", ["me", "messages", id, "send"]) => self.send_draft(id, now, dials, random),
            ("POST", ["me", "sendMail"]) => {
                if request.body["saveToSentItems"] == Value::Bool(false) {
                    return graph_error(400, "ErrorInvalidRequest");
                }
                let created = self.create(&request.body["message"]);
                let id = format!("mail-{}", self.mails.len());
                if created.status != 201 {
                    return created;
                }
                self.leave(&id, now, dials, random);
                answer(202, &Value::Null)
            }
            ("GET", ["me", "messages", id]) => match self.mails.get(*id) {
                Some(mail) if mail.is_draft || mail.visible_at.is_some_and(|at| at <= now) => {
                    answer(200, &json!({"id": id, "isDraft": mail.is_draft}))
                }
                _ => graph_error(404, "ErrorItemNotFound"),
            },
            ("GET", ["me", "mailFolders", folder, "messages"]) => self.list(folder, request, now),
            _ => self.collaborate(request, UnixMs(EPOCH_MS + now), random),
        }
    }

    fn create(&mut self, message: &Value) -> Response {
        let operation = message["singleValueExtendedProperties"]
            .as_array()
            .and_then(|list| list.iter().find(|property| property["id"] == OPERATION))
            .and_then(|property| property["value"].as_str());
        let (Some(operation), Some(subject)) = (operation, message["subject"].as_str()) else {
            return graph_error(400, "ErrorInvalidRequest");
        };
        let id = format!("mail-{}", self.mails.len() + 1);
        let mail = Mail {
            subject: subject.to_owned(),
            operation: operation.to_owned(),
            is_draft: true,
            attachments: message["attachments"].as_array().map_or(0, Vec::len),
            visible_at: None,
        };
        self.mails.insert(id.clone(), mail);
        answer(201, &json!({"id": id, "subject": subject, "isDraft": true}))
    }

    /// What a draft has, and one more of it.
    fn attachments(&mut self, method: &str, id: &str, attachment: &Value) -> Response {
        let Some(draft) = self.mails.get_mut(id).filter(|mail| mail.is_draft) else {
            return graph_error(404, "ErrorItemNotFound");
        };
        if method == "GET" {
            let value: Vec<Value> = (0..draft.attachments).map(|at| json!({"id": at.to_string()})).collect();
            return answer(200, &json!({ "value": value }));
        }
        if attachment["contentBytes"].as_str().is_none() {
            return graph_error(400, "ErrorInvalidRequest");
        }
        draft.attachments += 1;
        answer(201, &json!({"id": draft.attachments.to_string()}))
    }

    fn send_draft(&mut self, id: &str, now: u64, dials: &Dials, random: &mut Random) -> Response {
        if self.mails.get(id).is_none_or(|mail| !mail.is_draft) {
            let status = if random.chance(500) { 404 } else { 400 };
            return graph_error(status, "ErrorItemNotFound");
        }
        self.leave(id, now, dials, random);
        answer(202, &Value::Null)
    }

    /// The mail leaves: the one effect that the simulation counts.
    fn leave(&mut self, id: &str, now: u64, dials: &Dials, random: &mut Random) {
        let visible_at =
            (!random.chance(dials.never_in_sent_items)).then(|| now + random.between(0, 120_000));
        if let Some(mail) = self.mails.get_mut(id) {
            mail.is_draft = false;
            mail.visible_at = visible_at;
            *self.sent_by_operation.entry(mail.operation.clone()).or_default() += 1;
            *self.sent_by_subject.entry(mail.subject.clone()).or_default() += 1;
            self.attached_by_subject.insert(mail.subject.clone(), mail.attachments);
        }
    }

    fn list(&self, folder: &str, request: &GraphRequest, now: u64) -> Response {
        let filter = request.parameter("$filter");
        if filter.is_empty() {
            let shown = json!({
                "id": "inbox-1", "subject": "CANARY of somebody else", "isRead": true, "hasAttachments": false,
                "from": {"emailAddress": {"name": "CANARY", "address": "CANARY@example.com"}},
                "receivedDateTime": "2027-01-15T08:00:00Z", "bodyPreview": "CANARY preview"
            });
            return answer(200, &json!({"value": [shown]}));
        }
        // Only the one filter that the product documents is understood; another one is refused as Microsoft would.
        let expected =
            format!("singleValueExtendedProperties/Any(ep: ep/id eq '{OPERATION}' and ep/value eq '");
        let Some(operation) = filter.strip_prefix(&expected).and_then(|rest| rest.strip_suffix("')")) else {
            return graph_error(400, "ErrorInvalidUrlQueryFilter");
        };
        let is_in_folder = |mail: &Mail| match folder {
            "drafts" => mail.is_draft,
            "sentitems" => !mail.is_draft && mail.visible_at.is_some_and(|at| at <= now),
            _ => false,
        };
        let found = self.mails.iter().filter(|(_, mail)| mail.operation == operation && is_in_folder(mail));
        let value: Vec<Value> = found.map(|(id, _)| json!({"id": id})).take(1).collect();
        answer(200, &json!({ "value": value }))
    }

    /// Executes one call of the token endpoint. `wall_s` is the time that an ID token's claims are made of.
    pub(crate) fn token(
        &mut self,
        form: &[(String, String)],
        now: u64,
        wall_s: u64,
        dials: &Dials,
        random: &mut Random,
    ) -> Response {
        if random.chance(dials.entra_outage) {
            return match random.below(3) {
                0 => Response { retry_after_s: Some(5), ..answer(429, &json!({})) },
                1 => answer(503, &json!({"error": "temporarily_unavailable"})),
                _ => Response { status: 502, retry_after_s: None, body: "<html>".to_owned() },
            };
        }
        if random.chance(dials.entra_invalid_client) {
            return answer(401, &json!({"error": "invalid_client"}));
        }
        let mail = if dials.two_step {
            "User.Read Mail.ReadWrite Mail.Send"
        } else {
            "https://graph.microsoft.com/Mail.Read https://graph.microsoft.com/Mail.Send"
        };
        let chats = if dials.reads_chats { "ChatMessage.Send Chat.Read" } else { "ChatMessage.Send" };
        let calendar = "Calendars.ReadWrite MailboxSettings.Read OnlineMeetings.ReadWrite";
        let scope = format!("{mail} {calendar} {chats}");
        let mut body = json!({"token_type": "Bearer", "expires_in": dials.token_life_s, "scope": scope});
        match field(form, "grant_type") {
            "authorization_code" => {
                let code = field(form, "code").strip_prefix("CANARY-code-").unwrap_or_default();
                let nonce = code.trim_end_matches(STEPPED_UP);
                self.is_demanding &= nonce == code;
                body["id_token"] = Value::from(id_token(nonce, wall_s));
            }
            "refresh_token" => {
                self.refreshes += 1;
                let presented = field(form, "refresh_token").to_owned();
                self.is_demanding |= random.chance(dials.entra_step_up);
                if self.is_demanding {
                    let body = json!({"error": "interaction_required", "claims": DEMAND});
                    return answer(400, &body);
                }
                if random.chance(dials.entra_invalid_grant) {
                    self.refresh_tokens.clear();
                }
                if !self.refresh_tokens.contains(&presented) {
                    self.denied.insert(presented);
                    return answer(400, &json!({"error": "invalid_grant", "suberror": "bad_token"}));
                }
            }
            _ => return answer(400, &json!({"error": "unsupported_grant_type"})),
        }
        self.issued += 1;
        let access = format!("CANARY-access-{}", self.issued);
        let refresh = format!("CANARY-refresh-{}", self.issued);
        self.access_tokens.insert(access.clone(), now + dials.token_life_s * 1_000);
        self.refresh_tokens.insert(refresh.clone());
        body["access_token"] = Value::from(access);
        body["refresh_token"] = Value::from(refresh);
        answer(200, &body)
    }

    /// Tokens of an earlier run are known to nobody any more; those of this one are newer.
    pub(crate) const fn go_on_after_old_tokens(&mut self) {
        self.issued = 100;
    }

    /// All access tokens end at once, as after a change of policy.
    pub(crate) fn revoke_access(&mut self) {
        self.access_tokens.clear();
    }
}

fn id_token(nonce: &str, wall_s: u64) -> String {
    let claims = json!({
        "iss": format!("{LOGIN}/{TENANT}/v2.0"), "aud": CLIENT, "tid": TENANT, "oid": PERSON,
        "nonce": nonce, "exp": wall_s + 3_600, "nbf": wall_s.saturating_sub(300)
    });
    let header = base64url(br#"{"alg":"RS256"}"#);
    format!("{header}.{}.{}", base64url(claims.to_string().as_bytes()), base64url(b"signature"))
}
