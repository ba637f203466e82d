//! Changes that Microsoft tells of, turn by turn: who hears of what, and what is asked of Microsoft for it.

use protocol::limits::{WATCH_LIFETIME, WATCH_RENEWED_BEFORE};
use protocol::mcp::Watched;
use protocol::notification::{Notice, PATH_PREFIX, Says, open_address};
use protocol::object::Listen;
use protocol::outbound::Method;

use super::*;

const ALL: [&str; 3] = ["Mail.ReadWrite", "Calendars.ReadWrite", "MailboxSettings.Read"];
const STREAM: ReplyTo = ReplyTo(1_000);

impl Object {
    fn on(&mut self, to: ReplyTo, command: Command) {
        self.as_caller(to, command, &SCOPES);
    }

    fn as_caller(&mut self, to: ReplyTo, command: Command, scopes: &[&str]) {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let caller =
            Caller { user: user(), grant: GRANT, client: "client".into(), scopes, access_identity: None };
        let [low, high, ..] = self.count.to_le_bytes();
        let request = RequestId::new(self.now, &user(), [9, 9, 9, high, low]);
        self.turn(Input::Request { to, request: ObjectRequest { request, caller, command } });
    }

    fn fresh_token(&mut self) {
        let op = self.forms.last().unwrap().0;
        let body = json!({"token_type": "Bearer", "access_token": "new", "refresh_token": "newer",
                          "expires_in": 3_600, "scope": "Mail.ReadWrite Calendars.ReadWrite"});
        let body = body.to_string().into_bytes();
        let answer = Answer { status: 200, body, ..Answer::default() };
        self.turn(Input::CallDone { op, result: CallResult::Answered(answer) });
    }

    fn subscribe(&mut self, watched: Watched) -> Value {
        self.ask(json!("s"), "resources/subscribe", json!({ "uri": watched.uri() }))
    }

    /// Microsoft makes or renews the subscription that was asked for last.
    fn made(&mut self, id: &str) {
        let asked: Value = serde_json::from_str(self.left().body.as_deref().unwrap()).unwrap();
        let body = json!({ "id": id, "expirationDateTime": asked["expirationDateTime"] });
        self.answers(if self.left().method == Method::Post { 201 } else { 200 }, &body);
    }

    fn client_state(&self) -> String {
        let posted = self.sent.iter().rev().find(|(_, call)| call.method == Method::Post).unwrap();
        let body: Value = serde_json::from_str(posted.1.body.as_deref().unwrap()).unwrap();
        body["clientState"].as_str().unwrap().to_owned()
    }

    fn notified(&mut self, subscription: &str, client_state: &str, says: Says) {
        let notice =
            Notice { subscription: subscription.to_owned(), client_state: client_state.to_owned(), says };
        self.on(ReplyTo(u64::MAX), Command::Notified { notices: vec![notice] });
        assert_eq!(self.replies.last().unwrap().status, 202, "believed or not, the answer is the same");
    }

    /// Opens the session's stream; yields nothing, because what it is sent is among what is pushed.
    fn listen(&mut self, to: ReplyTo, after: Option<u64>) {
        let session = self.session.clone().unwrap();
        self.on(to, Command::Listen(Listen::Session { session, after, is_restored: false }));
    }

    /// The URIs of which a stream was told, with the numbers of the events, since the last look.
    fn told(&mut self, to: ReplyTo) -> Vec<(Option<u64>, String)> {
        let frames: Vec<Frame> =
            self.pushed.extract_if(.., |(at, _)| *at == to).map(|(_, frame)| frame).collect();
        frames
            .into_iter()
            .filter(|frame| !frame.json.is_empty())
            .map(|frame| {
                let message: Value = serde_json::from_str(&frame.json).unwrap();
                let number = match frame.event {
                    Some(EventId::Message(number)) => Some(number),
                    _ => None,
                };
                (number, message["params"]["uri"].as_str().unwrap_or("none").to_owned())
            })
            .collect()
    }

    fn evicted(&mut self) {
        self.core = UserSession::recover(Rc::new(config()), &self.rows, self.now).unwrap();
    }
}

fn inbox(number: u64) -> Vec<(Option<u64>, String)> {
    vec![(Some(number), Watched::Inbox.uri().to_owned())]
}

