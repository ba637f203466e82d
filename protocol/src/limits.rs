//! Every bound of the product in one place: its unit, what it costs and how the bounds relate.
//!
//! What holds here: nothing that a client, Microsoft or an operator sends is unbounded, and the relations that
//! the design depends on are checked by the compiler at the end of the file.

mod answers;
mod ledger;
mod operations;

pub use answers::{
    ANSWER_TOKENS_DEFAULT, ANSWER_TOKENS_MAX, ANSWER_TOKENS_MIN, BYTES_PER_TOKEN, CONDENSE_BYTES_MAX,
    CONDENSE_BYTES_MIN, CONDENSED_BYTES_MAX, CONDENSED_TOKENS_MAX, CURSOR_BYTES_MAX, CURSOR_LIFETIME,
    HANDLE_LIFETIME, HANDLE_PAGES_MAX, HANDLED_ID_BYTES_MIN, LIST_TOKENS_MAX,
};
pub use ledger::{
    LEDGER_ENTRIES_MAX, LEDGER_FLOOR_STEP, LEDGER_KEPT_FOR, LEDGER_PRUNE_BATCH, LEDGER_PRUNE_EVERY,
    LEDGER_RECOVERY_PAGE_ROWS, LEDGER_SWEEP_BATCH, LEDGER_SWEEP_BYTES_MAX, LEDGER_SWEEP_PAGE_ROWS,
    LEDGER_TRIM_EVERY, SWEEP_PAUSE, SWEEP_WAITS_MAX, WAKE_EVERY,
};
pub use operations::{
    ALARM_OVERDUE_AFTER, ATTENTION_COUNTED_MAX, COUNTS_EVERY, COUNTS_EVERY_UNUSED, COUNTS_WAIT,
    DIRECTORY_HOURS_KEPT, DIRECTORY_PAGE_MAX, EXPORT_PAGE_LINES, FAILING_FROM, OPEN_FOR_TOO_LONG,
    OPERATOR_CREDENTIAL_LIFETIME_MAX, OPERATOR_FORM_LIFETIME, ORDER_ROWS_MAX, QUESTION_BYTES_MAX,
    REFRESH_OVERDUE_AFTER, REPORT_EVERY, REQUEST_PAGE_MAX, SILENT_FOR_AT_MOST, TRAIL_KEPT_FOR,
    TRAIL_PRUNE_BATCH, TRAIL_SCAN_MAX,
};

use crate::time::DurationMs;

/// The largest body of an MCP request, in bytes. Above it the answer is 413. Larger content enters by reference.
pub const REQUEST_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bodies held by one isolate at the same time, in bytes. All objects there share 128 MB; above this, 503.
pub const ISOLATE_BODY_BYTES_MAX: usize = 24 * 1024 * 1024;

/// The largest answer that is read from Graph, Entra or the gateway, in bytes.
pub const UPSTREAM_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The largest stored value after sealing, in bytes. The platform refuses rows above 2 MB, but only in
/// production: half of that leaves room for the key and for what a new version of a row adds.
pub const STORED_VALUE_BYTES_MAX: usize = 1024 * 1024;

/// The largest read answer that is kept for a repeat of the same request, in bytes; a larger one runs again.
pub const STORED_ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long a task can be asked for after it was begun. Its outcome goes with the answers of other reads.
pub const TASK_KEPT_FOR: DurationMs = ANSWER_KEPT_FOR;

/// How long a task may be at work, so that there is time left to fetch its outcome.
pub const TASK_DEADLINE: DurationMs = DurationMs::from_secs(5 * 60);

/// How often a client should ask for a task.
pub const TASK_POLL_EVERY: DurationMs = DurationMs::from_secs(2);

/// The largest outcome of a task, in bytes. Nothing else has it, so that it must fit into the row.
pub const TASK_ANSWER_BYTES_MAX: usize = 896 * 1024;

