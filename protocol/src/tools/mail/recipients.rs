//! `checkRecipients`: what Outlook would warn of before a mail leaves (MailTips).

use serde_json::{Map, Value, json};

use crate::html::visible_text;
use crate::limits::RECIPIENTS_MAX;
use crate::outbound::{Answer, GraphCall, Lane, Safety};
use crate::text::{cut, unmarked};
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::{MAIL_READ, Tool};
use crate::tools::collection::{Field, Kind, Page, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const ASKED: &str = "automaticReplies, mailboxFullStatus, customMailTip, externalMemberCount, totalMemberCount, \
                     deliveryRestriction, moderationStatus, recipientScope";

/// As much of an automatic reply as is shown, in bytes.
const REPLY_BYTES_MAX: usize = 500;

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckRecipients {
    body: String,
}

impl CheckRecipients {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::CheckRecipients, values, &["addresses"])?;
        around.require(&MAIL_READ)?;
        let addresses = arguments.addresses("addresses")?;
        if addresses.is_empty() || addresses.len() > RECIPIENTS_MAX {
            return Err(arguments.must_be("addresses", &format!("a list of 1 to {RECIPIENTS_MAX} addresses")));
        }
        Ok(Self { body: json!({"EmailAddresses": addresses, "MailTipsOptions": ASKED}).to_string() })
    }
}

impl Reading for CheckRecipients {
    fn call(&self) -> GraphCall {
        // It asks by a POST and changes nothing.
        let call = GraphCall::post(Lane::Mailbox, "/me/getMailTips".to_owned(), Some(self.body.clone()));
        GraphCall { safety: Safety::Read, ..call }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let recipients: Vec<Value> = page.value.iter().map(tips).collect();
        let structured = json!({ "recipients": recipients });
        Ok(Step::Done(Finished::from_outside(structured, "automatic replies, written by the recipients")))
    }
}

fn tips(item: &Value) -> Value {
    let fields: [Field; 4] = [
        ("address", "/emailAddress/address", Kind::Text),
        ("mailboxFull", "/mailboxFull", Kind::Flag),
        ("deliveryRestricted", "/deliveryRestricted", Kind::Flag),
        ("isModerated", "/isModerated", Kind::Flag),
    ];
    let mut out = shown(item, &fields);
    // What is not so need not be said.
    out.retain(|_, value| *value != Value::Bool(false));
    if let Some(scope) = text(item, "/recipientScope") {
        out.insert("isExternal".to_owned(), scope.contains("external").into());
    }
    for (name, member) in [("members", "totalMemberCount"), ("externalMembers", "externalMemberCount")] {
        if let Some(count) = item.get(member).and_then(Value::as_u64).filter(|count| *count > 0) {
            out.insert(name.to_owned(), count.into());
        }
    }
    for (name, pointer) in [("automaticReply", "/automaticReplies/message"), ("tip", "/customMailTip")] {
        if let Some(html) = text(item, pointer) {
            let text = unmarked(&visible_text(html));
            out.insert(name.to_owned(), cut(&text, REPLY_BYTES_MAX).into());
        }
    }
    if text(item, "/error/code").is_some() {
        out.insert("problem".to_owned(), "Microsoft could not look at this address.".into());
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, body_of, with_granted};

    #[test]
    fn tips_say_what_differs_from_the_usual() {
        let arguments = json!({"addresses": ["b@x.example", "all@y.example"]});
        let mut plan = with_granted(&["Mail.Read"], |around| {
            CheckRecipients::new(arguments.as_object().unwrap(), around).unwrap()
        });
        let call = plan.call();
        assert_eq!((call.path.as_str(), call.safety), ("/me/getMailTips", Safety::Read));
        assert_eq!(body_of(&call)["EmailAddresses"], arguments["addresses"]);
        let body = json!({"value": [
            {"emailAddress": {"address": "b@x.example"}, "mailboxFull": false, "recipientScope": "internal",
             "automaticReplies": {"message": "<p>Away until <b>Monday</b></p>"}},
            {"emailAddress": {"address": "all@y.example"}, "recipientScope": "external", "totalMemberCount": 40,
             "externalMemberCount": 2, "isModerated": true, "error": {"code": "x"}},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &body)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["recipients"],
            json!([
                {"address": "b@x.example", "isExternal": false, "automaticReply": "Away until Monday"},
                {"address": "all@y.example", "isExternal": true, "members": 40, "externalMembers": 2,
                 "isModerated": true, "problem": "Microsoft could not look at this address."},
            ])
        );
        assert_conforms(Tool::CheckRecipients, &done);
    }
}
