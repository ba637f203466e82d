//! When tokens are renewed, and which answers may change them.

use protocol::limits::TOKEN_MARGIN;

use super::*;
use crate::store::MemoryRows;
use crate::testing::{config, user};

const HOUR: DurationMs = DurationMs::from_secs(3_600);

fn tokens(access: &str, refresh: Option<&str>) -> Tokens {
    Tokens {
        access_token: Secret::new(access.into()),
        refresh_token: refresh.map(|token| Secret::new(token.into())),
        id_token: None,
        lives_for: HOUR,
        scopes: vec!["Mail.Read".into()],
    }
}

struct Bench {
    rows: MemoryRows,
    refresher: Refresher,
    config: Config,
}

impl Bench {
    fn connected() -> Self {
        let mut bench =
            Self { rows: MemoryRows::default(), refresher: Refresher::default(), config: config() };
        bench.turn(|refresher, txn, config, entropy| {
            refresher.connected(txn, (config, user()), tokens("a1", Some("r1")), UnixMs(0), entropy)
        });
        bench
    }

    fn turn(
        &mut self,
        action: impl FnOnce(&mut Refresher, &mut Txn<'_>, &Config, &mut Entropy) -> Result<(), Fault>,
    ) {
        let before = self.rows.clone();
        let mut txn = Txn::new(&before);
        action(&mut self.refresher, &mut txn, &self.config, &mut Entropy::new([1; 32])).unwrap();
        self.rows.apply(&txn.finish().0);
    }

    fn refreshed(&mut self, number: u8, tokens: Tokens, now: UnixMs) {
        self.turn(|refresher, txn, config, entropy| {
            refresher.refreshed(txn, (config, user()), request(number), tokens, now, entropy)
        });
    }

    fn failed(&mut self, number: u8, why: Option<Denied>, now: UnixMs) {
        self.turn(|refresher, txn, config, entropy| {
            refresher.failed(txn, (config, user()), request(number), why, now, entropy)
        });
    }

    /// The refresh token that a refresh would send.
    fn presented(&self) -> &str {
        self.refresher.renewal().unwrap().refresh_token.expose()
    }

    fn access(&self, now: UnixMs) -> String {
        match self.refresher.access(now) {
            Access::Ready(token) => token.expose().clone(),
            other => format!("{other:?}"),
        }
    }
}

fn request(number: u8) -> RequestId {
    RequestId::from_bytes([number; 16])
}

#[test]
fn tokens_survive_recovery_and_lie_sealed() {
    let bench = Bench::connected();
    let recovered = Refresher::recover(&bench.rows, &bench.config, user(), Slot::Microsoft).unwrap();
    assert!(matches!(recovered.access(UnixMs(1)), Access::Ready(token) if token.expose() == "a1"));
    let stored: Vec<u8> = bench.rows.rows.values().flatten().copied().collect();
    assert!(!stored.windows(2).any(|window| window == b"a1" || window == b"r1"));
    let stranger =
        Refresher::recover(&bench.rows, &bench.config, UserKey::from_bytes([9; 16]), Slot::Microsoft);
    assert_eq!(stranger.unwrap_err(), Fault::CannotUnseal { table: "tokens" });
}

#[test]
fn a_token_is_renewed_before_it_ends_and_after_graph_refused_it() {
    let mut bench = Bench::connected();
    assert_eq!(bench.access(UnixMs(HOUR.0 - TOKEN_MARGIN.0 - 1)), "a1");
    assert_eq!(bench.access(UnixMs(HOUR.0 - TOKEN_MARGIN.0)), "NeedsRefresh");
    bench.refresher.refused_by_graph(None);
    assert_eq!(bench.access(UnixMs(1)), "NeedsRefresh");
    assert!(bench.refresher.begin(request(1)));
    assert_eq!(bench.presented(), "r1");
    bench.refreshed(1, tokens("a2", None), UnixMs(10));
    assert_eq!(bench.access(UnixMs(11)), "a2");
    assert_eq!(bench.presented(), "r1");
}

#[test]
fn a_late_answer_never_overwrites_a_newer_generation() {
    let mut bench = Bench::connected();
    assert!(bench.refresher.begin(request(1)));
    bench.turn(|refresher, txn, config, entropy| {
        refresher.connected(txn, (config, user()), tokens("new", Some("r9")), UnixMs(5), entropy)
    });
    bench.refreshed(1, tokens("late", Some("r2")), UnixMs(6));
    assert_eq!(bench.access(UnixMs(7)), "new");
    // The same while a refresh of the new tokens is under way: the old one's answer is not taken for its answer.
    assert!(bench.refresher.begin(request(2)));
    bench.refreshed(1, tokens("late", Some("r2")), UnixMs(8));
    bench.failed(1, Some(Denied::SignInAgain), UnixMs(8));
    assert_eq!((bench.access(UnixMs(9)).as_str(), bench.refresher.under_way()), ("new", Some(request(2))));
    bench.refreshed(2, tokens("newest", Some("r10")), UnixMs(10));
    assert_eq!((bench.access(UnixMs(11)).as_str(), bench.presented()), ("newest", "r10"));
}

#[test]
fn an_answer_to_a_refresh_that_was_given_up_changes_nothing() {
    let mut bench = Bench::connected();
    bench.refresher.begin(request(1));
    bench.failed(1, None, UnixMs(0));
    bench.refreshed(1, tokens("late", Some("r2")), UnixMs(6));
    assert_eq!((bench.access(UnixMs(7)).as_str(), bench.presented()), ("a1", "r1"));
}

#[test]
fn a_lost_answer_leaves_the_refresh_token_and_waits_longer_each_time() {
    let mut bench = Bench::connected();
    bench.refresher.refused_by_graph(None);
    let mut now = UnixMs(100);
    for least in [1_000, 2_000, 4_000, 8_000] {
        bench.refresher.begin(request(1));
        bench.failed(1, None, now);
        let Access::Later(at) = bench.refresher.access(now) else { panic!("{:?}", bench.access(now)) };
        let wait = at.since(now).0;
        assert!((least..=least + least / 4).contains(&wait), "{wait} for {least}");
        now = at;
        assert_eq!((bench.access(now).as_str(), bench.presented()), ("NeedsRefresh", "r1"));
    }
    for _ in 0..20 {
        bench.refresher.begin(request(1));
        bench.failed(1, None, now);
    }
    let Access::Later(at) = bench.refresher.access(now) else { panic!("{:?}", bench.access(now)) };
    assert!(at.since(now).0 <= BACKOFF_MAX.0 + BACKOFF_MAX.0 / 4);
}

#[test]
fn microsofts_own_wait_is_honoured_and_bounded() {
    for (asked, least, most) in [(90_u64, 90_000, 112_500), (86_400, 3_600_000, 4_500_000)] {
        let mut bench = Bench::connected();
        bench.refresher.refused_by_graph(None);
        bench.refresher.begin(request(1));
        let retry_after = Some(DurationMs::from_secs(asked));
        bench.failed(1, Some(Denied::Transient { retry_after }), UnixMs(0));
        let Access::Later(at) = bench.refresher.access(UnixMs(0)) else { panic!() };
        assert!((least..=most).contains(&at.0), "{at:?}");
    }
}

#[test]
fn a_dead_refresh_token_is_deleted_and_our_own_mistake_is_not_blamed_on_the_person() {
    let mut bench = Bench::connected();
    bench.refresher.refused_by_graph(None);
    bench.refresher.begin(request(1));
    bench.failed(1, Some(Denied::OwnCredential), UnixMs(0));
    assert_eq!(bench.access(UnixMs(1)), "Blocked(OwnCredential)");
    assert!(bench.refresher.granted(UnixMs(1)).is_some());
    bench.refresher.begin(request(2));
    bench.failed(2, Some(Denied::SignInAgain), UnixMs(0));
    assert_eq!(bench.access(UnixMs(1)), "SignInAgain(SignIn)");
    let recovered = Refresher::recover(&bench.rows, &bench.config, user(), Slot::Microsoft).unwrap();
    assert!(matches!(recovered.access(UnixMs(1)), Access::SignInAgain(Need::SignIn)));
    assert!(recovered.granted(UnixMs(1)).is_none() && recovered.due(UnixMs(0), UnixMs(1)).is_none());
    assert!(!bench.refresher.begin(request(3)));
}

#[test]
fn demanded_claims_lie_sealed_and_survive_recovery() {
    let mut bench = Bench::connected();
    bench.refresher.begin(request(1));
    let demanded = ClaimsChallenge::parse(r#"{"access_token":{"CANARY":{"essential":true}}}"#).unwrap();
    bench.failed(1, Some(Denied::StepUp(Some(demanded.clone()))), UnixMs(0));
    // The access token is good until it ends; then only the person can go on.
    assert_eq!(bench.access(UnixMs(1)), "a1");
    assert_eq!(bench.access(UnixMs(HOUR.0)), "SignInAgain(StepUp)");
    let recovered = Refresher::recover(&bench.rows, &bench.config, user(), Slot::Microsoft).unwrap();
    assert_eq!(recovered.unmet_claims(), Some(&demanded));
    assert_eq!(recovered.due(UnixMs(0), UnixMs(0)), None);
    let stored: Vec<u8> = bench.rows.rows.values().flatten().copied().collect();
    assert!(!stored.windows(6).any(|window| window == b"CANARY"));
    bench.turn(|refresher, txn, config, entropy| {
        refresher.connected(txn, (config, user()), tokens("a2", Some("r2")), UnixMs(5), entropy)
    });
    assert_eq!((bench.access(UnixMs(6)).as_str(), bench.refresher.unmet_claims()), ("a2", None));
}

#[test]
fn the_alarm_refreshes_active_people_early_and_idle_ones_monthly() {
    let mut bench = Bench::connected();
    let soon = UnixMs(HOUR.0 / 5 * 4);
    assert_eq!(bench.refresher.due(UnixMs(0), UnixMs(0)), Some(soon));
    let monthly = Some(UnixMs(0).plus(IDLE_REFRESH_EVERY));
    let two_days = UnixMs(ACTIVE_WITHIN.0 * 2);
    assert_eq!(bench.refresher.due(UnixMs(0), two_days), monthly);
    assert_eq!(bench.refresher.due(two_days, two_days), Some(soon));
    // A refresh that keeps failing is not tried every few minutes for ever.
    bench.refresher.begin(request(1));
    bench.failed(1, None, two_days);
    assert_eq!(bench.refresher.due(UnixMs(0), two_days), monthly);
}
