//! To Do: lists and tasks. A date is a civil moment with a zone and never an offset; a task that is completed gets
//! the day of it, and loses it when it is taken up again.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::event_model::RECURRENCE;
use super::model::{DATE_TIME_ZONE, ITEM_BODY, Kind, Model, check};
use crate::clock::{iso, iso_bare};
use crate::todo::{List, Task};
use crate::wire::Reply;
use crate::world::World;
use crate::zones;
use serde_json::{Map, Value, json};

const READ: [&str; 2] = ["Tasks.Read", "Tasks.ReadWrite"];

const LISTS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.todoTaskList",
        properties: &["id", "displayName", "isOwner", "isShared", "wellknownListName"],
        fields: &[("displayName", Sort::Text), ("wellknownListName", Sort::Text)],
        any: &[],
    },
    always: &["id"],
    sortable: &["displayName"],
    top: 100,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$orderby", "$top", "$skip", "$count"],
};

const TASKS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.todoTask",
        properties: &[
            "id",
            "body",
            "bodyLastModifiedDateTime",
            "categories",
            "completedDateTime",
            "createdDateTime",
            "dueDateTime",
            "hasAttachments",
            "importance",
            "isReminderOn",
            "lastModifiedDateTime",
            "recurrence",
            "reminderDateTime",
            "startDateTime",
            "status",
            "title",
        ],
        fields: &[
            ("status", Sort::Text),
            ("importance", Sort::Text),
            ("title", Sort::Text),
            ("isReminderOn", Sort::Flag),
            ("createdDateTime", Sort::Moment),
            ("lastModifiedDateTime", Sort::Moment),
            ("dueDateTime/dateTime", Sort::Text),
            ("completedDateTime/dateTime", Sort::Text),
        ],
        any: &[("categories", "")],
    },
    sortable: &[
        "createdDateTime",
        "lastModifiedDateTime",
        "dueDateTime/dateTime",
        "importance",
        "status",
        "title",
    ],
    ..LISTS
};

const LIST: Model = Model {
    name: "microsoft.graph.todoTaskList",
    fields: &[
        ("displayName", Kind::Text),
        ("id", Kind::ReadOnly),
        ("isOwner", Kind::ReadOnly),
        ("isShared", Kind::ReadOnly),
        ("wellknownListName", Kind::ReadOnly),
    ],
    required: &["displayName"],
};

const CHECK_ITEM: Model = Model {
    name: "microsoft.graph.checklistItem",
    fields: &[("displayName", Kind::Text), ("isChecked", Kind::Flag), ("checkedDateTime", Kind::Instant)],
    required: &["displayName"],
};

const LINKED: Model = Model {
    name: "microsoft.graph.linkedResource",
    fields: &[
        ("applicationName", Kind::Text),
        ("displayName", Kind::Text),
        ("externalId", Kind::Text),
        ("webUrl", Kind::Text),
    ],
    required: &[],
};

