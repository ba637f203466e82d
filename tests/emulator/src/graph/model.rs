//! Closed request models: which properties a body may have, and of which kind. Graph refuses a property
//! that a type does not have, and so does this. Read-only properties are known, but refused by a
//! different code. The models are data, so that a new workload only adds tables.

use super::error::GraphError;
use jiff::civil::Date;
use serde_json::{Map, Value};

/// The kind of a property's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Flag,
    /// Base64 text.
    Bytes,
    /// One of some words, whatever their case.
    Word(&'static [&'static str]),
    /// A local moment without an offset.
    LocalTime,
    /// A moment with an offset.
    Instant,
    /// A day such as `2026-01-02`.
    Day,
    /// A whole number within bounds.
    Whole(i64, i64),
    /// A list of some words, whatever their case.
    Words(&'static [&'static str]),
    /// An object of a type.
    One(&'static Model),
    /// A list of objects of a type.
    Many(&'static Model),
    /// A list of texts.
    Texts,
    /// An attachment: its type decides.
    Attachments,
    /// Anything at all.
    Open,
    /// Known, but not writable.
    ReadOnly,
}

/// A type with its properties.
#[derive(Debug)]
pub struct Model {
    /// The name in messages.
    pub name: &'static str,
    /// The properties.
    pub fields: &'static [(&'static str, Kind)],
    /// The properties that must be there.
    pub required: &'static [&'static str],
}

/// A mail address with a name.
pub const EMAIL_ADDRESS: Model = Model {
    name: "microsoft.graph.emailAddress",
    fields: &[("address", Kind::Text), ("name", Kind::Text)],
    required: &[],
};

/// A recipient.
pub const RECIPIENT: Model = Model {
    name: "microsoft.graph.recipient",
    fields: &[("emailAddress", Kind::One(&EMAIL_ADDRESS))],
    required: &["emailAddress"],
};

/// An item's body.
pub const ITEM_BODY: Model = Model {
    name: "microsoft.graph.itemBody",
    fields: &[("content", Kind::Text), ("contentType", Kind::Word(&["text", "html"]))],
    required: &[],
};

/// A civil moment in a zone.
pub const DATE_TIME_ZONE: Model = Model {
    name: "microsoft.graph.dateTimeTimeZone",
    fields: &[("dateTime", Kind::LocalTime), ("timeZone", Kind::Text)],
    required: &["dateTime", "timeZone"],
};

