//! A list of credentials in JSON: `[{"provider", "name", "environment", "values": {field: value}}]`,
//! by itself or under the key `credentials`. Strings count, and numbers as they are written.

use kernel::{Error, Result, secret::Secret};
use serde_json::{Map, Value};

use super::{Entry, Found, Import, Item, shown};
use crate::{catalogue::Catalogue, credentials::model::Environment};

pub(super) fn read(catalogue: &Catalogue, import: &Import) -> Result<Vec<Item>> {
    // The parser's own text may quote what it read.
    let parsed: Value = serde_json::from_str(import.text.expose()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::field(
            "text",
            format!("is no JSON: see line {line}, column {column}"),
        )
    })?;
    let list = match &parsed {
        Value::Array(list) => Some(list),
        Value::Object(object) => object.get("credentials").and_then(Value::as_array),
        _ => None,
    };
    let list = list.ok_or_else(|| {
        Error::field(
            "text",
            "must be a list of credentials, or an object with one under `credentials`",
        )
    })?;
    let mut items = Vec::new();
    for (index, element) in list.iter().enumerate() {
        let place = format!("credentials[{index}]");
        if let Err(reason) = credential(catalogue, import, &place, element, &mut items) {
            items.push(Item::Other(Entry::invalid(place, None, reason)));
        }
    }
    Ok(items)
}

fn credential(
    catalogue: &Catalogue,
    import: &Import,
    place: &str,
    element: &Value,
    items: &mut Vec<Item>,
) -> std::result::Result<(), &'static str> {
    let object = element.as_object().ok_or("is no object")?;
    let text = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err("has a provider, name or environment that is no string"),
    };
    let provider = text("provider")?.and_then(|id| catalogue.get(id));
    let provider = provider.ok_or("names no provider of the catalogue")?;
    let name = text("name")?.unwrap_or(&import.name);
    let environment = match text("environment")? {
        None => import.environment,
        Some(text) => {
            Environment::parse(text).ok_or("has an environment other than live and test")?
        }
    };
    let empty = Map::new();
    let values = match object.get("values") {
        None => &empty,
        Some(values) => values.as_object().ok_or("has values that are no object")?,
    };
    let usual = |c: char| c.is_ascii_lowercase() || c == '_';
    let further = object
        .keys()
        .filter(|key| !["provider", "name", "environment", "values"].contains(&key.as_str()));
    for key in further {
        items.push(Item::Other(Entry::ignored(
            place,
            shown(key, usual),
            "is no part of a credential; values stand under `values`",
        )));
    }
    for (key, value) in values {
        let Some(field) = provider.credential.field(key) else {
            items.push(Item::Other(Entry::ignored(
                place,
                shown(key, usual),
                format!("{} has no such field", provider.name),
            )));
            continue;
        };
        let value = match value {
            Value::String(text) => Secret::new(text.as_str()),
            Value::Number(number) => Secret::new(number.to_string()),
            Value::Null => Secret::new(""),
            _ => {
                items.push(Item::Other(Entry::invalid(
                    place,
                    Some(field.name.clone()),
                    "must be a string",
                )));
                continue;
            }
        };
        if value.expose().is_empty() {
            let entry = Entry::ignored(place, Some(field.name.clone()), "is empty");
            items.push(Item::Other(entry));
            continue;
        }
        items.push(Item::Value(Found {
            place: place.to_owned(),
            source: Some(field.name.clone()),
            provider: provider.id.clone(),
            name: name.to_owned(),
            environment,
            field: field.name.clone(),
            value,
        }));
    }
    Ok(())
}
