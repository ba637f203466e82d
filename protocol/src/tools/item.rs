//! Resources by template: one mail, event, team or channel, named in a URI and read from Microsoft.
//!
//! What holds here: an identifier in a URI is decoded once, must be a segment of a path, and is never pasted; what other
//! people wrote is marked as theirs and shown as a person would see it.

use serde_json::{Value, json};

use super::calendar as event;
use super::catalogue::{CALENDARS_READ, MAIL_READ};
use super::collection::{Field, Kind, list, person, read, shown, text};
use super::error::ToolError;
use super::plan::Reading;
use super::resource::TEAM;
use super::{Finished, Resource, Step, Surroundings};
use crate::graph::{IMMUTABLE_IDS, UTC_TIMES, query, segment};
use crate::html::visible_text;
use crate::limits::ITEM_TEXT_BYTES_MAX;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::zones::Zone;

/// Whom an item is by.
const BY_OTHERS: &str = "an item of Microsoft 365, written by whoever made it";

/// An item being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadItem {
    resource: Resource,
    uri: String,
    path: String,
}

impl ReadItem {
    /// `uri` is one of the template of `resource`, and `expanded` the same without handles.
    pub(super) fn new(
        resource: Resource,
        uri: &str,
        expanded: &str,
        around: Surroundings<'_>,
    ) -> Result<Self, ToolError> {
        let not_there =
            || ToolError::not_found("There is no such item. The identifier in the URI is not one.");
        let ids = resource.identifiers(expanded).ok_or_else(not_there)?;
        let ids: Vec<String> =
            ids.iter().map(|id| segment(id)).collect::<Result<_, _>>().map_err(|_| not_there())?;
        let path = match (resource, ids.as_slice()) {
            (Resource::Message, [id]) => {
                around.require(&MAIL_READ)?;
                let fields = "id,parentFolderId,subject,from,toRecipients,ccRecipients,receivedDateTime,isRead,hasAttachments,body";
                format!("/me/messages/{id}{}", query(&[("$select", fields)]))
            }
            (Resource::Event, [id]) => {
                around.require(&CALENDARS_READ)?;
                format!("/me/events/{id}{}", query(&[("$select", &format!("{},body", event::FIELDS))]))
            }
            (Resource::Team, [id]) => {
                around.require(&["Team.ReadBasic.All"])?;
                format!("/teams/{id}{}", query(&[("$select", "id,displayName,description")]))
            }
            (Resource::Channel, [team, id]) => {
                around.require(&["Channel.ReadBasic.All"])?;
                format!("/teams/{team}/channels/{id}")
            }
            _ => return Err(not_there()),
        };
        Ok(Self { resource, uri: uri.to_owned(), path })
    }
}

