//! `GET /me`: the person's directory entry. What holds: without `$select` the answer has Graph's default properties and no others. It must never answer
//! for anyone but the token's own user.

use super::Routed;
use super::context::Context;
use super::error::GraphError;
use super::odata::select;
use crate::tenant::User;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Map, Value, json};

/// What `GET /me` answers without `$select`.
pub const DEFAULTS: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

/// What can be selected on a user; those that the demo tenant does not fill are null.
pub const PROPERTIES: [&str; 41] = [
    "accountEnabled",
    "ageGroup",
    "businessPhones",
    "city",
    "companyName",
    "country",
    "createdDateTime",
    "creationType",
    "department",
    "displayName",
    "employeeId",
    "employeeType",
    "faxNumber",
    "givenName",
    "id",
    "identities",
    "imAddresses",
    "isResourceAccount",
    "jobTitle",
    "lastPasswordChangeDateTime",
    "mail",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
    "onPremisesSyncEnabled",
    "otherMails",
    "passwordPolicies",
    "postalCode",
    "preferredDataLocation",
    "preferredLanguage",
    "proxyAddresses",
    "securityIdentifier",
    "showInAddressList",
    "state",
    "streetAddress",
    "surname",
    "usageLocation",
    "userPrincipalName",
    "userType",
];

/// A property of a user.
pub fn value(user: &User, property: &str) -> Value {
    match property {
        "id" => user.oid.into(),
        "displayName" => user.display_name.into(),
        "givenName" => user.given_name.into(),
        "surname" => user.surname.into(),
        "mail" | "userPrincipalName" => user.address.into(),
        "mailNickname" => user.given_name.to_lowercase().into(),
        "jobTitle" => user.job_title.into(),
        "department" => user.department.into(),
        "officeLocation" => user.office.into(),
        "mobilePhone" => user.mobile.into(),
        "preferredLanguage" => user.language.into(),
        "companyName" => "Contoso".into(),
        "accountEnabled" | "showInAddressList" => true.into(),
        "isResourceAccount" => false.into(),
        "userType" => "Member".into(),
        // An office is a city with a number behind it.
        "city" => user.office.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '/' | ' ')).into(),
        "businessPhones" => json!([user.mobile]),
        "proxyAddresses" => json!([format!("SMTP:{}", user.address)]),
        "imAddresses" => json!([user.address]),
        "identities" | "otherMails" => json!([]),
        _ => Value::Null,
    }
}

fn me(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&[
        "User.Read",
        "User.ReadWrite",
        "User.Read.All",
        "User.ReadBasic.All",
        "Directory.Read.All",
    ])?;
    context.allow_options(&["$select", "$expand"])?;
    let selected = select(context, &PROPERTIES, "microsoft.graph.user")?;
    let root = context.origin(world);
    let mut body = Map::new();
    let names: Vec<String> =
        selected.clone().unwrap_or_else(|| DEFAULTS.iter().map(|name| (*name).to_owned()).collect());
    let suffix = selected.map_or(String::new(), |list| format!("({})", list.join(",")));
    body.insert("@odata.context".into(), format!("{root}/$metadata#users{suffix}/$entity").into());
    for name in names {
        let inner = value(context.user, &name);
        body.insert(name, inner);
    }
    let expanded = super::directory::expanded(world, context, context.user)?;
    body.extend(expanded.map(|(name, value)| (name.to_owned(), value)));
    Ok(Reply::json(200, &Value::Object(body)))
}

/// Routes the profile's paths.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    match (context.call.method.as_str(), context.path().as_slice()) {
        ("GET", ["me"]) => Some(me(world, context)),
        (_, ["me"]) => Some(Err(GraphError::method_not_allowed())),
        _ => None,
    }
}
