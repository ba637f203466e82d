//! Nonsense against every route: whatever comes in, there is an answer, and never a panic. The nonsense
//! is pseudo-random from a fixed seed, so that a failure repeats.

use super::*;

/// A small generator; its quality does not matter.
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.next(list.len())]
    }

    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.next(most)).map(|_| self.pick(pieces)).collect::<Vec<_>>().concat()
    }
}

const PATHS: &[&str] = &[
    "/graph/v1.0/me",
    "/graph",
    "/graph/v1.0",
    "/messages",
    "/sendMail",
    "/mailFolders",
    "/inbox",
    "/send",
    "/calendarView",
    "/calendars",
    "/events",
    "/accept",
    "/onlineMeetings",
    "/createOrGet",
    "/joinedTeams",
    "/teams",
    "/channels",
    "/replies",
    "/chats",
    "/contacts",
    "/people",
    "/users",
    "/manager",
    "startDateTime=2026-01-01&endDateTime=2026-02-01",
    "$orderby=start/dateTime",
    "emailAddresses/any(a:",
    "/AAMkAGVmMDEzMTM4AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA20260101AAAA=",
    "/%",
    "/%2e",
    "/é",
    "/entra",
    "/common",
    "/oauth2/v2.0/token",
    "/oauth2/v2.0/authorize",
    "/ai-gateway/run",
    "/gateway/v1/a",
    "/m365-gateway",
    "/custom-graph",
    "/access",
    "/cdn-cgi/access/certs",
    "//",
    "/AAMk=",
    "?",
    "&",
    "$top=1",
    "$filter=",
    "$search=\"",
    "$expand=singleValueExtendedProperties(",
    "isRead eq",
    "'",
    "(",
    ")",
    "%27",
    "%zz",
    "$select=,",
    "=",
];

const BODIES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "message",
    ":",
    ",",
    "null",
    "1e999",
    "\\u0000",
    "é",
    "inputs",
    "options",
    "gateway",
    "{\"message\":{\"toRecipients\":[null]}}",
    "{\"inputs\":{},\"options\":{}}",
    "grant_type=refresh_token&",
    "%",
    "&",
    "{\"message\":{\"body\":null,\"from\":{\"emailAddress\":null}}}",
    "{\"subject\":null}",
    "code=",
    "{\"subject\":\"x\",\"start\":{\"dateTime\":\"9999-12-31T23:59:59\",\"timeZone\":\"UTC\"},\"end\":{\"dateTime\":\"9999-12-31T23:59:59\",\"timeZone\":\"Pacific/Apia\"}}",
    "{\"body\":{\"contentType\":\"html\",\"content\":\"<at id=\"},\"mentions\":[{}]}",
    "{\"chatType\":\"group\",\"members\":[null]}",
    "{\"externalId\":\"\"}",
    "\u{7f}",
];

#[tokio::test]
async fn nonsense_is_answered() {
    let rig = Rig::new();
    let all = [
        "User.Read",
        "User.Read.All",
        "Mail.ReadWrite",
        "Mail.Send",
        "MailboxSettings.Read",
        "Calendars.ReadWrite",
        "OnlineMeetings.ReadWrite",
        "Team.ReadBasic.All",
        "ChannelMessage.Send",
        "Chat.ReadWrite",
        "Contacts.Read",
        "People.Read",
    ];
    let token = rig.token("alice", &all).await;
    let bearer = format!("Bearer {token}");
    let mut noise = Noise(7);
    for _ in 0..6_000 {
        let method = noise.pick(&["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"]);
        let target = noise.text(PATHS, 7);
        let body = noise.text(BODIES, 6);
        let kind = noise.pick(&["application/json", "application/x-www-form-urlencoded", "text/plain", ""]);
        let prefer = noise.pick(&["IdType=\"ImmutableId\"", ",,=\"", "outlook.timezone=", "x"]);
        let headers = [
            ("authorization", bearer.as_str()),
            ("cf-aig-authorization", "Bearer emulator-gateway-token"),
            ("cf-aig-metadata", noise.pick(&["{}", "[", "{\"a\":{}}"])),
            ("cf-consn-sdk-version", "2.0.0"),
            ("cf-consn-model-id", noise.pick(&["dynamic/microsoft-graph-handler", "", "x"])),
            ("content-type", kind),
            ("prefer", prefer),
        ];
        let reply = rig.call(method, &target, &headers, body.as_bytes()).await;
        assert!((200..600).contains(&reply.status), "{method} {target}");
        assert_ne!(reply.status, 500, "{method} {target} {body}");
    }
}

#[tokio::test]
async fn control_requests_are_checked() {
    let rig = Rig::new();
    for (path, body) in [
        ("/settings", r#"{"accessTokenLifetimeS":99999999999}"#),
        ("/settings", r#"{"sentItemsDelayMs":"soon"}"#),
        ("/settings", "[]"),
        ("/clock", r#"{"advanceMs":18446744073709551615}"#),
        ("/faults", r#"[{"service":"graph","action":{"explode":true}}]"#),
        ("/faults", r#"[{"service":"graph","action":{"respond":{"status":99}}}]"#),
        ("/mail", r#"{"user":"nobody@contoso.example","message":{}}"#),
        ("/mail", r#"{"user":"alice@contoso.example","message":{"nonsense":1}}"#),
        ("/revoke", r#"{"what":"everything"}"#),
        ("/token", "{}"),
        ("/settings", r#"{"mfaRequired":true}"#),
        ("/settings", r#"{"duplicateTransaction":"maybe"}"#),
        ("/access/assertion", r#"{"flaw":"none"}"#),
    ] {
        let reply = rig.call("POST", &format!("/_emulator{path}"), &[], body.as_bytes()).await;
        assert_eq!(reply.status, 400, "{path} {body}");
        assert!(reply.value()["error"].is_string());
    }
}
