//! Planner: plans of teams with buckets and tasks. Every task and every task's details have a tag of their own,
//! which a change has to name.

use serde_json::{Map, Value, json};

/// A plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The id.
    pub id: String,
    /// The title.
    pub title: String,
    /// The team that it belongs to.
    pub team: String,
    /// Who sees it.
    pub members: Vec<&'static str>,
    /// The buckets: ids and names.
    pub buckets: Vec<(String, String)>,
}

/// A task.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// The id.
    pub id: String,
    /// The plan's id.
    pub plan: String,
    /// Everything that Graph shows.
    pub plain: Map<String, Value>,
    /// The details.
    pub details: Map<String, Value>,
    /// Counts changes of the task.
    pub change: u64,
    /// Counts changes of the details.
    pub details_change: u64,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    /// The plans.
    pub plans: Vec<Plan>,
    /// The tasks of all plans.
    pub tasks: Vec<Task>,
}

impl Planner {
    /// The plans with their tasks, as the control plane shows them.
    pub fn to_json(&self) -> Value {
        let task = |task: &Task| json!({ "id": task.id, "task": task.plain, "details": task.details });
        let tasks =
            |plan: &Plan| self.tasks.iter().filter(|t| t.plan == plan.id).map(task).collect::<Vec<_>>();
        let one = |plan: &Plan| json!({ "id": plan.id, "title": plan.title, "tasks": tasks(plan) });
        Value::Array(self.plans.iter().map(one).collect())
    }
}