#[test]
fn nothing_is_asked_of_microsoft_before_somebody_watches() {
    let mut object = Object::with(Some(&ALL));
    object.listen(STREAM, None);
    object.wait(600);
    assert!(object.sent.is_empty());
    assert!(!object.rows.rows.keys().any(|(table, _)| *table == Table::Watches));
    assert_eq!(object.subscribe(Watched::Inbox)["result"], json!({}));
    let call = object.left().clone();
    assert_eq!((call.method, call.path.as_str()), (Method::Post, "/subscriptions"));
    let body: Value = serde_json::from_str(call.body.as_deref().unwrap()).unwrap();
    let url = body["notificationUrl"].as_str().unwrap();
    let address = url.strip_prefix("https://mcp.example.com").unwrap().strip_prefix(PATH_PREFIX).unwrap();
    assert_eq!(open_address(&config().encryption_keys, address), Ok(user()));
    assert_eq!(body["lifecycleNotificationUrl"], body["notificationUrl"]);
    assert!(body["clientState"].as_str().unwrap().len() >= 43);
    // A second session, or the same again, asks for nothing more.
    object.subscribe(Watched::Inbox);
    object.made("s-1");
    object.subscribe(Watched::Inbox);
    assert_eq!(object.sent.len(), 1);
    assert_eq!(object.told(STREAM), [], "the first subscription has no past");
    let row = object.rows.rows.iter().find(|((table, _), _)| *table == Table::Watches).unwrap().1;
    let secret = object.client_state();
    assert!(!row.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "only a digest is kept");
}

#[test]
fn a_change_reaches_the_stream_once_and_waits_for_it_where_there_is_none() {
    let mut object = Object::with(Some(&ALL));
    object.subscribe(Watched::Inbox);
    object.made("s-1");
    let secret = object.client_state();
    object.listen(STREAM, None);
    object.notified("s-1", &secret, Says::Changed);
    assert_eq!(object.told(STREAM), inbox(1));
    object.turn(Input::Gone { to: STREAM });
    object.notified("s-1", &secret, Says::Changed);
    object.notified("s-1", &secret, Says::Changed);
    object.evicted();
    object.listen(ReplyTo(1_001), None);
    assert_eq!(object.told(ReplyTo(1_001)), inbox(2), "what nobody took says the same");
    object.listen(ReplyTo(1_002), Some(1));
    assert_eq!(object.told(ReplyTo(1_002)), inbox(2), "whoever comes back gets it again");
    object.ask(json!("u"), "resources/unsubscribe", json!({ "uri": Watched::Inbox.uri() }));
    object.notified("s-1", &secret, Says::Changed);
    assert_eq!(object.told(ReplyTo(1_002)), []);
}

#[test]
fn whoever_does_not_know_the_secret_is_not_believed() {
    let mut object = Object::with(Some(&ALL));
    object.subscribe(Watched::Inbox);
    object.listen(STREAM, None);
    let secret = object.client_state();
    object.notified("not known yet", &secret, Says::Changed);
    assert_eq!(object.told(STREAM), inbox(1), "Microsoft may be faster with a change than with its answer");
    object.made("s-1");
    let rows = object.rows.clone();
    for (id, state) in [("s-2", secret.as_str()), ("s-1", ""), ("s-1", "x"), ("", ""), ("s-1", &secret[1..])]
    {
        for says in [Says::Changed, Says::Missed, Says::Removed, Says::ReauthorizationRequired] {
            object.notified(id, state, says);
        }
    }
    assert_eq!((object.told(STREAM), object.sent.len()), (vec![], 1));
    assert_eq!(object.rows, rows, "and nothing was written");
}

#[test]
fn a_subscription_is_renewed_by_the_alarm_while_somebody_watches() {
    let mut object = Object::with(Some(&ALL));
    object.subscribe(Watched::Inbox);
    object.made("s-1");
    object.evicted();
    object.wait((WATCH_LIFETIME.0 - WATCH_RENEWED_BEFORE.0) / 1_000 + 1);
    // The access token is a day old by now, so that a refresh comes first.
    object.fresh_token();
    let call = object.left().clone();
    assert_eq!((call.method, call.path.as_str()), (Method::Patch, "/subscriptions/s-1"));
    object.made("s-1");
    object.listen(STREAM, None);
    let secret = object.client_state();
    object.notified("s-1", &secret, Says::Changed);
    assert_eq!(object.told(STREAM), inbox(1), "identifier and secret are still the same");
    object.ask(json!("u"), "resources/unsubscribe", json!({ "uri": Watched::Inbox.uri() }));
    let before = object.sent.len();
    object.wait(5 * 24 * 3_600);
    assert_eq!(object.sent.len(), before, "what nobody watches ends by itself");
}

