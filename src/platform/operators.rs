//! Operators on the platform: who they are, what they ask of the directory and of people's objects, and their actions.
//!
//! What holds here: nothing is read before it is established that an operator asks; nothing is answered before the trail
//! has a line about it; an action has one before it and one behind it.

mod ask;
mod export;

use actors::egress::depart;
use actors::log::LogLine;
use actors::turn::Outbound;
use protocol::config::{Application, Config};
use protocol::ids::{GrantId, OpId, RequestId, UserKey};
use protocol::limits::OPERATOR_CREDENTIAL_LIFETIME_MAX;
use protocol::operator::credential::Confirmation;
use protocol::operator::directory::{
    AuditLine, Person, PersonPage, Question, SHARDS, address_marks, shard_of,
};
use protocol::operator::view::{Acted, Overview, RequestView};
use protocol::operator::{Action, Order};
use protocol::secret::Secret;
use web_sys::Response;
use worker::{Env, Result};

use super::incoming::Incoming;
use super::{access, body, now, query, random, read_parameters, respond};
use crate::access::Refused;
use crate::cookies::{end_cookie, read_text_cookie, set_cookie};
use crate::operators::api::{self, Answer, Trouble};
use crate::operators::pages::{Viewer, links};
use crate::operators::render::Around;
use crate::operators::request::{Form, Sought, Wish, prefix_of, read};
use crate::operators::{self, Guard, Operator, metrics, self_test};
use crate::reply::Reply;
use ask::Asking;

/// The cookie that holds an operator's credential.
const COOKIE: &str = "m365-operator";

/// The longest body that an operator sends: a confirmation, a credential, or what is searched for.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// People to look at who are shown on the first page.
const ATTENTION_SHOWN: u32 = 20;

/// Serves one request below `/ops`.
pub(super) async fn serve(config: &Config, request: &Incoming, env: &Env) -> Result<Response> {
    let (form, wish) = read(request.method(), request.path(), &query(request)?);
    let guard = operators::guard(config);
    let logs = operators::gateway_logs_url(config);
    let viewer = Viewer { operator: None, access_mode: &config.access_mode, guard, now: now() };
    let around = Around { form, viewer, lacks: operators::lacks(config), gateway_logs_url: logs.as_deref() };
    let operator = match identify(config, guard, request, env).await? {
        Ok(Some(operator)) => operator,
        Ok(None) => return sign_in(config, request, &wish, &around).await,
        Err(refused) => return respond(around.refusal(refused)),
    };
    let around = Around { viewer: Viewer { operator: Some(&operator.0), ..viewer }, ..around };
    let looker = Looker { config, env, operator: &operator, around };
    let asked = match fields(request, &wish).await? {
        Ok(fields) => looker.serve(&wish, &fields).await,
        Err(trouble) => Err(trouble),
    };
    match asked {
        Ok(served) => served,
        Err(trouble) => respond(around.trouble(trouble)),
    }
}

/// Who asks; `None` where nobody brings a credential that is good.
async fn identify(
    config: &Config,
    guard: Guard<'_>,
    request: &Incoming,
    env: &Env,
) -> Result<std::result::Result<Option<Operator>, Refused>> {
    if let Guard::Own(application) | Guard::Shared(application) = guard {
        return Ok(by_access(config, guard, application, request, env).await.map(Some));
    }
    let authorization = request.header("authorization")?;
    let sent = authorization.as_deref().and_then(|header| header.split_once(' ')).map(|(_, text)| text);
    let kept = read_text_cookie(config, COOKIE, request.header("cookie")?.as_deref());
    Ok(Ok(sent.or(kept.as_deref()).and_then(|text| operators::by_credential(config, text, now()))))
}

async fn by_access(
    config: &Config,
    guard: Guard<'_>,
    application: &Application,
    request: &Incoming,
    env: &Env,
) -> std::result::Result<Operator, Refused> {
    let identity = access::identity(application, request, env).await?;
    operators::by_identity(config, guard, &identity)
}

