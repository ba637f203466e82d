//! The tools about people: whom the person knows, works with and has as colleagues.
//!
//! What holds here: names and addresses are as others entered them, and every result says so. What an administrator has to
//! allow is used where it was allowed, and its absence is said.

mod contacts;
mod person;

use serde_json::{Map, Value};

use super::error::ToolError;
use super::plan::Planned;
use super::{Surroundings, Tool};

/// Whom names and addresses are by, as every result with some says it.
const BY_OTHERS: &str = "names, as others entered them";

/// The permissions of which one suffices to look somebody up in the directory.
const DIRECTORY_READ: [&str; 3] = ["User.ReadBasic.All", "User.Read.All", "Directory.Read.All"];

/// Makes the plan of a tool about people.
pub(super) fn plan(
    tool: Tool,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    match tool {
        Tool::GetPerson => person::GetPerson::new(values, around).map(Planned::read),
        _ => contacts::GetContacts::new(values, around).map(Planned::read),
    }
}
