//! `authenticate`: whether a Microsoft account is connected, whose it is, and what may be done with it.
//!
//! What holds here: it never signs anybody in, because the client does that; without an account it says what to do
//! instead of failing.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::Tool;
use super::collection::{Field, Kind, read, shown};
use super::error::ToolError;
use super::plan::Reading;
use super::{Finished, Planned, Step, Surroundings};
use crate::entra::SIGN_IN_SCOPES;
use crate::graph::query;
use crate::mcp::mrtr::Question;
use crate::outbound::{Answer, GraphCall, Lane};

const SHOWN: [Field; 3] = [
    ("name", "/displayName", Kind::Text),
    ("address", "/mail", Kind::Text),
    ("userPrincipalName", "/userPrincipalName", Kind::Text),
];

/// What is asked for to sign in and is no permission of Graph.
const SIGN_IN_ONLY: [&str; 4] = ["openid", "profile", "offline_access", "email"];

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticate {
    granted: Vec<String>,
    missing: Vec<&'static str>,
    may_read_profile: bool,
    connect_link: Option<String>,
}

/// The name of the question that shows the link.
const CONNECT: &str = "connect";

/// What the person is told about the link.
const OPEN_THE_LINK: &str = "Open the link within ten minutes, in a browser that is signed in to the organisation, and \
    sign in with the Microsoft account there.";

/// What is planned without an account: to show the link, if there is one, and else to say what to do.
pub(super) fn unconnected(around: Surroundings<'_>) -> Planned {
    let Some(link) = around.connect_link else {
        return Planned::Done(Finished::new(json!({
            "connected": false,
            "whatToDo": "Connect the Microsoft account in the client: remove this server's sign-in there and add it \
                         again. The browser then opens Microsoft's page."
        })));
    };
    let question = Question::Link { message: OPEN_THE_LINK.to_owned(), url: link.to_owned() };
    let question = around.answers.unanswered(vec![(CONNECT, question)]);
    // Whoever was shown the link may not have been to the end of it yet.
    if around.client.links && !question.is_empty() {
        return Planned::Ask(question);
    }
    let advice = format!("{OPEN_THE_LINK} Call this tool again afterwards.");
    Planned::Done(Finished::new(json!({ "connected": false, "whatToDo": advice, "connectUrl": link })))
}

impl Authenticate {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        Arguments::of(Tool::Authenticate, values, &[])?;
        let is_permission = |name: &str| !SIGN_IN_ONLY.contains(&name);
        let short = |name: &String| name.rsplit('/').next().unwrap_or_default().to_owned();
        let granted: Vec<String> = around.granted.unwrap_or_default().iter().map(short).collect();
        let granted = granted.into_iter().filter(|name| is_permission(name)).collect();
        let missing = SIGN_IN_SCOPES
            .split_whitespace()
            .filter(|name| is_permission(name) && !around.has_granted(name))
            .collect();
        Ok(Self {
            granted,
            missing,
            may_read_profile: around.has_granted("User.Read"),
            connect_link: around.connect_link.map(str::to_owned),
        })
    }

    /// The answer, if Microsoft need not or may not be asked who it is.
    pub(super) fn at_once(&self) -> Option<Finished> {
        (!self.may_read_profile).then(|| self.finished(Map::new()))
    }

    fn finished(&self, account: Map<String, Value>) -> Finished {
        let mut structured = json!({
            "connected": true,
            "account": account,
            "permissions": self.granted,
            "missingPermissions": self.missing,
        });
        if let (false, Some(members)) = (self.missing.is_empty(), structured.as_object_mut()) {
            let advice = match &self.connect_link {
                Some(link) => {
                    members.insert("connectUrl".to_owned(), link.as_str().into());
                    format!("Tools that need a missing permission say so. {OPEN_THE_LINK}")
                }
                None => "Tools that need a missing permission say so. To grant it, connect the account again in the \
                         client and agree to it on Microsoft's page."
                    .to_owned(),
            };
            members.insert("whatToDo".to_owned(), advice.into());
        }
        Finished::new(structured)
    }
}

