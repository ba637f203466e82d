//! The platform's tables of time zones, read through `Intl.DateTimeFormat`.
//!
//! What holds here: the answer depends on the zone and the instant alone. The bundle carries no tables of its own, which
//! would be larger than everything that reads them and would age. What the platform said of a day is kept, because it takes
//! it longer to say than all else takes that is done with a mail's time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use js_sys::{Array, Date, Function, Object, Reflect};
use protocol::time::UnixMs;
use wasm_bindgen::{JsCast, JsValue};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Two years of mail; a longer list begins anew.
const DAYS_KEPT_MAX: usize = 730;

/// A zone, as the platform knows it.
struct Known {
    name: String,
    formatter: JsValue,
    /// The offset of a whole day, for days in which the clock is not changed.
    days: BTreeMap<u64, i32>,
}

thread_local! {
    /// The zone that was asked for last: one request asks for one zone many times.
    static LATEST: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// The seconds that a zone is ahead of UTC at an instant; `None` for a zone that the platform does not know.
pub(crate) fn offset_at(zone: &str, at: UnixMs) -> Option<i32> {
    LATEST.with_borrow_mut(|latest| {
        let known = match latest {
            Some(known) if known.name == zone => known,
            other => other.insert(Known::of(zone)?),
        };
        known.offset_at(at)
    })
}

impl Known {
    fn of(zone: &str) -> Option<Self> {
        let options = Object::new();
        Reflect::set(&options, &"timeZone".into(), &zone.into()).ok()?;
        Reflect::set(&options, &"timeZoneName".into(), &"longOffset".into()).ok()?;
        let intl = get(&js_sys::global(), "Intl")?;
        let constructor: Function = get(&intl, "DateTimeFormat")?.dyn_into().ok()?;
        // It throws for a zone that it does not know.
        let formatter = Reflect::construct(&constructor, &Array::of2(&"en-US".into(), &options)).ok()?;
        Some(Self { name: zone.to_owned(), formatter, days: BTreeMap::new() })
    }

    /// A day at whose ends the offset is the same had it all day long: nowhere was a clock ever changed and changed back
    /// within a day.
    fn offset_at(&mut self, at: UnixMs) -> Option<i32> {
        let day = at.0 / DAY_MS;
        if let Some(offset) = self.days.get(&day) {
            return Some(*offset);
        }
        let [first, last] =
            [day, day.saturating_add(1)].map(|day| self.ask(UnixMs(day.saturating_mul(DAY_MS))));
        if first.is_none() || first != last {
            return self.ask(at);
        }
        if self.days.len() >= DAYS_KEPT_MAX {
            self.days.clear();
        }
        self.days.extend(first.map(|offset| (day, offset)));
        first
    }

    fn ask(&self, at: UnixMs) -> Option<i32> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
        let date = Date::new(&JsValue::from_f64(at.0 as f64));
        let format: Function = get(&self.formatter, "formatToParts")?.dyn_into().ok()?;
        let parts: Array = format.call1(&self.formatter, &date).ok()?.dyn_into().ok()?;
        let is_zone = |part: &JsValue| text(part, "type").as_deref() == Some("timeZoneName");
        let name = parts.iter().find(is_zone)?;
        read_offset(&text(&name, "value")?)
    }
}

fn get(target: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(target, &name.into()).ok()
}

fn text(target: &JsValue, name: &str) -> Option<String> {
    get(target, name)?.as_string()
}

/// Reads `GMT`, `GMT+02:00` or, for some zones before 1972, `GMT-00:44:30`.
fn read_offset(name: &str) -> Option<i32> {
    let offset = name.strip_prefix("GMT")?;
    let (sign, clock) = match offset.split_at_checked(1) {
        None => return Some(0),
        Some(("+", clock)) => (1, clock),
        Some((_, clock)) => (-1, clock),
    };
    let mut seconds = 0;
    for (part, weight) in clock.split(':').zip([3_600, 60, 1]) {
        seconds += part.parse::<i32>().ok()? * weight;
    }
    Some(sign * seconds)
}