/// How long an answer is kept for a repeat, and a settled write can be joined by a repeat.
pub const ANSWER_KEPT_FOR: DurationMs = DurationMs::from_secs(10 * 60);

/// An answer that was ready within this span was certainly taken by a client that still waited. The platform does not
/// notice a client that closed its connection before a later answer.
pub const PROMPT_ANSWER: DurationMs = DurationMs(250);

/// How long an answer is held for a client that is about to open the stream on which it waits.
pub const OPENING_ANSWERS_FOR: DurationMs = DurationMs::from_secs(30);

/// How many bytes of such answers one object holds.
pub const OPENING_ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a zone that was read is taken as known. A person who moves names a zone, or waits as long.
pub const MAILBOX_ZONE_KEPT_FOR: DurationMs = DurationMs::from_secs(60 * 60);
/// How long one that was found in its row is, for showing times, after which the row is written anew: one row a day.
pub const MAILBOX_ZONE_STORED_FOR: DurationMs = DurationMs::from_secs(24 * 60 * 60);
/// How long a mailbox is not asked again for a zone that it did not tell.
pub const MAILBOX_ZONE_PAUSE: DurationMs = DurationMs::from_secs(5 * 60);

/// How long it is taken as known which folders of a mailbox are out of reach, so that a new one below them may be open for
/// as long.
pub const FOLDERS_KEPT_FOR: DurationMs = DurationMs::from_secs(60 * 60);

/// Folders of one mailbox that can be kept out of reach. Where there are more, none of its mails is read.
pub const FOLDERS_OFF_MAX: usize = 1_000;

/// Late answers of which it is remembered that nobody confirmed them yet.
pub const UNCONFIRMED_ANSWERS_MAX: usize = 256;

/// How much longer than [`ANSWER_KEPT_FOR`] an answer may lie until an alarm removes it together with others.
pub const ANSWER_REMOVAL_SLACK: DurationMs = DurationMs::from_secs(5 * 60);

/// The longest JSON-RPC id, in bytes. Ids are echoed and kept, so they are not a place for content.
pub const JSONRPC_ID_BYTES_MAX: usize = 256;

/// The longest event ID of a stream, in bytes: a request ID and a JSON-RPC id whose every byte may need an escape.
pub const EVENT_ID_BYTES_MAX: usize = 64 + JSONRPC_ID_BYTES_MAX * 8 + 8;

/// The wait between two comments on a stream that carries one answer. A client that went away is noticed by the first
/// one after it.
pub const ANSWER_COMMENT_EVERY: DurationMs = DurationMs::from_secs(1);

/// The wait between two comments on a stream that stays open. Proxies cut streams that are silent for minutes.
pub const STREAM_COMMENT_EVERY: DurationMs = DurationMs::from_secs(25);

/// How long the edge keeps a stream open before it ends it in good order, unless `STREAM_LIFETIME_SECONDS` says
/// otherwise. No platform promises that a stream lives for ever, so coming back is everyday practice.
pub const STREAM_LIFETIME_SECONDS: u64 = 60 * 60;

/// The shortest and the longest time that `STREAM_LIFETIME_SECONDS` may name.
pub const STREAM_LIFETIME_SECONDS_RANGE: (u64, u64) = (10, 60 * 60);

/// The part of its life by which a stream is shortened at random, at most, so that streams do not end together.
pub const STREAM_LIFETIME_JITTER_DIVISOR: u64 = 6;

/// Events of one session that are kept for a client that comes back.
pub const SESSION_EVENTS_MAX: usize = 64;

/// Resources that one subscription names at most.
pub const WATCHED_URIS_MAX: usize = 32;

/// Streams of one user that are open at the same time. The platform allows 32,768 sockets for one object.
pub const STREAMS_MAX: usize = 1_024;

/// Events that wait on one stream for its client to read them. A client that lets more come up loses the stream.
pub const STREAM_BACKLOG_MAX: usize = 256;

/// The largest body of a notification of Microsoft's, in bytes. One change takes some five hundred.
pub const NOTIFICATION_BODY_BYTES_MAX: usize = 256 * 1024;