const TASK: Model = Model {
    name: "microsoft.graph.todoTask",
    fields: &[
        ("title", Kind::Text),
        ("body", Kind::One(&ITEM_BODY)),
        ("categories", Kind::Texts),
        ("completedDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("dueDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("reminderDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("startDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("importance", Kind::Word(&["low", "normal", "high"])),
        ("isReminderOn", Kind::Flag),
        ("recurrence", Kind::One(&RECURRENCE)),
        ("status", Kind::Word(&["notStarted", "inProgress", "completed", "waitingOnOthers", "deferred"])),
        ("checklistItems", Kind::Many(&CHECK_ITEM)),
        ("linkedResources", Kind::Many(&LINKED)),
        ("id", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("lastModifiedDateTime", Kind::ReadOnly),
        ("bodyLastModifiedDateTime", Kind::ReadOnly),
        ("hasAttachments", Kind::ReadOnly),
    ],
    required: &[],
};

fn absent() -> GraphError {
    GraphError::new(404, "itemNotFound", "The specified object was not found in the store.")
}

fn refuse(message: &str) -> GraphError {
    GraphError::bad("invalidRequest", message)
}

fn shown_list(list: &List) -> Item {
    let all = json!({
        "id": list.id, "displayName": list.name, "isOwner": true, "isShared": false, "wellknownListName": list.kind,
    });
    all.as_object().cloned().unwrap_or_default()
}

fn shown(task: &Task) -> Item {
    let all = json!({
        "@odata.etag": format!("W/\"{}{:04x}\"", task.id.get(20..32).unwrap_or_default(), task.change), "id": task.id,
        "createdDateTime": iso(task.created_ms), "lastModifiedDateTime": iso(task.modified_ms), "hasAttachments": false,
    });
    let mut out = task.plain.clone();
    out.extend(all.as_object().cloned().unwrap_or_default());
    out
}

/// The properties of a task that nobody set.
pub fn defaults() -> Map<String, Value> {
    let all = json!({
        "title": "", "status": "notStarted", "importance": "normal", "isReminderOn": false, "categories": [],
        "body": { "content": "", "contentType": "text" },
    });
    all.as_object().cloned().unwrap_or_default()
}

/// Takes a checked body over; null takes a property away.
pub fn take_over(task: &mut Task, body: &Value, now_ms: u64) -> Result<(), GraphError> {
    let object = check(&TASK, body, "")?;
    for (name, value) in object {
        let zone = value.get("timeZone").and_then(Value::as_str);
        if zone.is_some_and(|zone| zones::zone(zone).is_none()) {
            return Err(refuse("The time zone is not known."));
        }
        if value.is_null() {
            task.plain.remove(name);
        } else {
            task.plain.insert(name.clone(), value.clone());
        }
    }
    let title = task.plain.get("title").and_then(Value::as_str).unwrap_or_default();
    if title.trim().is_empty() {
        return Err(refuse("Required field 'title' is missing."));
    }
    if task.plain.contains_key("recurrence") && !task.plain.contains_key("dueDateTime") {
        return Err(refuse("A task that repeats needs a dueDateTime."));
    }
    let is_done = task.plain.get("status").and_then(Value::as_str) == Some("completed");
    if is_done && !task.plain.contains_key("completedDateTime") {
        let day = iso_bare(now_ms).get(..10).unwrap_or_default().to_owned();
        let at = json!({ "dateTime": format!("{day}T00:00:00.0000000"), "timeZone": "UTC" });
        task.plain.insert("completedDateTime".into(), at);
    }
    if !is_done {
        task.plain.remove("completedDateTime");
    }
    (task.modified_ms, task.change) = (now_ms, task.change + 1);
    Ok(())
}

fn lists(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let items = world.todo.of(context.user.oid).iter().map(shown_list).collect();
    collection::page(world, context, &LISTS, items, &format!("users('{}')/todo/lists", context.user.oid))
}

fn list_meta(context: &Context<'_>) -> String {
    format!("users('{}')/todo/lists", context.user.oid)
}

fn list<'w>(world: &'w World, context: &Context<'_>, id: &str) -> Result<&'w List, GraphError> {
    world.todo.of(context.user.oid).iter().find(|list| list.id == id).ok_or_else(absent)
}

fn list_mut<'w>(world: &'w mut World, context: &Context<'_>, id: &str) -> Result<&'w mut List, GraphError> {
    context.require_scope(&["Tasks.ReadWrite"])?;
    context.allow_options(&[])?;
    world.todo.of_mut(context.user.oid).iter_mut().find(|list| list.id == id).ok_or_else(absent)
}

fn create_list(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Tasks.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let name = check(&LIST, &body, "")?.get("displayName").and_then(Value::as_str).unwrap_or_default();
    let made = world.todo.add(context.user.oid, name, "none", &mut world.ids);
    Ok(collection::entity(world, context, 201, shown_list(&made), &list_meta(context)))
}

fn one_list(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    if context.call.method == "GET" {
        context.require_scope(&READ)?;
        return collection::single(
            world,
            context,
            &LISTS,
            shown_list(list(world, context, id)?),
            &list_meta(context),
        );
    }
    if !matches!(context.call.method.as_str(), "PATCH" | "DELETE") {
        return Err(GraphError::method_not_allowed());
    }
    let found = list_mut(world, context, id)?;
    if found.kind != "none" {
        return Err(refuse("A built-in list cannot be renamed or deleted."));
    }
    if context.call.method == "DELETE" {
        world.todo.of_mut(context.user.oid).retain(|list| list.id != id);
        return Ok(Reply::empty(204));
    }
    let body = context.json_body()?;
    found.name =
        check(&LIST, &body, "")?.get("displayName").and_then(Value::as_str).unwrap_or_default().into();
    let changed = shown_list(found);
    Ok(collection::entity(world, context, 200, changed, &list_meta(context)))
}

fn task_meta(context: &Context<'_>, list: &str) -> String {
    format!("users('{}')/todo/lists('{list}')/tasks", context.user.oid)
}

fn tasks(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let items = list(world, context, id)?.tasks.iter().map(shown).collect();
    collection::page(world, context, &TASKS, items, &task_meta(context, id))
}

fn create(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    list_mut(world, context, id)?;
    let (now_ms, made) = (world.now_ms(), world.ids.rest_id());
    let mut task = Task { id: made, plain: defaults(), created_ms: now_ms, ..Task::default() };
    take_over(&mut task, &context.json_body()?, now_ms)?;
    list_mut(world, context, id)?.tasks.push(task.clone());
    Ok(collection::entity(world, context, 201, shown(&task), &task_meta(context, id)))
}

fn one_task(world: &mut World, context: &Context<'_>, id: &str, task: &str) -> Result<Reply, GraphError> {
    let now_ms = world.now_ms();
    match context.call.method.as_str() {
        "GET" => {
            context.require_scope(&READ)?;
            let found =
                list(world, context, id)?.tasks.iter().find(|one| one.id == task).ok_or_else(absent)?;
            collection::single(world, context, &TASKS, shown(found), &task_meta(context, id))
        }
        "PATCH" => {
            let tasks = &mut list_mut(world, context, id)?.tasks;
            let slot = tasks.iter_mut().find(|one| one.id == task).ok_or_else(absent)?;
            let mut changed = slot.clone();
            take_over(&mut changed, &context.json_body()?, now_ms)?;
            *slot = changed.clone();
            Ok(collection::entity(world, context, 200, shown(&changed), &task_meta(context, id)))
        }
        "DELETE" => {
            let tasks = &mut list_mut(world, context, id)?.tasks;
            let at = tasks.iter().position(|one| one.id == task).ok_or_else(absent)?;
            tasks.remove(at);
            Ok(Reply::empty(204))
        }
        _ => Err(GraphError::method_not_allowed()),
    }
}

/// Routes the paths of To Do.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "todo", "lists"]) => lists(world, context),
        ("POST", ["me", "todo", "lists"]) => create_list(world, context),
        (_, ["me", "todo", "lists", id]) => one_list(world, context, id),
        ("GET", ["me", "todo", "lists", id, "tasks"]) => tasks(world, context, id),
        ("POST", ["me", "todo", "lists", id, "tasks"]) => create(world, context, id),
        (_, ["me", "todo", "lists", id, "tasks", task]) => one_task(world, context, id, task),
        (_, ["me", "todo", "lists"] | ["me", "todo", "lists", _, "tasks"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