const FLAG: Model = Model {
    name: "microsoft.graph.followupFlag",
    fields: &[
        ("completedDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("dueDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("flagStatus", Kind::Word(&["notFlagged", "complete", "flagged"])),
        ("startDateTime", Kind::One(&DATE_TIME_ZONE)),
    ],
    required: &[],
};

const HEADER: Model = Model {
    name: "microsoft.graph.internetMessageHeader",
    fields: &[("name", Kind::Text), ("value", Kind::Text)],
    required: &["name"],
};

/// An extended property.
pub const EXTENDED: Model = Model {
    name: "microsoft.graph.singleValueLegacyExtendedProperty",
    fields: &[("id", Kind::Text), ("value", Kind::Text)],
    required: &["id", "value"],
};

/// An extended property with several values.
pub const EXTENDED_MANY: Model = Model {
    name: "microsoft.graph.multiValueLegacyExtendedProperty",
    fields: &[("id", Kind::Text), ("value", Kind::Texts)],
    required: &["id", "value"],
};

const FILE_ATTACHMENT: Model = Model {
    name: "microsoft.graph.fileAttachment",
    fields: &[
        ("name", Kind::Text),
        ("contentType", Kind::Text),
        ("contentBytes", Kind::Bytes),
        ("contentId", Kind::Text),
        ("contentLocation", Kind::Text),
        ("isInline", Kind::Flag),
        ("id", Kind::ReadOnly),
        ("size", Kind::ReadOnly),
        ("lastModifiedDateTime", Kind::ReadOnly),
    ],
    required: &["name", "contentBytes"],
};

const ITEM_ATTACHMENT: Model = Model {
    name: "microsoft.graph.itemAttachment",
    fields: &[
        ("name", Kind::Text),
        ("contentType", Kind::Text),
        ("isInline", Kind::Flag),
        ("item", Kind::Open),
    ],
    required: &["name", "item"],
};

const REFERENCE_ATTACHMENT: Model = Model {
    name: "microsoft.graph.referenceAttachment",
    fields: &[("name", Kind::Text), ("contentType", Kind::Text), ("isInline", Kind::Flag)],
    required: &["name"],
};

/// A message.
pub const MESSAGE: Model = Model {
    name: "microsoft.graph.message",
    fields: &[
        ("categories", Kind::Texts),
        ("bccRecipients", Kind::Many(&RECIPIENT)),
        ("body", Kind::One(&ITEM_BODY)),
        ("ccRecipients", Kind::Many(&RECIPIENT)),
        ("flag", Kind::One(&FLAG)),
        ("from", Kind::One(&RECIPIENT)),
        ("importance", Kind::Word(&["low", "normal", "high"])),
        ("inferenceClassification", Kind::Word(&["focused", "other"])),
        ("internetMessageHeaders", Kind::Many(&HEADER)),
        ("internetMessageId", Kind::Text),
        ("isDeliveryReceiptRequested", Kind::Flag),
        ("isRead", Kind::Flag),
        ("isReadReceiptRequested", Kind::Flag),
        ("replyTo", Kind::Many(&RECIPIENT)),
        ("sender", Kind::One(&RECIPIENT)),
        ("subject", Kind::Text),
        ("toRecipients", Kind::Many(&RECIPIENT)),
        ("attachments", Kind::Attachments),
        ("extensions", Kind::Open),
        ("multiValueExtendedProperties", Kind::Many(&EXTENDED_MANY)),
        ("singleValueExtendedProperties", Kind::Many(&EXTENDED)),
        ("id", Kind::ReadOnly),
        ("bodyPreview", Kind::ReadOnly),
        ("changeKey", Kind::ReadOnly),
        ("conversationId", Kind::ReadOnly),
        ("conversationIndex", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("hasAttachments", Kind::ReadOnly),
        ("isDraft", Kind::ReadOnly),
        ("lastModifiedDateTime", Kind::ReadOnly),
        ("parentFolderId", Kind::ReadOnly),
        ("receivedDateTime", Kind::ReadOnly),
        ("sentDateTime", Kind::ReadOnly),
        ("uniqueBody", Kind::ReadOnly),
        ("webLink", Kind::ReadOnly),
    ],
    required: &[],
};

/// The refusal of a value of the wrong kind.
pub fn wrong_kind(path: &str, expected: &str) -> GraphError {
    GraphError::bad(
        "RequestBodyRead",
        format!("An unexpected value was found for the property '{path}': expected {expected}."),
    )
}

/// Checks an object against a model; the answer is the object.
pub fn check<'a>(model: &Model, value: &'a Value, path: &str) -> Result<&'a Map<String, Value>, GraphError> {
    let object = value.as_object().ok_or_else(|| wrong_kind(path, "an object"))?;
    for (name, inner) in object {
        // Annotations are allowed; the type annotation must name this type.
        if name.contains('@') {
            let expected = format!("#{}", model.name);
            if name == "@odata.type" && inner.as_str().is_none_or(|t| !t.eq_ignore_ascii_case(&expected)) {
                let message = format!("A type named '{inner}' could not be resolved by the model.");
                return Err(GraphError::bad("RequestBodyRead", message));
            }
            continue;
        }
        let Some((_, kind)) = model.fields.iter().find(|(known, _)| known == name) else {
            let message = format!(
                "The property '{name}' does not exist on type '{}'. Make sure to only use property names that are \
                 defined by the type or mark the type as open type.",
                model.name
            );
            return Err(GraphError::bad("RequestBodyRead", message));
        };
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        check_kind(*kind, inner, &path)?;
    }
    if let Some(missing) = model.required.iter().find(|name| object.get(**name).is_none_or(Value::is_null)) {
        let message = format!("The property '{missing}' is required on type '{}'.", model.name);
        return Err(GraphError::bad("ErrorInvalidPropertySet", message));
    }
    Ok(object)
}

