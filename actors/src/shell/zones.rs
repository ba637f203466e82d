//! The platform's tables of time zones, read through `Intl.DateTimeFormat`.
//!
//! What holds here: the answer depends on the zone and the instant alone. The bundle carries no tables of its own, which
//! would be larger than everything that reads them and would age.

use std::cell::RefCell;

use js_sys::{Array, Date, Function, Object, Reflect};
use protocol::time::UnixMs;
use wasm_bindgen::{JsCast, JsValue};

thread_local! {
    /// The formatter of the zone that was asked for last: one request asks for one zone many times.
    static LATEST: RefCell<Option<(String, JsValue)>> = const { RefCell::new(None) };
}

/// The seconds that a zone is ahead of UTC at an instant; `None` for a zone that the platform does not know.
pub(crate) fn offset_at(zone: &str, at: UnixMs) -> Option<i32> {
    let formatter = formatter(zone)?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let date = Date::new(&JsValue::from_f64(at.0 as f64));
    let format: Function = get(&formatter, "formatToParts")?.dyn_into().ok()?;
    let parts: Array = format.call1(&formatter, &date).ok()?.dyn_into().ok()?;
    let is_zone = |part: &JsValue| text(part, "type").as_deref() == Some("timeZoneName");
    let name = parts.iter().find(is_zone)?;
    read_offset(&text(&name, "value")?)
}

fn formatter(zone: &str) -> Option<JsValue> {
    let known = LATEST.with_borrow(|latest| {
        latest.as_ref().filter(|(name, _)| name == zone).map(|(_, formatter)| formatter.clone())
    });
    if known.is_some() {
        return known;
    }
    let options = Object::new();
    Reflect::set(&options, &"timeZone".into(), &zone.into()).ok()?;
    Reflect::set(&options, &"timeZoneName".into(), &"longOffset".into()).ok()?;
    let intl = get(&js_sys::global(), "Intl")?;
    let constructor: Function = get(&intl, "DateTimeFormat")?.dyn_into().ok()?;
    // It throws for a zone that it does not know.
    let made = Reflect::construct(&constructor, &Array::of2(&"en-US".into(), &options)).ok()?;
    LATEST.set(Some((zone.to_owned(), made.clone())));
    Some(made)
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
