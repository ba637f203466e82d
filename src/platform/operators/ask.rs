//! How operators' questions reach the shards of the directory and the objects of people.
//!
//! What holds here: an answer that is not understood is trouble and never "nothing found"; shards are asked together.

use actors::bridge;
use futures::future::join_all;
use protocol::ids::{GrantId, RequestId, UserKey};
use protocol::object::{Caller, Command};
use protocol::operator::Order;
use protocol::operator::directory::{
    AuditPage, Fleet, Person, PersonPage, Question, SHARDS, shard_name, shard_of,
};
use serde::de::DeserializeOwned;
use web_sys::Response;
use worker::{Env, Result};

use super::super::{ask, objects};
use crate::operators::Operator;
use crate::operators::api::Trouble;

/// Who asks, and by which bindings.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) env: &'a Env,
    pub(super) operator: &'a Operator,
}

impl Asking<'_> {
    /// Asks one shard; `None` where it knows nothing of it.
    async fn shard<T: DeserializeOwned>(
        &self,
        shard: u8,
        question: &Question,
    ) -> std::result::Result<Option<T>, Trouble> {
        read(send(self.env, shard, question).await).await
    }

    /// Tells a shard something.
    pub(super) async fn tell(&self, shard: u8, question: Question) -> std::result::Result<(), Trouble> {
        match send(self.env, shard, &question).await {
            Ok(answer) if answer.status() == 204 => Ok(()),
            _ => Err(Trouble::Unavailable),
        }
    }

    /// Asks all shards together.
    pub(super) async fn all_shards<T: DeserializeOwned>(
        &self,
        question: impl Fn() -> Question,
    ) -> std::result::Result<Vec<T>, Trouble> {
        let question = question();
        let answers = join_all((0..SHARDS).map(|shard| self.shard(shard, &question))).await;
        answers.into_iter().map(|answer| answer?.ok_or(Trouble::Unavailable)).collect()
    }

    /// All people together, and how many shards did not answer.
    pub(super) async fn fleet(&self) -> (Fleet, u8) {
        let (mut fleet, mut silent) = (Fleet::default(), 0);
        for answer in join_all((0..SHARDS).map(|shard| self.shard(shard, &Question::Fleet))).await {
            match answer {
                Ok(Some(shard)) => fleet.add(&shard),
                _ => silent += 1,
            }
        }
        (fleet, silent)
    }

    /// A page of people, in the order of shards, which is that of user keys.
    pub(super) async fn people(
        &self,
        after: Option<UserKey>,
        limit: u32,
        attention: bool,
    ) -> std::result::Result<PersonPage, Trouble> {
        let first = after.as_ref().map_or(0, shard_of);
        let mut page = PersonPage::default();
        for shard in first..SHARDS {
            let left = limit.saturating_sub(u32::try_from(page.people.len()).unwrap_or(u32::MAX));
            let after = after.filter(|_| shard == first);
            let question = Question::List { after, limit: left, attention };
            let found: PersonPage = self.shard(shard, &question).await?.ok_or(Trouble::Unavailable)?;
            page.people.extend(found.people);
            page.next = found.next;
            if page.next.is_some() {
                break;
            }
        }
        Ok(page)
    }

    /// The people to look at first, the most urgent of all shards.
    pub(super) async fn most_urgent(&self, limit: u32) -> std::result::Result<PersonPage, Trouble> {
        let question = || Question::List { after: None, limit, attention: true };
        let pages: Vec<PersonPage> = self.all_shards(question).await?;
        let mut people: Vec<Person> = pages.into_iter().flat_map(|page| page.people).collect();
        people.sort_by_key(|person| person.attention.first().copied());
        people.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(PersonPage { people, next: None })
    }

    /// What the directory knows of a person.
    pub(super) async fn person(&self, user: &UserKey) -> std::result::Result<Option<Person>, Trouble> {
        self.shard(shard_of(user), &Question::Find { user: *user }).await
    }

    /// Everybody whose key begins so.
    pub(super) async fn by_prefix(&self, prefix: Vec<u8>) -> std::result::Result<PersonPage, Trouble> {
        let shard = prefix.first().map_or(0, |first| first >> 4);
        self.shard(shard, &Question::FindByPrefix { prefix }).await?.ok_or(Trouble::Unavailable)
    }

    /// Forgets somebody who was erased.
    pub(super) async fn forget(&self, user: UserKey) -> std::result::Result<(), Trouble> {
        self.tell(shard_of(&user), Question::Forget { user }).await
    }

    /// A page of the trail: the newest lines of all shards, or those about one person, which lie in one.
    pub(super) async fn trail(
        &self,
        before: Option<RequestId>,
        limit: u32,
        user: Option<UserKey>,
    ) -> std::result::Result<AuditPage, Trouble> {
        let question = Question::Trail { before, limit, user };
        if let Some(user) = user {
            return self.shard(shard_of(&user), &question).await?.ok_or(Trouble::Unavailable);
        }
        let pages: Vec<AuditPage> = self.all_shards(|| question.clone()).await?;
        let is_cut = pages.iter().any(|page| page.next.is_some());
        let mut lines: Vec<_> = pages.into_iter().flat_map(|page| page.lines).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.id));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_cut = is_cut || lines.len() > limit;
        lines.truncate(limit);
        let next = lines.last().map(|line| line.id).filter(|_| is_cut);
        Ok(AuditPage { lines, next })
    }

    /// Gives a person's object an order; `None` where it holds nobody, or nothing of the kind.
    pub(super) async fn order<T: DeserializeOwned>(
        &self,
        user: &UserKey,
        order: Order,
    ) -> std::result::Result<Option<T>, Trouble> {
        let caller = Caller {
            user: *user,
            grant: GrantId::from_bytes([0; 16]),
            client: self.operator.0.clone(),
            scopes: Vec::new(),
            access_identity: None,
        };
        let answer = read(ask(self.env, &caller, Command::Operate(Box::new(order))).await).await;
        answer.map_err(|_| Trouble::ObjectSilent)
    }
}

async fn send(env: &Env, shard: u8, question: &Question) -> Result<Response> {
    let frame = protocol::cbor::encode(question)
        .ok_or_else(|| worker::Error::RustError("the question was not encoded".to_owned()))?;
    bridge::ask(env, "DIRECTORY", &shard_name(shard), &frame).await
}

async fn read<T: DeserializeOwned>(answer: Result<Response>) -> std::result::Result<Option<T>, Trouble> {
    let answer = answer.map_err(|error| {
        tracing::warn!(%error, "an object did not answer");
        Trouble::Unavailable
    })?;
    match answer.status() {
        404 => Ok(None),
        200 => {
            let text = objects::text(&answer).await.map_err(|_| Trouble::Unavailable)?;
            serde_json::from_str(&text).map(Some).map_err(|_| Trouble::Unavailable)
        }
        _ => Err(Trouble::Unavailable),
    }
}