/// The fields of a body: a form of a page, or the members of a JSON object of the API.
async fn fields(
    request: &Incoming,
    wish: &Wish,
) -> Result<std::result::Result<protocol::oauth::Parameters, Trouble>> {
    let takes_body =
        matches!(wish, Wish::Search | Wish::Act { is_done: true, .. } | Wish::SignIn { is_sent: true });
    if !takes_body {
        return Ok(Ok(protocol::oauth::Parameters::default()));
    }
    let Ok((bytes, _held)) = body::read(request, BODY_BYTES_MAX).await? else {
        return Ok(Err(Trouble::Malformed));
    };
    let Ok(text) = String::from_utf8(bytes) else { return Ok(Err(Trouble::Malformed)) };
    let media = request.header("content-type")?.unwrap_or_default();
    if media.starts_with("application/x-www-form-urlencoded") {
        let form = read_parameters(&text)?;
        return Ok(form.check().map(|()| form).map_err(|_| Trouble::Malformed));
    }
    let members: Option<std::collections::BTreeMap<String, String>> =
        if text.trim().is_empty() { Some(Default::default()) } else { serde_json::from_str(&text).ok() };
    Ok(members
        .map(|members| protocol::oauth::Parameters::unchecked(members.into_iter().collect()))
        .ok_or(Trouble::Malformed))
}

/// Where a credential is handed over, and what everybody without one sees on every other path.
async fn sign_in(config: &Config, request: &Incoming, wish: &Wish, around: &Around<'_>) -> Result<Response> {
    const REFUSED: &str =
        "This is no credential of this server, or it has ended. Make another one with the command below.";
    const NEEDED: &str = "This is for operators. Sign in first.";
    let is_sent = match wish {
        Wish::SignIn { is_sent } => *is_sent,
        _ => return respond(around.sign_in(Some(NEEDED))),
    };
    if !is_sent {
        return respond(around.sign_in(None));
    }
    let Ok(fields) = fields(request, wish).await? else { return respond(around.sign_in(Some(REFUSED))) };
    let credential = fields.get("credential").map(str::trim).unwrap_or_default();
    if operators::by_credential(config, credential, now()).is_none() {
        return respond(around.sign_in(Some(REFUSED)));
    }
    let kept_for = OPERATOR_CREDENTIAL_LIFETIME_MAX;
    let cookie = set_cookie(config, COOKIE, credential.as_bytes(), kept_for, random()?);
    respond(match cookie {
        Some(cookie) => Reply::see_other(links::FLEET.to_owned()).with("set-cookie", cookie),
        None => around.trouble(Trouble::Unavailable),
    })
}

/// An operator at work.
struct Looker<'a> {
    config: &'a Config,
    env: &'a Env,
    operator: &'a Operator,
    around: Around<'a>,
}

