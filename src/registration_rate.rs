//! How often one address may register clients, or have clients' documents read.
//!
//! What holds here: the counts are memory of one instance and bounded in number; what is counted costs nothing else, as a
//! registration stores nothing.

use protocol::limits::REGISTRATION_ADDRESSES_MAX;
use protocol::time::{DurationMs, UnixMs};

const WINDOW: DurationMs = DurationMs::from_secs(60);

struct Count {
    address: String,
    since: UnixMs,
    times: u64,
}

/// What the addresses did within their minute.
#[derive(Default)]
pub struct RegistrationRate(Vec<Count>);

impl RegistrationRate {
    /// Counts one more from an address.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub fn pass(&mut self, address: &str, per_minute: u64, now: UnixMs) -> Result<(), DurationMs> {
        self.0.retain(|count| now < count.since.plus(WINDOW));
        if let Some(count) = self.0.iter_mut().find(|count| count.address == address) {
            if count.times >= per_minute {
                return Err(count.since.plus(WINDOW).since(now));
            }
            count.times += 1;
            return Ok(());
        }
        if self.0.len() >= REGISTRATION_ADDRESSES_MAX {
            self.0.remove(0);
        }
        self.0.push(Count { address: address.to_owned(), since: now, times: 1 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_to_its_number_a_minute_and_others_are_not() {
        let mut rate = RegistrationRate::default();
        for _ in 0..3 {
            assert_eq!(rate.pass("a", 3, UnixMs(1_000)), Ok(()));
        }
        assert_eq!(rate.pass("a", 3, UnixMs(11_000)), Err(DurationMs::from_secs(50)));
        assert_eq!(rate.pass("b", 3, UnixMs(11_000)), Ok(()));
        assert_eq!(rate.pass("a", 3, UnixMs(61_000)), Ok(()));
    }

    #[test]
    fn many_addresses_cost_a_bounded_memory() {
        let mut rate = RegistrationRate::default();
        for number in 0..1_000 {
            assert_eq!(rate.pass(&number.to_string(), 1, UnixMs(1)), Ok(()));
        }
        assert_eq!(rate.0.len(), REGISTRATION_ADDRESSES_MAX);
    }
}
