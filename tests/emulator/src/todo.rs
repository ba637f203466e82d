//! The lists and tasks of To Do. Everyone has a default list, which can neither be renamed nor deleted.

use crate::ids::Ids;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One task.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// The id.
    pub id: String,
    /// Everything that Graph shows and the owner wrote.
    pub plain: Map<String, Value>,
    /// When it was made.
    pub created_ms: u64,
    /// When it last changed.
    pub modified_ms: u64,
    /// Counts changes, for the etag.
    pub change: u64,
}

/// One list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// `none`, `defaultList` or `flaggedEmails`.
    pub kind: &'static str,
    /// The tasks in the order in which they were made.
    pub tasks: Vec<Task>,
}

/// Everyone's lists by object id.
#[derive(Clone, Debug, Default)]
pub struct Todo {
    lists: BTreeMap<&'static str, Vec<List>>,
}

impl Todo {
    /// Gives somebody a list.
    pub fn add(&mut self, oid: &'static str, name: &str, kind: &'static str, ids: &mut Ids) -> List {
        let list = List { id: ids.rest_id(), name: name.into(), kind, tasks: Vec::new() };
        self.lists.entry(oid).or_default().push(list.clone());
        list
    }

    /// Somebody's lists.
    pub fn of(&self, oid: &str) -> &[List] {
        self.lists.get(oid).map_or(&[], Vec::as_slice)
    }

    /// Somebody's lists, to be changed.
    pub fn of_mut(&mut self, oid: &'static str) -> &mut Vec<List> {
        self.lists.entry(oid).or_default()
    }

    /// Somebody's lists as the control plane shows them.
    pub fn to_json(&self, oid: &str) -> Value {
        let task = |task: &Task| {
            let mut shown = task.plain.clone();
            shown.insert("id".into(), task.id.clone().into());
            Value::Object(shown)
        };
        let one = |list: &List| {
            let tasks: Vec<Value> = list.tasks.iter().map(task).collect();
            json!({ "id": list.id, "displayName": list.name, "kind": list.kind, "tasks": tasks })
        };
        Value::Array(self.of(oid).iter().map(one).collect())
    }
}