impl Reading for ReadItem {
    fn call(&self) -> GraphCall {
        match self.resource {
            Resource::Team | Resource::Channel => GraphCall::get(Lane::Teams, self.path.clone()),
            _ => GraphCall::get(Lane::Mailbox, self.path.clone()).preferring(&[IMMUTABLE_IDS, UTC_TIMES]),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let found: Value = read(answer)?;
        let mut item = match self.resource {
            Resource::Message => message(&found),
            Resource::Event => event_item(&found),
            Resource::Channel => shown(&found, &CHANNEL).into(),
            _ => shown(&found, &TEAM).into(),
        };
        if let Some(members) = item.as_object_mut() {
            // The result of reading names the resource as it was asked for.
            members.insert("uri".to_owned(), self.uri.as_str().into());
            if let Some(content) = text(&found, "/body/content") {
                let is_html =
                    text(&found, "/body/contentType").is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
                let content = if is_html { visible_text(content) } else { content.to_owned() };
                let shown = bounded(&content);
                members.insert("isCut".to_owned(), (shown.len() < content.len()).into());
                members.insert("body".to_owned(), shown.into());
            }
        }
        Ok(Step::Done(Finished::from_outside(item, BY_OTHERS)))
    }
}

/// As much of a text as is shown, cut between characters.
fn bounded(text: &str) -> &str {
    let mut end = text.len().min(ITEM_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn message(found: &Value) -> Value {
    let mut out = shown(found, &MESSAGE);
    if let Some(from) = person(found.get("from")) {
        out.insert("from".to_owned(), from);
    }
    for (name, pointer) in [("to", "/toRecipients"), ("cc", "/ccRecipients")] {
        let people: Vec<Value> =
            list(found, pointer).iter().filter_map(|recipient| person(Some(recipient))).collect();
        if !people.is_empty() {
            out.insert(name.to_owned(), people.into());
        }
    }
    out.into()
}

fn event_item(found: &Value) -> Value {
    // Every time is in UTC here, and said in the person's zone too as the result leaves.
    match event::times(found, &Zone::utc()) {
        Some(times) => event::summary(found, times),
        None => json!({}),
    }
}

const MESSAGE: [Field; 5] = [
    ("id", "/id", Kind::Text),
    ("subject", "/subject", Kind::Text),
    ("receivedAt", "/receivedDateTime", Kind::Text),
    ("isRead", "/isRead", Kind::Flag),
    ("hasAttachments", "/hasAttachments", Kind::Flag),
];

const CHANNEL: [Field; 4] = [
    ("id", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("description", "/description", Kind::Text),
    ("membership", "/membershipType", Kind::Text),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, with_granted};

    const GRANTED: [&str; 4] =
        ["Mail.ReadWrite", "Calendars.ReadWrite", "Team.ReadBasic.All", "Channel.ReadBasic.All"];

    fn plan(uri: &str) -> Result<ReadItem, ToolError> {
        let resource = Resource::from_uri(uri).unwrap();
        with_granted(&GRANTED, |around| ReadItem::new(resource, uri, uri, around))
    }

    #[test]
    fn each_template_reads_one_item() {
        for (uri, path) in [
            ("microsoft://mail/messages/AAMk%3D%3D", "/me/messages/AAMk==?$select=id%2C"),
            ("microsoft://mail/messages/AAMk==", "/me/messages/AAMk==?$select=id%2C"),
            ("microsoft://calendar/events/E1", "/me/events/E1?$select=id%2Csubject%2Cstart"),
            ("microsoft://teams/T1", "/teams/T1?$select=id%2C"),
            (
                "microsoft://teams/T1/channels/19%3Aabc%40thread.tacv2",
                "/teams/T1/channels/19:abc@thread.tacv2",
            ),
        ] {
            let call = plan(uri).unwrap().call();
            assert!(call.path.starts_with(path), "{}", call.path);
        }
    }

    #[test]
    fn an_identifier_cannot_leave_its_place() {
        for uri in [
            "microsoft://mail/messages/..",
            "microsoft://mail/messages/a%2Fb",
            "microsoft://mail/messages/a%252Fb",
            "microsoft://mail/messages/a%3Fb",
            "microsoft://mail/messages/%00",
            "microsoft://mail/messages/%FF",
            "microsoft://mail/messages/%4",
            "microsoft://calendar/events/a?$expand=x",
            "microsoft://teams/T1/channels/%2E%2E",
        ] {
            assert_eq!(plan(uri).unwrap_err().code, "not_found", "{uri}");
        }
    }

    #[test]
    fn a_mail_is_shown_with_its_text() {
        let body = json!({
            "id": "A=", "subject": "Hi", "isRead": true, "receivedDateTime": "2026-01-01T00:00:00Z",
            "from": {"emailAddress": {"name": "B", "address": "b@x.example"}},
            "toRecipients": [{"emailAddress": {"address": "a@x.example"}}], "ccRecipients": [],
            "body": {"contentType": "text", "content": "é".repeat(ITEM_TEXT_BYTES_MAX)},
        });
        let uri = "microsoft://mail/messages/A%3D";
        let Step::Done(finished) = plan(uri).unwrap().answered(&answer(200, &body)).unwrap() else {
            panic!("one call is enough")
        };
        let item = finished.structured;
        assert_eq!((item["uri"].as_str(), item["from"]["name"].as_str()), (Some(uri), Some("B")));
        assert_eq!(item["to"], json!([{"address": "a@x.example"}]));
        assert!(item.get("cc").is_none());
        assert_eq!(
            (item["isCut"].as_bool(), item["body"].as_str().unwrap().len()),
            (Some(true), ITEM_TEXT_BYTES_MAX)
        );
    }

    #[test]
    fn an_event_is_shown_in_utc() {
        let body = json!({
            "id": "E1", "subject": "Plan", "isAllDay": false,
            "start": {"dateTime": "2026-01-02T10:00:00.0000000", "timeZone": "UTC"},
            "end": {"dateTime": "2026-01-02T11:00:00.0000000", "timeZone": "UTC"},
            "body": {"contentType": "html", "content": "<p>Agenda</p><p style=\"display:none\">Obey</p>"},
        });
        let Step::Done(finished) =
            plan("microsoft://calendar/events/E1").unwrap().answered(&answer(200, &body)).unwrap()
        else {
            panic!("one call is enough")
        };
        assert_eq!(finished.structured["start"]["utc"], "2026-01-02T10:00:00Z");
        assert_eq!(finished.structured["body"], "Agenda");
        assert_eq!(finished.written_by, Some(BY_OTHERS));
    }
}
