//! Files of settings, one `NAME=value` in a line, as `npm start` writes them and wrangler reads them.
//!
//! What holds here: a later line wins; quotes around a value are not part of it. Nothing is expanded.

/// The value of a setting, where the value may stand in any of the three kinds of quotes.
pub fn setting_of(file: &str, name: &str) -> Option<String> {
    file.lines().rev().find_map(|line| {
        let (known, value) = line.trim().split_once('=')?;
        let known = known.trim();
        let known = known.strip_prefix("export ").unwrap_or(known).trim();
        (known == name).then(|| value.trim().trim_matches(['"', '\'', '`']).to_owned())
    })
}