/// Different notices of one body that are looked at. A person has two subscriptions, and each has four things to say.
pub const NOTICES_MAX: usize = 64;

/// The longest identifier of a subscription, in bytes; it is a UUID.
pub const SUBSCRIPTION_ID_BYTES_MAX: usize = 64;

/// The longest `clientState` of a subscription, in characters (Graph, "subscription resource type").
pub const CLIENT_STATE_CHARS_MAX: usize = 128;

/// The longest token of the handshake with which Microsoft validates an address, in bytes.
pub const VALIDATION_TOKEN_BYTES_MAX: usize = 4 * 1024;

/// How long a subscription to mail or events is asked for. Graph allows 10,080 minutes; a shorter one ends sooner when
/// nobody watches any more.
pub const WATCH_LIFETIME: DurationMs = DurationMs::from_secs(2 * 24 * 60 * 60);

/// A subscription with less time left than this is renewed while somebody watches.
pub const WATCH_RENEWED_BEFORE: DurationMs = DurationMs::from_secs(24 * 60 * 60);

/// The longest wait between two attempts to subscribe or to renew.
pub const WATCH_BACKOFF_MAX: DurationMs = DurationMs::from_secs(60 * 60);

/// The longest JSON-RPC method name that is looked at, in bytes.
pub const METHOD_BYTES_MAX: usize = 128;

/// The longest signed token of another issuer that is looked at, in bytes. Cloudflare Access keeps its own below 4 KiB,
/// because they have to fit into a cookie; an ID token of Microsoft may be larger.
pub const SIGNED_TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The longest subject of an Access identity, in bytes. Cloudflare's are UUIDs.
pub const SUBJECT_BYTES_MAX: usize = 128;

/// How long the published keys of an issuer are used before they are fetched again.
pub const KEYS_FRESH_FOR: DurationMs = DurationMs::from_secs(60 * 60);

/// How long nobody looks again for a key of an unknown name, in one instance.
pub const KEYS_FETCHED_AGAIN_AFTER: DurationMs = DurationMs::from_secs(30);

/// Keys of one issuer that are kept.
pub const KEYS_KEPT_MAX: usize = 32;

/// The longest access token that is opened, in bytes. Real ones are a few hundred bytes long.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 4 * 1024;

/// How many opened access tokens an instance remembers; each takes a few hundred bytes.
pub const OPENED_TOKENS_MAX: usize = 1024;

/// The longest life of an access token. A revoked token can list tools until it expires, so it is short.
pub const ACCESS_TOKEN_LIFETIME: DurationMs = DurationMs::from_secs(10 * 60);

/// The difference between two clocks that is tolerated when a validity period is checked.
pub const CLOCK_SKEW: DurationMs = DurationMs::from_secs(60);

/// Calls that wait in one user's queue. Above it a client is told to come back.
pub const QUEUED_CALLS_MAX: usize = 64;

/// Bodies that wait in one user's queue, in bytes.
pub const QUEUED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Concurrent calls to one mailbox. Outlook allows four requests per app and mailbox (Graph throttling limits).
pub const MAILBOX_CALLS_MAX: u8 = 4;

/// Concurrent calls to somebody else's mailbox, whose other callers this object cannot see.
pub const OTHER_MAILBOX_CALLS_MAX: u8 = 2;

/// Concurrent calls to Teams: four requests per second and channel are allowed, and posting is rarely parallel.
pub const TEAMS_CALLS_MAX: u8 = 2;

/// Concurrent calls to the remaining workloads (people, files, tasks, profile).
pub const OTHER_CALLS_MAX: u8 = 4;

/// Calls of the model for condensing that one object has in flight.
pub const MODEL_CALLS_MAX: u8 = 1;

/// Concurrent calls to linked apps, which are not known to bear more.
pub const LINKED_APP_CALLS_MAX: u8 = 2;

