//! When tokens are renewed, and which answers may change them.

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
    let recovered = Refresher::recover(&bench.rows, &bench.config, user()).unwrap();
    assert!(matches!(recovered.access(UnixMs(1)), Access::Ready(token) if token.expose() == "a1"));
    let stored: Vec<u8> = bench.rows.rows.values().flatten().copied().collect();
    assert!(!stored.windows(2).any(|window| window == b"a1" || window == b"r1"));
    let stranger = Refresher::recover(&bench.rows, &bench.config, UserKey::from_bytes([9; 16]));
    assert_eq!(stranger.unwrap_err(), Fault::CannotUnseal { table: "tokens" });
}

#[test]
fn a_token_is_renewed_before_it_ends_and_after_graph_refused_it() {
    let mut bench = Bench::connected();
    assert_eq!(bench.access(UnixMs(HOUR.0 - TOKEN_MARGIN.0 - 1)), "a1");
    assert_eq!(bench.access(UnixMs(HOUR.0 - TOKEN_MARGIN.0)), "NeedsRefresh");
    bench.refresher.refused_by_graph();
    assert_eq!(bench.access(UnixMs(1)), "NeedsRefresh");
    let refresh = bench.refresher.begin(request(1)).unwrap();
    assert_eq!(refresh.expose(), "r1");
    bench.turn(|refresher, txn, config, entropy| {
        refresher.refreshed(txn, (config, user()), tokens("a2", None), UnixMs(10), entropy)
    });
    assert_eq!(bench.access(UnixMs(11)), "a2");
    assert_eq!(bench.refresher.begin(request(2)).unwrap().expose(), "r1");
}

#[test]
fn a_late_answer_never_overwrites_a_newer_generation() {
    let mut bench = Bench::connected();
    bench.refresher.begin(request(1)).unwrap();
    bench.turn(|refresher, txn, config, entropy| {
        refresher.connected(txn, (config, user()), tokens("new", Some("r9")), UnixMs(5), entropy)
    });
    bench.turn(|refresher, txn, config, entropy| {
        refresher.refreshed(txn, (config, user()), tokens("late", Some("r2")), UnixMs(6), entropy)
    });
    assert_eq!(bench.access(UnixMs(7)), "new");
}

#[test]
fn a_lost_answer_leaves_the_refresh_token_and_waits_a_little() {
    let mut bench = Bench::connected();
    bench.refresher.refused_by_graph();
    bench.refresher.begin(request(1)).unwrap();
    bench.turn(|refresher, txn, _, _| refresher.failed(txn, None, UnixMs(100)));
    assert_eq!(bench.access(UnixMs(100)), format!("Later({:?})", UnixMs(1_100)));
    assert_eq!(bench.access(UnixMs(1_100)), "NeedsRefresh");
    assert_eq!(bench.refresher.begin(request(2)).unwrap().expose(), "r1");
}

#[test]
fn a_dead_refresh_token_is_deleted_and_our_own_mistake_is_not_blamed_on_the_person() {
    let mut bench = Bench::connected();
    bench.refresher.refused_by_graph();
    bench.refresher.begin(request(1)).unwrap();
    bench.turn(|refresher, txn, _, _| refresher.failed(txn, Some(Denied::OwnCredential), UnixMs(0)));
    assert_eq!(bench.access(UnixMs(1)), "OwnCredential");
    assert!(bench.refresher.granted().is_some());
    bench.refresher.begin(request(2)).unwrap();
    bench.turn(|refresher, txn, _, _| refresher.failed(txn, Some(Denied::SignInAgain), UnixMs(0)));
    assert_eq!(bench.access(UnixMs(1)), "SignInAgain");
    let recovered = Refresher::recover(&bench.rows, &bench.config, user()).unwrap();
    assert!(matches!(recovered.access(UnixMs(1)), Access::SignInAgain));
}

#[test]
fn the_alarm_refreshes_active_people_early_and_idle_ones_monthly() {
    let bench = Bench::connected();
    assert_eq!(bench.refresher.due(UnixMs(0)), Some(UnixMs(HOUR.0 / 5 * 4)));
    let mut idle = Bench::connected();
    let row = idle.refresher.row.as_mut().unwrap();
    row.obtained_at = UnixMs(ACTIVE_WITHIN.0 * 3);
    row.expires_at = row.obtained_at.plus(HOUR);
    let expected = row.obtained_at.plus(IDLE_REFRESH_EVERY);
    assert_eq!(idle.refresher.due(UnixMs(0)), Some(expected));
}
