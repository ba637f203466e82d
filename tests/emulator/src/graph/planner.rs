//! Planner's plans, buckets and tasks. A change without `If-Match` is refused with 428, one with a stale tag with
//! 412; what succeeds answers 204 without content.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::Grammar;
use super::context::Context;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use crate::clock::iso;
use crate::planner::{Plan, Task};
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Map, Value, json};

const READ: [&str; 3] = ["Tasks.Read", "Tasks.ReadWrite", "Group.Read.All"];

const LISTS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.plannerTask",
        properties: &[
            "id",
            "title",
            "planId",
            "bucketId",
            "name",
            "owner",
            "percentComplete",
            "dueDateTime",
            "startDateTime",
            "assignments",
            "createdDateTime",
            "completedDateTime",
            "priority",
            "orderHint",
            "hasDescription",
        ],
        fields: &[],
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 400,
    most: 400,
    by_token: true,
    options: &["$select", "$top", "$skiptoken"],
};

const TASK: Model = Model {
    name: "microsoft.graph.plannerTask",
    fields: &[
        ("planId", Kind::Text),
        ("bucketId", Kind::Text),
        ("title", Kind::Text),
        ("assignments", Kind::Open),
        ("appliedCategories", Kind::Open),
        ("assigneePriority", Kind::Text),
        ("conversationThreadId", Kind::Text),
        ("dueDateTime", Kind::Instant),
        ("startDateTime", Kind::Instant),
        ("orderHint", Kind::Text),
        ("percentComplete", Kind::Whole(0, 100)),
        ("priority", Kind::Whole(0, 10)),
        ("id", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("completedDateTime", Kind::ReadOnly),
    ],
    required: &[],
};

const DETAILS: Model = Model {
    name: "microsoft.graph.plannerTaskDetails",
    fields: &[
        ("description", Kind::Text),
        ("checklist", Kind::Open),
        ("references", Kind::Open),
        ("previewType", Kind::Word(&["automatic", "noPreview", "checklist", "description", "reference"])),
        ("id", Kind::ReadOnly),
    ],
    required: &[],
};

fn absent() -> GraphError {
    GraphError::new(404, "", "The requested item is not found.")
}

fn denied() -> GraphError {
    GraphError::new(403, "", "You do not have the required permissions to access this item.")
}

fn require(context: &Context<'_>, any_of: &[&str]) -> Result<(), GraphError> {
    context.require_scope(any_of).map_err(|_| denied())
}

fn tag(kind: &str, change: u64) -> String {
    format!("W/\"JzEt{kind}QEBAQEBAQEBAQEBAQ{change:04}\"")
}

fn shown(task: &Task) -> Item {
    let mut out = task.plain.clone();
    out.insert("@odata.etag".into(), tag("VGFzay", task.change).into());
    out.insert("id".into(), task.id.clone().into());
    out.insert("planId".into(), task.plan.clone().into());
    out.insert(
        "hasDescription".into(),
        task.details.get("description").is_some_and(|text| text != "").into(),
    );
    out
}

fn details(task: &Task) -> Item {
    let mut out: Map<String, Value> =
        json!({ "description": "", "previewType": "automatic", "checklist": {}, "references": {} })
            .as_object()
            .cloned()
            .unwrap_or_default();
    out.extend(task.details.clone());
    out.insert("@odata.etag".into(), tag("RGV0YW", task.details_change).into());
    out.insert("id".into(), task.id.clone().into());
    out
}

fn plan<'w>(world: &'w World, context: &Context<'_>, id: &str) -> Result<&'w Plan, GraphError> {
    let found = world.planner.plans.iter().find(|plan| plan.id == id).ok_or_else(absent)?;
    if found.members.contains(&context.user.oid) { Ok(found) } else { Err(denied()) }
}

fn plans(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    let own = world.planner.plans.iter().filter(|plan| plan.members.contains(&context.user.oid));
    let items = own.map(|plan| {
        let all =
            json!({ "id": plan.id, "title": plan.title, "owner": plan.team, "createdDateTime": iso(0) });
        all.as_object().cloned().unwrap_or_default()
    });
    collection::page(world, context, &LISTS, items.collect(), "planner/plans")
}

fn buckets(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    let items = plan(world, context, id)?.buckets.iter().map(|(bucket, name)| {
        let all = json!({ "id": bucket, "name": name, "planId": id, "orderHint": " !" });
        all.as_object().cloned().unwrap_or_default()
    });
    collection::page(world, context, &LISTS, items.collect(), &format!("planner/plans('{id}')/buckets"))
}

/// The tasks of a plan, or all that are assigned to the caller.
fn tasks(world: &World, context: &Context<'_>, of: Option<&str>) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    let of = of.map(|id| plan(world, context, id).map(|plan| plan.id.clone())).transpose()?;
    let mine = |task: &&Task| match &of {
        Some(id) => task.plan == *id,
        None => task.plain.get("assignments").is_some_and(|list| list.get(context.user.oid).is_some()),
    };
    let items = world.planner.tasks.iter().filter(mine).map(shown).collect();
    collection::page(world, context, &LISTS, items, "planner/tasks")
}

/// What a checked body says, laid over a task; a member of `assignments` that is null is taken away.
fn take_over(plain: &mut Map<String, Value>, object: &Map<String, Value>) -> Result<(), GraphError> {
    for (name, value) in object.iter().filter(|(name, _)| !name.contains('@')) {
        match (plain.get_mut(name).and_then(Value::as_object_mut), value.as_object()) {
            (Some(before), Some(given)) => {
                before.extend(given.clone());
                before.retain(|_, value| !value.is_null());
            }
            _ => {
                plain.insert(name.clone(), value.clone());
            }
        }
    }
    let assignments = plain.get("assignments").and_then(Value::as_object).into_iter().flatten();
    let typed = |value: &Value| {
        value.get("@odata.type").and_then(Value::as_str) == Some("#microsoft.graph.plannerAssignment")
            || value.get("@odata.type").and_then(Value::as_str) == Some("microsoft.graph.plannerAssignment")
    };
    if assignments.into_iter().any(|(_, value)| !typed(value) || value.get("orderHint").is_none()) {
        return Err(GraphError::bad("", "An assignment needs its @odata.type and an orderHint."));
    }
    Ok(())
}

fn create(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require(context, &["Tasks.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&TASK, &body, "")?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let found = plan(world, context, text("planId"))?.clone();
    if text("title").trim().is_empty() {
        return Err(GraphError::bad("", "The request is invalid: the title is missing."));
    }
    let bucket = found.buckets.iter().find(|(id, _)| text("bucketId").is_empty() || id == text("bucketId"));
    let (bucket, _) = bucket.ok_or_else(|| GraphError::bad("", "The bucket is not in the plan."))?;
    let mut task = Task {
        id: world.ids.uuid().replace('-', "").chars().take(28).collect(),
        plan: found.id,
        ..Task::default()
    };
    let start = json!({ "percentComplete": 0, "priority": 5, "assignments": {}, "createdDateTime": iso(world.now_ms()) });
    task.plain = start.as_object().cloned().unwrap_or_default();
    take_over(&mut task.plain, object)?;
    task.plain.insert("bucketId".into(), bucket.clone().into());
    world.planner.tasks.push(task.clone());
    Ok(collection::entity(world, context, 201, shown(&task), "planner/tasks"))
}

/// Refuses a change that does not name what it changes.
fn check_match(context: &Context<'_>, tag: &str) -> Result<(), GraphError> {
    match context.call.headers.get("if-match") {
        None => Err(GraphError::new(428, "", "The If-Match header must be specified for this request.")),
        Some(given) if given != tag && given != "*" => {
            Err(GraphError::new(412, "", "The If-Match header contains an invalid or stale value."))
        }
        Some(_) => Ok(()),
    }
}

fn one(world: &mut World, context: &Context<'_>, id: &str, of_details: bool) -> Result<Reply, GraphError> {
    let reads = context.call.method == "GET";
    require(context, if reads { &READ } else { &["Tasks.ReadWrite"] })?;
    context.allow_options(&[])?;
    let at = world.planner.tasks.iter().position(|task| task.id == id).ok_or_else(absent)?;
    let task = world.planner.tasks.get(at).cloned().ok_or_else(absent)?;
    plan(world, context, &task.plan)?;
    let item = if of_details { details(&task) } else { shown(&task) };
    if reads {
        return Ok(collection::entity(world, context, 200, item, "planner/tasks"));
    }
    check_match(context, item.get("@odata.etag").and_then(Value::as_str).unwrap_or_default())?;
    match context.call.method.as_str() {
        "DELETE" if !of_details => {
            world.planner.tasks.remove(at);
        }
        "PATCH" => {
            let body = context.json_body()?;
            let object = check(if of_details { &DETAILS } else { &TASK }, &body, "")?;
            let mut changed = task;
            if of_details {
                changed.details.extend(object.clone());
                changed.details_change += 1;
            } else {
                take_over(&mut changed.plain, object)?;
                changed.change += 1;
            }
            *world.planner.tasks.get_mut(at).ok_or_else(absent)? = changed;
        }
        _ => return Err(GraphError::method_not_allowed()),
    }
    Ok(Reply::empty(204))
}

/// Routes the paths of Planner.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "planner", "plans"]) => plans(world, context),
        ("GET", ["me", "planner", "tasks"]) => tasks(world, context, None),
        ("GET", ["planner", "plans", id, "buckets"]) => buckets(world, context, id),
        ("GET", ["planner", "plans", id, "tasks"]) => tasks(world, context, Some(id)),
        ("POST", ["planner", "tasks"]) => create(world, context),
        (_, ["planner", "tasks", id]) => one(world, context, id, false),
        (_, ["planner", "tasks", id, "details"]) => one(world, context, id, true),
        (_, ["me", "planner", "plans" | "tasks"] | ["planner", "tasks"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