/// Linked apps of one deployment. A secret has at most 5 KB anyway.
pub const LINKED_APPS_MAX: usize = 16;

/// The longest name of a linked app, in bytes.
pub const LINKED_APP_NAME_BYTES_MAX: usize = 32;

/// The longest description of a linked app, in characters; each stands in the catalogue that every model reads.
pub const LINKED_APP_DESCRIPTION_CHARS_MAX: usize = 300;

/// Allowed paths of one linked app.
pub const LINKED_APP_PATHS_MAX: usize = 16;

/// The longest path below a linked app's base, in bytes.
pub const LINKED_APP_PATH_BYTES_MAX: usize = 1_024;

/// The longest query of a call to a linked app, encoded, in bytes.
pub const LINKED_APP_QUERY_BYTES_MAX: usize = 4 * 1_024;

/// The largest body that is sent to a linked app, in bytes.
pub const LINKED_APP_BODY_BYTES_MAX: usize = 256 * 1_024;

/// The largest answer of a linked app that a client gets, in bytes of JSON text.
pub const LINKED_APP_ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// Calls in flight over all lanes of one object, refresh excepted.
pub const OBJECT_CALLS_MAX: u8 = 5;

/// Connections of one object that may wait for response headers (Durable Objects platform limits).
pub const PLATFORM_CONNECTIONS_MAX: u8 = 6;

/// How long a lowered gate takes to regain one place when no further 429 arrives.
pub const GATE_RECOVERY: DurationMs = DurationMs::from_secs(10);

/// The longest span for which Microsoft's word closes a lane. A longer `Retry-After` is told to those who ask, and tried
/// again after this span, so that one odd header does not shut a mailbox off for days.
pub const LANE_CLOSED_MAX: DurationMs = DurationMs::from_secs(5 * 60);

/// Failures of the gateway in a row after which calls to it stop for a while.
pub const GATEWAY_FAILURES_MAX: u32 = 5;

/// The first pause after which one call tries whether the gateway is back; it doubles with each failure.
pub const GATEWAY_PAUSE: DurationMs = DurationMs::from_secs(5);

/// The longest pause between two tries whether the gateway is back.
pub const GATEWAY_PAUSE_MAX: DurationMs = DurationMs::from_secs(60);

/// How long one outgoing call may take before its answer counts as lost.
pub const CALL_TIMEOUT: DurationMs = DurationMs::from_secs(30);

/// How long one tool call may take in all, queueing and retries included.
pub const REQUEST_DEADLINE: DurationMs = DurationMs::from_secs(90);

/// How long one tool call may take in all while it uploads: each part taken gives it [`REQUEST_DEADLINE`] more until then.
pub const UPLOAD_DEADLINE: DurationMs = DurationMs::from_secs(5 * 60);

/// Attempts of one step of a request, the first included.
pub const ATTEMPTS_MAX: u32 = 4;

/// The first wait before a retry when Microsoft names none; it doubles with each attempt.
pub const BACKOFF_BASE: DurationMs = DurationMs::from_secs(1);

/// The longest wait before a retry of what somebody waits for; a longer `Retry-After` ends the request with that advice.
pub const RETRY_AFTER_MAX: DurationMs = DurationMs::from_secs(60);

/// How long an unknown outcome is looked into before the ledger says "unknown" for good.
pub const RECONCILE_FOR: DurationMs = DurationMs::from_secs(10 * 60);

/// The wait between two looks at an unknown outcome.
pub const RECONCILE_EVERY: DurationMs = DurationMs::from_secs(30);

/// An access token with less life left than this is refreshed before it is used.
pub const TOKEN_MARGIN: DurationMs = DurationMs::from_secs(60);

/// The longest wait that is honoured before a refresh of the access token is tried again.
pub const REFRESH_RETRY_AFTER_MAX: DurationMs = DurationMs::from_secs(60 * 60);

/// The longest `WWW-Authenticate` header of Graph that is looked at, in bytes.
pub const CHALLENGE_BYTES_MAX: usize = 8 * 1024;