impl Reading for Authenticate {
    fn call(&self) -> GraphCall {
        let parameters = query(&[("$select", "displayName,mail,userPrincipalName")]);
        GraphCall::get(Lane::Other, format!("/me{parameters}"))
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let me: Value = read(answer)?;
        Ok(Step::Done(self.finished(shown(&me, &SHOWN))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::envelope::ClientCapabilities;
    use crate::mcp::mrtr::Answers;
    use crate::tools::testing::{answer, around, assert_conforms, with_granted};
    use crate::tools::{Plan, Target};

    #[test]
    fn an_account_is_named_with_what_it_may() {
        let granted = ["openid", "https://graph.microsoft.com/User.Read", "Mail.Read"];
        let mut plan = with_granted(&granted, |around| Authenticate::new(&Map::new(), around)).unwrap();
        assert_eq!(plan.call().path, "/me?$select=displayName%2Cmail%2CuserPrincipalName");
        assert_eq!(plan.at_once(), None);
        let me = json!({"displayName": "A", "mail": null, "userPrincipalName": "a@x.example", "id": "1"});
        let Step::Done(done) = plan.answered(&answer(200, &me)).unwrap() else { panic!() };
        assert_eq!(done.structured["account"], json!({"name": "A", "userPrincipalName": "a@x.example"}));
        assert_eq!(done.structured["permissions"], json!(["User.Read", "Mail.Read"]));
        assert!(done.structured["missingPermissions"].as_array().unwrap().contains(&json!("Mail.Send")));
        assert_conforms(Tool::Authenticate, &done);
    }

    #[test]
    fn without_an_account_it_says_what_to_do_and_asks_nobody() {
        let nobody = Surroundings { granted: None, ..around(&[]) };
        let target = Target::Tool(Tool::Authenticate);
        let Planned::Done(done) = Plan::make(target, &Map::new(), nobody).unwrap() else { panic!() };
        assert_eq!(done.structured["connected"], false);
        assert_conforms(Tool::Authenticate, &done);
        let other = Plan::make(Target::Tool(Tool::GetEmails), &Map::new(), nobody).unwrap_err();
        assert_eq!(other.code, "sign_in_again");
    }

    #[test]
    fn where_there_is_a_link_it_is_shown_once_and_told() {
        let client = ClientCapabilities { links: true, ..ClientCapabilities::default() };
        let link = "https://mcp.example.com/connect?ticket=t";
        let nobody = Surroundings { granted: None, connect_link: Some(link), client, ..around(&[]) };
        let target = Target::Tool(Tool::Authenticate);
        let plan = |around| Plan::make(target, &Map::new(), around).unwrap();
        let Planned::Ask(questions) = plan(nobody) else { panic!() };
        assert_eq!(questions[0].1.params()["url"], link);
        assert_eq!(questions[0].1.params()["mode"], "url");
        let mut answers = Answers::default();
        answers.insert(CONNECT, json!({"action": "accept"}));
        let told = [
            Surroundings { answers: &answers, ..nobody },
            Surroundings { client: ClientCapabilities::default(), ..nobody },
        ];
        for around in told {
            let Planned::Done(done) = plan(around) else { panic!() };
            assert_eq!(done.structured["connectUrl"], link);
            assert_conforms(Tool::Authenticate, &done);
        }
        let missing = Surroundings { connect_link: Some(link), ..around(&[]) };
        let done = Authenticate::new(&Map::new(), missing).unwrap().at_once().unwrap();
        assert_eq!(done.structured["connectUrl"], link);
        assert_conforms(Tool::Authenticate, &done);
    }

    #[test]
    fn without_the_profile_it_asks_nobody() {
        let plan = with_granted(&["Mail.Read"], |around| Authenticate::new(&Map::new(), around)).unwrap();
        let done = plan.at_once().unwrap();
        assert_eq!(done.structured["account"], json!({}));
        assert_conforms(Tool::Authenticate, &done);
    }
}