fn check_kind(kind: Kind, value: &Value, path: &str) -> Result<(), GraphError> {
    let list = |what: &str| value.as_array().ok_or_else(|| wrong_kind(path, what));
    match kind {
        Kind::ReadOnly => {
            let message = format!("The property '{path}' is read-only and cannot be set.");
            Err(GraphError::bad("ErrorInvalidPropertySet", message))
        }
        Kind::Open => Ok(()),
        Kind::Many(model) => list("a list").and_then(|items| check_each(model, items, path)),
        Kind::Texts => {
            let texts = list("a list of strings")?.iter().all(Value::is_string);
            if texts { Ok(()) } else { Err(wrong_kind(path, "a list of strings")) }
        }
        Kind::Words(words) => {
            let each = |item| check_kind(Kind::Word(words), item, path);
            list("a list")?.iter().try_for_each(each)
        }
        Kind::Attachments => list("a list")?.iter().try_for_each(|item| check_attachment(item, path)),
        _ if value.is_null() => Ok(()),
        Kind::Text if value.is_string() => Ok(()),
        Kind::Text => Err(wrong_kind(path, "a string")),
        Kind::Flag if value.is_boolean() => Ok(()),
        Kind::Flag => Err(wrong_kind(path, "a boolean")),
        Kind::Bytes => {
            use base64::Engine as _;
            let text = value.as_str().ok_or_else(|| wrong_kind(path, "base64"))?;
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            decoded.map(|_| ()).map_err(|_| wrong_kind(path, "base64"))
        }
        Kind::Word(words) => {
            let known = value.as_str().is_some_and(|text| words.iter().any(|w| w.eq_ignore_ascii_case(text)));
            if known { Ok(()) } else { Err(wrong_kind(path, &format!("one of {words:?}"))) }
        }
        Kind::LocalTime => {
            let local = value.as_str().and_then(crate::zones::parse_local).is_some();
            if local { Ok(()) } else { Err(wrong_kind(path, "a date and time without an offset")) }
        }
        Kind::Instant => {
            let text = value.as_str().filter(|text| text.contains(['T', 't']));
            let known = text.and_then(crate::clock::parse_iso).is_some();
            if known { Ok(()) } else { Err(wrong_kind(path, "a date and time with an offset")) }
        }
        Kind::Day => {
            let known =
                value.as_str().filter(|text| text.len() == 10).is_some_and(|t| t.parse::<Date>().is_ok());
            if known { Ok(()) } else { Err(wrong_kind(path, "a date")) }
        }
        Kind::Whole(least, most) => {
            let known = value.as_i64().is_some_and(|number| (least..=most).contains(&number));
            if known { Ok(()) } else { Err(wrong_kind(path, &format!("a number from {least} to {most}"))) }
        }
        Kind::One(model) => check(model, value, path).map(|_| ()),
    }
}

fn check_each(model: &Model, items: &[Value], path: &str) -> Result<(), GraphError> {
    items.iter().try_for_each(|item| check(model, item, path).map(|_| ()))
}

/// Checks an attachment against the model of the type that it names.
pub fn check_attachment(item: &Value, path: &str) -> Result<(), GraphError> {
    let model = match item.get("@odata.type").and_then(Value::as_str) {
        Some("#microsoft.graph.fileAttachment") => &FILE_ATTACHMENT,
        Some("#microsoft.graph.itemAttachment") => &ITEM_ATTACHMENT,
        Some("#microsoft.graph.referenceAttachment") => &REFERENCE_ATTACHMENT,
        _ => {
            let message = "The specified type 'microsoft.graph.attachment' is abstract; '@odata.type' must name a derived type.";
            return Err(GraphError::bad("RequestBodyRead", message));
        }
    };
    check(model, item, path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_documented_message_passes() {
        let body = json!({
            "subject": "s", "body": { "contentType": "HTML", "content": "<p>x</p>" }, "importance": "High",
            "toRecipients": [{ "emailAddress": { "address": "a@b.example", "name": "A" } }],
            "attachments": [{ "@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "YQ==" }],
            "singleValueExtendedProperties": [{ "id": "String 0x1", "value": "v" }],
        });
        check(&MESSAGE, &body, "").unwrap();
    }

    #[test]
    fn wrong_bodies_are_refused() {
        for bad in [
            json!([]),
            json!({ "Subject": "s" }),
            json!({ "to": [] }),
            json!({ "id": "x" }),
            json!({ "subject": 5 }),
            json!({ "toRecipients": { "emailAddress": {} } }),
            json!({ "toRecipients": [{ "address": "a@b.example" }] }),
            json!({ "toRecipients": [{}] }),
            json!({ "body": { "contentType": "markdown" } }),
            json!({ "importance": "urgent" }),
            json!({ "attachments": [{ "name": "a", "contentBytes": "YQ==" }] }),
            json!({ "attachments": [{ "@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "?" }] }),
            json!({ "flag": { "dueDateTime": { "dateTime": "2026-01-01T00:00:00+01:00", "timeZone": "UTC" } } }),
            json!({ "singleValueExtendedProperties": [{ "value": "v" }] }),
        ] {
            assert_eq!(check(&MESSAGE, &bad, "").unwrap_err().status, 400, "{bad}");
        }
    }
}