/// The longest name of an account that is sent back to Microsoft, in bytes.
pub const LOGIN_HINT_BYTES_MAX: usize = 320;

/// The longest claims challenge, in bytes. It travels in a URL, beside a sealed state.
pub const CLAIMS_BYTES_MAX: usize = 2 * 1024;

/// Users who were active within this span have their token refreshed by the alarm.
pub const ACTIVE_WITHIN: DurationMs = DurationMs::from_secs(24 * 60 * 60);

/// A refresh token dies after 90 unused days; once in this span it is used even for an idle user.
pub const IDLE_REFRESH_EVERY: DurationMs = DurationMs::from_secs(30 * 24 * 60 * 60);

/// MCP sessions of one user.
pub const SESSIONS_MAX: usize = 1_000;

/// An MCP session that was not used for this long is ended, unless `SESSION_IDLE_MINUTES` says otherwise.
pub const SESSION_IDLE_MINUTES: u64 = 7 * 24 * 60;

/// The shortest and the longest time that `SESSION_IDLE_MINUTES` may name.
pub const SESSION_IDLE_MINUTES_RANGE: (u64, u64) = (5, 30 * 24 * 60);

/// A session's last use is written at most once in this span, so that a call costs no row for it.
pub const SESSION_TOUCH_EVERY: DurationMs = DurationMs::from_secs(60 * 60);

/// Grants of one user: clients that this person connected.
pub const GRANTS_MAX: usize = 100;

/// Grants of one client of a user: the machines on which the same program is signed in.
pub const GRANTS_PER_CLIENT_MAX: usize = 5;

/// Requests that one client of a user may make in a minute, unless `RATE_LIMIT_PER_MINUTE` says otherwise. So many may
/// also come at once. No person and no model that waits for answers gets there; a loop does.
pub const REQUESTS_PER_MINUTE: u64 = 120;

/// What `RATE_LIMIT_PER_MINUTE` may name.
pub const REQUESTS_PER_MINUTE_RANGE: (u64, u64) = (10, 1_000_000);

/// How many times as much all clients of a user together may make as one of them.
pub const REQUESTS_USER_FACTOR: u64 = 2;

/// Registrations of clients, and readings of clients' documents, that one address may cause in a minute in one instance
/// of the edge, unless `REGISTRATIONS_PER_MINUTE` says otherwise. A client registers once and a document is kept.
pub const REGISTRATIONS_PER_MINUTE: u64 = 20;

/// What `REGISTRATIONS_PER_MINUTE` may name.
pub const REGISTRATIONS_PER_MINUTE_RANGE: (u64, u64) = (1, 1_000_000);

/// Addresses whose registrations one instance counts; the one that was counted first gives way. About 64 bytes each.
pub const REGISTRATION_ADDRESSES_MAX: usize = 256;

/// The largest client ID metadata document, in bytes (the bound that draft-ietf-oauth-client-id-metadata-document
/// recommends).
pub const DOCUMENT_BYTES_MAX: usize = 5 * 1024;

/// How long a client ID metadata document is kept whose headers say nothing.
pub const DOCUMENT_FRESH_FOR: DurationMs = DurationMs::from_secs(10 * 60);

/// How long a client ID metadata document is kept at most, whatever its headers say.
pub const DOCUMENT_FRESH_FOR_MAX: DurationMs = DurationMs::from_secs(7 * 24 * 60 * 60);

/// Refusals for their rate are logged at most once in this span.
pub const RATE_LOG_EVERY: DurationMs = DurationMs::from_secs(60);

/// How long a person may take between the connect link and the return from Microsoft.
pub const CONNECT_TICKET_LIFETIME: DurationMs = DurationMs::from_secs(10 * 60);

/// Messages in one batch of revision 2025-03-26.
pub const BATCH_MESSAGES_MAX: usize = 16;

