//! Icons: one for the server and one for each group of tools, as data URIs, so that no client has to fetch anything.
//!
//! What holds here: an icon is a drawing of a few lines in one colour; it holds no script, no text and no reference.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A drawing on a field of 16 by 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icon {
    colour: &'static str,
    path: &'static str,
}

/// The server: four fields.
pub const SERVER: Icon = Icon { colour: "06c", path: "M1 1h6v6H1zM9 1h6v6H9zM1 9h6v6H1zM9 9h6v6H9z" };
/// Mail: an envelope.
pub const MAIL: Icon = Icon { colour: "06c", path: "M1 3l7 5 7-5zM1 5v8h14V5l-7 5z" };
/// Calendars: a sheet.
pub const CALENDAR: Icon = Icon { colour: "083", path: "M1 3h14v2H1zM1 6h14v8H1z" };
/// Teams: a balloon.
pub const TEAMS: Icon = Icon { colour: "54a", path: "M1 2h14v9H7l-4 3v-3H1z" };
/// People: a head.
pub const PEOPLE: Icon = Icon { colour: "a50", path: "M5 2h6v6H5zM2 14v-4h12v4z" };
/// Linked apps: two joined fields.
pub const APPS: Icon = Icon { colour: "366", path: "M1 1h6v6H1zM9 9h6v6H9zM4 7h1v4h4v1H4z" };
/// The account: a key.
pub const ACCOUNT: Icon = Icon { colour: "555", path: "M1 5h6v2h8v3h-2v-1h-2v1H7v1H1z" };

impl Icon {
    /// The value of a member `icons` (MCP 2025-11-25, basic, "Icons").
    #[must_use]
    pub fn shown(self) -> Value {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><path fill=\"#{}\" d=\"{}\"/></svg>",
            self.colour, self.path
        );
        let src = format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg));
        json!([{ "src": src }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icons_are_small_and_self_contained() {
        for icon in [SERVER, MAIL, CALENDAR, TEAMS, PEOPLE, APPS, ACCOUNT] {
            let shown = icon.shown();
            let src = shown[0]["src"].as_str().unwrap();
            let encoded = src.strip_prefix("data:image/svg+xml;base64,").unwrap();
            let svg = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
            assert!(svg.starts_with("<svg ") && !svg.contains("href") && !svg.contains("script"));
            assert!(src.len() < 260, "{}", src.len());
        }
    }
}
