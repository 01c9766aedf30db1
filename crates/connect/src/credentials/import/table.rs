//! A table: a row for each credential, with the columns `provider`, `name`, `environment`, and one
//! for each field that any of them has.

use csv::{ReaderBuilder, Trim};
use kernel::{Error, Result, secret::Secret};

use super::{Entry, Found, Import, Item, shown};
use crate::{catalogue::Catalogue, credentials::model::Environment};

const PROVIDER: &str = "provider";
const NAME: &str = "name";
const ENVIRONMENT: &str = "environment";

pub(super) fn read(catalogue: &Catalogue, import: &Import) -> Result<Vec<Item>> {
    let text = import.text.expose();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let header = text.lines().next().unwrap_or_default();
    // Spreadsheets of many countries write semicolons.
    let delimiter = match header.contains(';') && !header.contains(',') {
        true => b';',
        false => b',',
    };
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut columns: Option<Vec<String>> = None;
    let mut items = Vec::new();
    for record in reader.records() {
        // The library's own text would quote what it read.
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            Error::field("text", format!("can't be read as a table near line {line}"))
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        match &columns {
            None => columns = Some(header_of(catalogue, &record, &mut items)?),
            Some(columns) => row(catalogue, import, columns, &record, line, &mut items),
        }
    }
    match columns {
        Some(_) => Ok(items),
        None => Err(no_header()),
    }
}

fn no_header() -> Error {
    Error::field(
        "text",
        "must begin with a row of column names, among them `provider`",
    )
}

/// The names of the columns. Those that are of no use are told, once they are certain to be names.
fn header_of(
    catalogue: &Catalogue,
    record: &csv::StringRecord,
    items: &mut Vec<Item>,
) -> Result<Vec<String>> {
    let columns: Vec<String> = record.iter().map(str::to_ascii_lowercase).collect();
    if !columns.iter().any(|column| column == PROVIDER) {
        return Err(no_header());
    }
    for (index, column) in columns.iter().enumerate() {
        let is_own = [PROVIDER, NAME, ENVIRONMENT].contains(&column.as_str());
        if columns[..index].contains(column) {
            return Err(Error::field(
                "text",
                format!(
                    "has two columns of one name; the second is number {}",
                    index + 1
                ),
            ));
        }
        let is_field = || {
            let mut providers = catalogue.iter();
            providers.any(|provider| provider.credential.field(column).is_some())
        };
        if !is_own && !is_field() {
            items.push(Item::Other(Entry::ignored(
                format!("column {}", index + 1),
                name(column),
                "is no field of any provider",
            )));
        }
    }
    Ok(columns)
}

fn name(column: &str) -> Option<String> {
    shown(column, |c| c.is_ascii_lowercase() || c == '_')
}

fn row(
    catalogue: &Catalogue,
    import: &Import,
    columns: &[String],
    record: &csv::StringRecord,
    line: u64,
    items: &mut Vec<Item>,
) {
    let place = format!("line {line}");
    let cell = |wanted: &str| {
        let index = columns.iter().position(|column| column == wanted)?;
        record.get(index).filter(|cell| !cell.is_empty())
    };
    if record.iter().all(str::is_empty) {
        return;
    }
    let mut invalid = |reason: &str| items.push(Item::Other(Entry::invalid(&place, None, reason)));
    if record.len() > columns.len() {
        return invalid("has more cells than there are columns");
    }
    let provider = cell(PROVIDER).map(str::to_ascii_lowercase);
    let Some(provider) = provider.and_then(|id| catalogue.get(&id)) else {
        return invalid("names no provider of the catalogue");
    };
    let environment = match cell(ENVIRONMENT).map(str::to_ascii_lowercase) {
        None => Some(import.environment),
        Some(text) => Environment::parse(&text),
    };
    let Some(environment) = environment else {
        return invalid("has an environment other than live and test");
    };
    let credential = cell(NAME).unwrap_or(&import.name);
    for (column, value) in columns.iter().zip(record.iter()) {
        let is_own = [PROVIDER, NAME, ENVIRONMENT].contains(&column.as_str());
        if is_own || value.is_empty() {
            continue;
        }
        if provider.credential.field(column).is_none() {
            items.push(Item::Other(Entry::ignored(
                &place,
                name(column),
                format!("{} has no such field", provider.name),
            )));
            continue;
        }
        items.push(Item::Value(Found {
            place: place.clone(),
            source: Some(column.clone()),
            provider: provider.id.clone(),
            name: credential.to_owned(),
            environment,
            field: column.clone(),
            value: Secret::new(value),
        }));
    }
}