/// Recipients of one mail over all fields. Exchange Online allows 500; more than this is a mailing, not a mail.
pub const RECIPIENTS_MAX: usize = 100;

/// The longest subject, in characters (Exchange Online's own bound).
pub const SUBJECT_CHARS_MAX: usize = 255;

/// The longest mail body, in bytes: Graph's request bound of 4 MB less the room for JSON escapes.
pub const MAIL_BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The longest text of an event, in bytes.
pub const EVENT_BODY_BYTES_MAX: usize = 64 * 1024;

/// The longest message to Teams, in bytes: about 28 KB in all, mentions and markup included.
pub const TEAMS_MESSAGE_BYTES_MAX: usize = 24 * 1024;

/// Pages of a list that one request follows, whatever the links say.
pub const PAGES_MAX: u32 = 20;

/// The longest range of a calendar that one request looks at.
pub const CALENDAR_RANGE_MAX: DurationMs = DurationMs::from_secs(400 * 24 * 60 * 60);

/// Calendars that one question about free and busy times looks into (Graph, "calendar: getSchedule").
pub const FREE_BUSY_SCHEDULES_MAX: usize = 20;

/// The longest range of such a question.
pub const FREE_BUSY_DAYS_MAX: DurationMs = DurationMs::from_secs(62 * 24 * 60 * 60);

/// Entries of one calendar that are shown of it.
pub const FREE_BUSY_ITEMS_MAX: usize = 150;

/// People whom one message to Teams mentions.
pub const MENTIONS_MAX: usize = 20;

/// How long a client may keep a list of what this server offers. It changes with a deploy only.
pub const LISTS_FRESH_FOR: DurationMs = DurationMs::from_secs(60 * 60);

/// How long a client may keep a resource. People write mail and move meetings at any time.
pub const RESOURCES_FRESH_FOR: DurationMs = DurationMs::from_secs(30);

/// The longest text of a mail or an event that a resource shows, in bytes.
pub const ITEM_TEXT_BYTES_MAX: usize = 128 * 1024;

/// How long a person may take to answer one question of a request.
pub const REQUEST_STATE_LIFETIME: DurationMs = DurationMs::from_secs(10 * 60);

/// The beginning of a message that a person is shown before it is sent, in characters.
pub const CONFIRMED_BODY_CHARS_MAX: usize = 500;

/// What a call of a session that asks its client keeps until it is answered, in bytes: its arguments and the answers.
pub const INQUIRY_BYTES_MAX: usize = 768 * 1024;

/// Rounds of questions of one request.
pub const INPUT_ROUNDS_MAX: u32 = 8;

/// The answers of one round, in bytes.
pub const INPUT_RESPONSES_BYTES_MAX: usize = 16 * 1024;

/// The longest sealed state that is opened, in characters: the answers of all rounds, and a third more for base64.
pub const REQUEST_STATE_BYTES_MAX: usize = 192 * 1024;

/// Messages that one call of a tool changes.
pub const CHANGED_MESSAGES_MAX: usize = 20;

/// Attachments of one mail that is written.
pub const ATTACHMENTS_MAX: usize = 20;

/// The most of a part of an Office document that is unpacked; ten of them would fill an eighth of an isolate.
pub const OFFICE_PART_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest argument that is the content of a file, so that the call fits into a request with the rest of it.
pub const UPLOAD_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The attachments that travel inside of a mail, in bytes: Graph's request bound of 4 MB less the text and base64. If they
/// are more, each is attached to the draft by a call of its own.
pub const INLINE_ATTACHMENTS_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// All attachments of one mail that is written, in bytes: what Exchange Online takes at most, if an administrator raised
/// the limit of 35 MB. No more than a part of one is ever held.
pub const ATTACHMENTS_BYTES_MAX: u64 = 150 * 1024 * 1024;

/// From this size on an attachment goes to an upload session (Graph, "Attach large files to Outlook messages or events":
/// 3 MB), below it into one call, into which 3 MiB, as base64 4 MiB, would not fit.
pub const UPLOAD_SESSION_BYTES_MIN: u64 = 3_000_000;