impl Looker<'_> {
    async fn serve(
        &self,
        wish: &Wish,
        fields: &protocol::oauth::Parameters,
    ) -> std::result::Result<Result<Response>, Trouble> {
        let answer = match wish {
            Wish::NotFound => return Err(Trouble::NotFound),
            Wish::WrongMethod(allow) => return Err(Trouble::WrongMethod(allow)),
            Wish::Document => return Ok(respond(Reply::json_text(200, api::DOCUMENT.to_owned()))),
            Wish::Metrics => {
                // Counts that lack a part would look like a counter that fell.
                return match self.asking().fleet().await {
                    (fleet, 0) => Ok(respond(metrics::reply(&fleet))),
                    _ => Err(Trouble::Unavailable),
                };
            }
            Wish::SignIn { .. } => return Ok(respond(Reply::see_other(links::FLEET.to_owned()))),
            Wish::SignOut => {
                let reply = Reply::see_other(links::SIGN_IN.to_owned());
                return Ok(respond(reply.with("set-cookie", end_cookie(self.config, COOKIE))));
            }
            Wish::Export(user, encoding) => {
                self.note(wish, Some(*user), Some(encoding.ending()), "ok").await?;
                return export::stream(self.asking(), *user, *encoding).await;
            }
            Wish::Search => self.search(fields.get("q").unwrap_or_default()).await?,
            Wish::Act { user, action, is_done } => self.act(wish, *user, *action, *is_done, fields).await?,
            Wish::Request(id) => {
                let found = self.request(id).await?;
                let user = found.as_ref().map(|request| request.user);
                let outcome = if found.is_some() { "ok" } else { "not found" };
                self.note(wish, user, Some(&id.to_string()), outcome).await?;
                Answer::Request(Box::new(found.ok_or(Trouble::NotFound)?))
            }
            Wish::SelfTest { is_run } => {
                if *is_run {
                    self.note(wish, None, None, "ok").await?;
                    Answer::Checks(Some(self.self_test().await?))
                } else {
                    Answer::Checks(None)
                }
            }
            Wish::Fleet
            | Wish::People { .. }
            | Wish::Person(_)
            | Wish::Ledger(..)
            | Wish::Trail { .. }
            | Wish::VerificationKey(_) => {
                let looked = self.look(wish).await;
                let outcome = match &looked {
                    Ok(_) => "ok",
                    Err(trouble) => trouble.told().1,
                };
                self.note(wish, wish.user(), None, outcome).await?;
                looked?
            }
        };
        Ok(respond(self.around.answer(&answer)))
    }

    const fn asking(&self) -> Asking<'_> {
        Asking { env: self.env, operator: self.operator }
    }

    /// What only reads.
    async fn look(&self, wish: &Wish) -> std::result::Result<Answer, Trouble> {
        let asking = self.asking();
        Ok(match wish {
            Wish::People { after, limit, attention } => Answer::People {
                page: asking.people(*after, *limit, *attention).await?,
                after: *after,
                attention: *attention,
            },
            Wish::Person(user) => {
                let person = asking.person(user).await?.ok_or(Trouble::NotFound)?;
                let overview = match asking.order::<Overview>(user, Order::Look).await {
                    Ok(overview) => overview,
                    // What the directory knows is what can be shown of an object that cannot be read.
                    Err(Trouble::ObjectSilent) if person.fault.is_some() => None,
                    Err(trouble) => return Err(trouble),
                };
                if overview.is_none() && person.fault.is_none() {
                    return Err(Trouble::NotFound);
                }
                Answer::Person { person, overview: overview.map(Box::new) }
            }
            Wish::Ledger(user, query) => {
                asking.person(user).await?.ok_or(Trouble::NotFound)?;
                let page = asking.order(user, Order::Requests(query.clone())).await?;
                Answer::Ledger { user: *user, query: query.clone(), page: page.ok_or(Trouble::NotFound)? }
            }
            Wish::Trail { before, limit, user } => {
                let page = asking.trail(*before, *limit, *user).await?;
                Answer::Trail { user: *user, before: *before, page }
            }
            Wish::VerificationKey(user) => {
                asking.person(user).await?.ok_or(Trouble::NotFound)?;
                let key = asking.order(user, Order::VerificationKey).await?;
                Answer::VerificationKey(key.ok_or(Trouble::NotFound)?)
            }
            _ => {
                let (fleet, shards_silent) = asking.fleet().await;
                let attention = match shards_silent {
                    0 => asking.most_urgent(ATTENTION_SHOWN).await?,
                    _ => PersonPage::default(),
                };
                Answer::Fleet { fleet, attention, shards_silent }
            }
        })
    }

    /// Finds a request whose person nobody named, by the 40 bits of the key in its identifier.
    async fn request(&self, id: &RequestId) -> std::result::Result<Option<RequestView>, Trouble> {
        let asking = self.asking();
        for person in asking.by_prefix(prefix_of(id)).await?.people {
            if let Some(found) = asking.order::<RequestView>(&person.user, Order::Request { id: *id }).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn search(&self, text: &str) -> std::result::Result<Answer, Trouble> {
        let asking = self.asking();
        let sought = Sought::read(text);
        let mut request = None;
        let people: Vec<Person> = match &sought {
            Sought::Person(user) => asking.person(user).await?.into_iter().collect(),
            Sought::Prefix(prefix) => asking.by_prefix(prefix.clone()).await?.people,
            Sought::Request(id) => {
                request = self.request(id).await?.map(Box::new);
                Vec::new()
            }
            Sought::Address(address) => {
                let marks = address_marks(&self.config.registration_keys, address)
                    .map_err(|_| Trouble::Unavailable)?;
                let question = || Question::FindByAddress { marks: marks.clone() };
                let pages: Vec<PersonPage> = asking.all_shards(question).await?;
                pages.into_iter().flat_map(|page| page.people).collect()
            }
            Sought::Nothing => Vec::new(),
        };
        let outcome = if people.is_empty() && request.is_none() { "nothing found" } else { "ok" };
        self.note(&Wish::Search, None, Some(sought.way()), outcome).await?;
        Ok(Answer::Found { people, request })
    }

    /// Says what an action does, or does it for whoever was told.
    async fn act(
        &self,
        wish: &Wish,
        user: UserKey,
        action: Action,
        is_done: bool,
        fields: &protocol::oauth::Parameters,
    ) -> std::result::Result<Answer, Trouble> {
        let asking = self.asking();
        asking.person(&user).await?.ok_or(Trouble::NotFound)?;
        let grant = match action {
            Action::RevokeClient { grant } => Some(grant),
            _ => None,
        };
        let confirmation = Confirmation {
            operator: self.operator.0.clone(),
            action: action.name().to_owned(),
            user: Some(user),
            grant,
            asked_at: now(),
        };
        let given = fields.get("confirmation");
        let keys = &self.config.encryption_keys;
        match given {
            Some(text) if is_done && confirmation.is_given_by(keys, text, now()) => {}
            Some(_) if is_done => return Err(Trouble::NotConfirmed),
            // A program asks by sending no confirmation; a form without one is broken.
            _ if is_done && self.around.form == Form::Page => return Err(Trouble::NotConfirmed),
            _ => {
                let nonce = random().map_err(|_| Trouble::Unavailable)?;
                let confirmation = confirmation.seal(keys, nonce).map_err(|_| Trouble::Unavailable)?;
                let client = self.client_of(&user, grant).await?;
                return Ok(Answer::Asked { user, action, client, confirmation });
            }
        }
        let detail = grant.map(|grant| grant.to_string());
        self.note(wish, Some(user), detail.as_deref(), "asked").await?;
        let acted = asking.order::<Acted>(&user, Order::Act(action)).await;
        let outcome = match &acted {
            Ok(Some(acted)) if acted.changed => "done",
            Ok(Some(_)) => "nothing to do",
            Ok(None) => "not found",
            Err(_) => "failed",
        };
        if outcome != "failed" && action == Action::Erase {
            asking.forget(user).await?;
        }
        self.note(wish, Some(user), detail.as_deref(), outcome).await?;
        Ok(Answer::Done { user, acted: acted?.ok_or(Trouble::NotFound)? })
    }

    /// What the client of a grant calls itself.
    async fn client_of(
        &self,
        user: &UserKey,
        grant: Option<GrantId>,
    ) -> std::result::Result<Option<String>, Trouble> {
        let Some(grant) = grant else { return Ok(None) };
        let overview = self.asking().order::<Overview>(user, Order::Look).await?.ok_or(Trouble::NotFound)?;
        let client = overview.grants.into_iter().find(|known| known.id == grant).map(|known| known.client);
        client.map(Some).ok_or(Trouble::NotFound)
    }

    async fn self_test(&self) -> std::result::Result<Vec<self_test::Check>, Trouble> {
        let nobody = UserKey::from_bytes([0; 16]);
        let request = RequestId::new(now(), &nobody, random().map_err(|_| Trouble::Unavailable)?);
        let mut checks = Vec::new();
        for (sequence, (name, call)) in (0..).zip(self_test::probes()) {
            let bearer = Secret::new(self_test::NO_TOKEN.to_owned());
            let outbound = Outbound::Graph { call, bearer, tool: "self-test", trace: None };
            let departure = depart(self.config, nobody, OpId { request, sequence }, &outbound);
            checks.extend(self_test::judge(name, &actors::send(self.env, departure).await));
        }
        Ok(checks)
    }

    /// Adds a line to the trail and to the log. Without it nothing is answered.
    async fn note(
        &self,
        wish: &Wish,
        user: Option<UserKey>,
        detail: Option<&str>,
        outcome: &str,
    ) -> std::result::Result<(), Trouble> {
        let Some(what) = wish.trail_name() else { return Ok(()) };
        let about = user.unwrap_or(UserKey::from_bytes([0; 16]));
        let at = now();
        let id = RequestId::new(at, &about, random().map_err(|_| Trouble::Unavailable)?);
        let line = LogLine::new("operator", at)
            .with("operator", self.operator.0.as_str())
            .with("what", what)
            .with_some("userKey", user.map(|user| user.to_string()))
            .with_some("detail", detail)
            .with("outcome", outcome)
            .with("auditId", id.to_string());
        worker::console_log!("{}", line.to_json());
        let line = AuditLine {
            id,
            at_ms: at,
            operator: self.operator.0.clone(),
            what: what.to_owned(),
            user,
            detail: detail.map(str::to_owned),
            outcome: outcome.to_owned(),
        };
        // Lines that are about nobody are spread as evenly as those about people.
        let shard =
            user.map_or_else(|| id.as_bytes().last().map_or(0, |byte| byte % SHARDS), |user| shard_of(&user));
        self.asking().tell(shard, Question::Audit(line)).await
    }
}