#[test]
fn what_microsoft_says_of_a_subscription_is_acted_on() {
    let mut object = Object::with(Some(&ALL));
    object.subscribe(Watched::Calendar);
    object.made("s-1");
    let secret = object.client_state();
    object.listen(STREAM, None);
    object.notified("s-1", &secret, Says::Missed);
    let calendar = |number: u64| vec![(Some(number), Watched::Calendar.uri().to_owned())];
    assert_eq!(object.told(STREAM), calendar(1));
    object.notified("s-1", &secret, Says::ReauthorizationRequired);
    assert_eq!((object.left().method, object.sent.len()), (Method::Patch, 2));
    object.made("s-1");
    object.notified("s-1", &secret, Says::Removed);
    assert_eq!((object.left().method, object.sent.len()), (Method::Post, 3));
    object.made("s-2");
    assert_eq!(object.told(STREAM), calendar(2), "what changed in between may have gone unheard");
    object.notified("s-1", &secret, Says::Changed);
    assert_eq!(object.told(STREAM), [], "the old one is not believed any more");
}

#[test]
fn failures_are_retried_with_pauses_and_a_refusal_not_before_a_sign_in() {
    let mut object = Object::with(Some(&ALL));
    object.subscribe(Watched::Inbox);
    object.answers(500, &json!({"error": {"code": "InternalServerError", "message": "x"}}));
    assert_eq!(object.sent.len(), 1);
    object.wait(1);
    assert_eq!(object.sent.len(), 2);
    object.ends(CallResult::Lost(Lost::Timeout));
    object.evicted();
    object.wait(1);
    assert_eq!(object.sent.len(), 2, "the pause outlives the object's memory");
    object.wait(1);
    assert_eq!(object.sent.len(), 3);
    object.answers(403, &json!({"error": {"code": "ExtensionError", "message": "x"}}));
    object.wait(3 * 24 * 3_600);
    object.evicted();
    object.wait(60);
    assert_eq!(object.sent.len(), 3);
    assert_eq!(object.core.load().open, 0);
}

#[test]
fn a_token_that_graph_refuses_is_renewed_once() {
    let mut object = Object::with(Some(&ALL));
    object.subscribe(Watched::Inbox);
    let unauthorized = json!({"error": {"code": "InvalidAuthenticationToken", "message": "x"}});
    object.answers(401, &unauthorized);
    assert_eq!(object.sent.len(), 1, "a refresh comes first");
    object.fresh_token();
    assert_eq!(object.sent.len(), 2);
    object.answers(401, &unauthorized);
    assert_eq!((object.sent.len(), object.core.load().open), (2, 0));
}

#[test]
fn what_a_client_may_not_read_it_cannot_watch() {
    let mut object = Object::with(Some(&["Mail.Read"]));
    let refused = object.subscribe(Watched::Calendar);
    assert_eq!(refused["error"]["data"]["code"], "permission_missing");
    assert!(object.sent.is_empty());
    let mut nobody = Object::with(None);
    assert_eq!(nobody.subscribe(Watched::Inbox)["error"]["data"]["code"], "sign_in_again");
    let mut narrow = Object::with(Some(&ALL));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe",
                      "params": {"uri": Watched::Inbox.uri()}});
    let message = McpMessage {
        session: narrow.session.clone(),
        revision: None,
        in_batch: false,
        accepts_stream: true,
        stateless: None,
        trace: None,
        assertion: None,
        body: body.to_string().into_bytes(),
    };
    narrow.as_caller(ReplyTo(9), Command::Mcp(message), &["calendar.read"]);
    assert_eq!(narrow.replies.last().unwrap().status, 403);
    assert!(narrow.sent.is_empty());
}

#[test]
fn a_subscription_without_a_session_hears_too_and_ends_with_its_grant() {
    let mut object = Object::with(Some(&ALL));
    let uris = vec![Watched::Inbox.uri().to_owned(), "microsoft://profile".to_owned()];
    let id = protocol::jsonrpc::Id::Integer(7);
    let listen = |is_restored| Listen::Subscription { id: id.clone(), uris: uris.clone(), is_restored };
    object.on(STREAM, Command::Listen(listen(false)));
    assert_eq!(object.told(STREAM), [(None, "none".to_owned())], "the acknowledgement comes first");
    object.made("s-1");
    let secret = object.client_state();
    object.notified("s-1", &secret, Says::Changed);
    assert_eq!(object.told(STREAM), [(None, Watched::Inbox.uri().to_owned())]);
    object.evicted();
    object.on(STREAM, Command::Listen(listen(true)));
    object.notified("s-1", &secret, Says::Changed);
    assert_eq!(object.told(STREAM), [(None, Watched::Inbox.uri().to_owned())], "without another greeting");
    object.on(ReplyTo(5), Command::Revoke { client_digest: Vec::new() });
    assert_eq!(object.closed, [STREAM]);
    object.notified("s-1", &secret, Says::Removed);
    assert_eq!(object.sent.len(), 1, "nobody watches any more");
}