/// One part of an upload, in bytes: a multiple of 320 KiB below 4 MB, and of three, so that base64 can be cut there.
pub const UPLOAD_PART_BYTES: u64 = 12 * 320 * 1024;

/// The largest attachment of a mail that is passed on by reference, in bytes. Graph gives it whole and as base64 alone, for
/// which [`UPSTREAM_BODY_BYTES_MAX`] has to suffice.
pub const PASSED_ON_BYTES_MAX: u64 = 6_000_000;

const _: () = assert!(UPLOAD_PART_BYTES.is_multiple_of(320 * 1024) && UPLOAD_PART_BYTES.is_multiple_of(3));
const _: () = assert!(UPLOAD_PART_BYTES < 4_000_000 && UPLOAD_PART_BYTES < UPSTREAM_BODY_BYTES_MAX as u64);
const _: () = assert!(UPLOAD_SESSION_BYTES_MIN * 4 / 3 + 64 * 1024 < 4 * 1024 * 1024);
const _: () = assert!(PASSED_ON_BYTES_MAX * 4 / 3 + 8 * 1024 < UPSTREAM_BODY_BYTES_MAX as u64);
const _: () = assert!(STORED_ANSWER_BYTES_MAX < STORED_VALUE_BYTES_MAX);
const _: () = assert!(INQUIRY_BYTES_MAX < STORED_VALUE_BYTES_MAX);
const _: () = assert!(TASK_ANSWER_BYTES_MAX < STORED_VALUE_BYTES_MAX);
const _: () = assert!(TASK_DEADLINE.0 < TASK_KEPT_FOR.0);
const _: () = assert!(REQUEST_BODY_BYTES_MAX < ISOLATE_BODY_BYTES_MAX);
const _: () = assert!(MAILBOX_CALLS_MAX <= OBJECT_CALLS_MAX);
// The answer of a write is kept for a repeat. It stands in a result twice, the second time as a text in which every byte
// may be escaped, beside less than 8 KiB of other members.
const _: () = assert!(3 * LINKED_APP_ANSWER_BYTES_MAX + 8 * 1024 < STORED_ANSWER_BYTES_MAX);
// One connection stays free for a token refresh, without which no other call could go on.
const _: () = assert!(OBJECT_CALLS_MAX < PLATFORM_CONNECTIONS_MAX);
const _: () = assert!(CALL_TIMEOUT.0 < REQUEST_DEADLINE.0);
// A look into a lost write still fits in when Microsoft closed its lane for as long as it can.
const _: () = assert!(CONDENSE_BYTES_MAX as u64 == ANSWER_TOKENS_MAX * BYTES_PER_TOKEN as u64);
const _: () = assert!(LANE_CLOSED_MAX.0 * 2 <= RECONCILE_FOR.0);
// "Never lost": every committed intent is settled within fifteen minutes after faults end.
const _: () = assert!(REQUEST_DEADLINE.0 < UPLOAD_DEADLINE.0);
const _: () = assert!(UPLOAD_DEADLINE.0 + RECONCILE_FOR.0 <= 15 * 60 * 1_000);
const _: () = assert!(MAIL_BODY_BYTES_MAX < REQUEST_BODY_BYTES_MAX);
const _: () =
    assert!(INPUT_RESPONSES_BYTES_MAX * INPUT_ROUNDS_MAX as usize * 4 / 3 < REQUEST_STATE_BYTES_MAX);
const _: () = assert!(ITEM_TEXT_BYTES_MAX < STORED_ANSWER_BYTES_MAX);
// Even after the longest back-off there are many attempts left before a subscription ends.
const _: () = assert!(WATCH_BACKOFF_MAX.0 * 8 < WATCH_RENEWED_BEFORE.0);
const _: () = assert!(WATCH_RENEWED_BEFORE.0 < WATCH_LIFETIME.0);
