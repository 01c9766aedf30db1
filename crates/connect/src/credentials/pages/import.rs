//! Importing credentials: pasting or choosing a file, seeing what maps where, taking it.

use axum::{
    extract::{Multipart, State},
    http::StatusCode,
};
use kernel::{
    Access, Error, Result, db::Tenant, permission::CredentialsWrite, refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, Render, html};
use ui::{
    Badge, Button, Card, Column, Field, Flash, Notice, Page, PageHeader, SeeOther, Table, Tone,
};

use super::{ENVIRONMENTS, LIST, environment_badge, masked, provider_name};
use crate::{
    Connect,
    catalogue::Catalogue,
    credentials::{
        Environment,
        import::{Entry, EntryOutcome, Format, Import, LONGEST, Outcome, Report, Taken},
    },
};

/// A form may hold the longest text twice, in a file and pasted, or once sealed.
pub(super) const FORM_LIMIT: usize = 2 * LONGEST + 16 * 1024;

const HERE: &str = "/credentials/import";
const FORMATS: [(&str, &str); 4] = [
    ("", "By the file's name, else .env"),
    ("env", ".env: NAME=value lines"),
    ("csv", "CSV: a table"),
    ("json", "JSON"),
];

/// What a form holds. The text is never sent back.
#[derive(Default)]
struct Entered {
    format: String,
    environment: String,
    name: String,
    pasted: String,
    file_name: String,
    file: String,
    /// The import of a preview.
    kept: String,
}

impl Entered {
    async fn read(mut form: Multipart) -> Result<Self> {
        let unreadable = |error: axum::extract::multipart::MultipartError| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge { limit: FORM_LIMIT },
            // Not the parser's own text, which may quote what was sent.
            _ => Error::invalid("the form could not be read"),
        };
        let mut entered = Self::default();
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            let name = field.name().unwrap_or_default().to_owned();
            let file_name = field.file_name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(unreadable)?;
            let text = String::from_utf8(bytes.to_vec());
            let text = text.map_err(|_| Error::field(&name, "must be text in UTF-8"))?;
            match name.as_str() {
                "format" => entered.format = text,
                "environment" => entered.environment = text,
                "name" => entered.name = text.trim().to_owned(),
                "text" => entered.pasted = text,
                "kept" => entered.kept = text,
                "file" => (entered.file_name, entered.file) = (file_name, text),
                _ => {}
            }
        }
        Ok(entered)
    }

    fn import(&mut self) -> Result<Import> {
        let has_file = !self.file.trim().is_empty();
        let format = match self.format.as_str() {
            "" if has_file => Format::of_file(&self.file_name).unwrap_or(Format::Env),
            "" => Format::Env,
            text => Format::parse(text).ok_or_else(|| Error::field("format", "choose one"))?,
        };
        let text = match (has_file, self.pasted.trim().is_empty()) {
            (true, true) => std::mem::take(&mut self.file),
            (false, false) => std::mem::take(&mut self.pasted),
            (true, false) => {
                return Err(Error::field("text", "leave it empty, or choose no file"));
            }
            (false, true) => return Err(Error::field("text", "paste a text, or choose a file")),
        };
        Ok(Import {
            format,
            text: Secret::new(text),
            name: match self.name.as_str() {
                "" => "default".to_owned(),
                name => name.to_owned(),
            },
            environment: Environment::parse(&self.environment).unwrap_or_default(),
        })
    }
}

pub async fn show(access: Access<CredentialsWrite>) -> Page {
    let body = form(access.tenant(), &Entered::default(), &Refusal::default());
    Page::new("Import credentials", body)
}

fn heading(tenant: &Tenant) -> PageHeader {
    PageHeader::new("Import credentials").crumb("Credentials", tenant.href(LIST))
}

fn form(tenant: &Tenant, entered: &Entered, refusal: &Refusal) -> Markup {
    let wrong = |name: &str| refusal.of(name);
    let name = match entered.name.as_str() {
        "" => "default",
        name => name,
    };
    let environment = match entered.environment.as_str() {
        "" => "live",
        chosen => chosen,
    };
    let body = html! {
        (Field::long("text", "Text", 10).optional().autocomplete("off").error(wrong("text"))
            .placeholder("OPENAI_API_KEY=…\nTWILIO_ACCOUNT_SID=…\nTWILIO_AUTH_TOKEN=…"))
        (Field::file("file", "Or a file").optional().error(wrong("file")))
        (Field::select("format", "Format", FORMATS).value(&entered.format).optional().error(wrong("format")))
        (Field::select("environment", "Environment, where the text names none", ENVIRONMENTS).value(environment))
        (Field::text("name", "Name, where the text gives none").value(name).max_length(100).error(wrong("name")))
    };
    let buttons = html! {
        (Button::primary("Preview")) (Button::secondary("Cancel").to(tenant.href(LIST)))
    };
    let form = ui::Form::post(tenant.href(HERE), body, buttons)
        .multipart()
        .errors(refusal.all());
    html! {
        (heading(tenant).about(html! {
            "First you see what would become of each value. Nothing is saved before you say so."
        }))
        div.columns {
            (Card::new(form.render()))
            div.stack { (Card::new(html! {
                div.prose {
                    p { strong { ".env" } " – lines of NAME=value, by the names that programs usually have, such as OPENAI_API_KEY. Other lines are ignored." }
                    p { strong { "CSV" } " – the columns provider, name, environment, and one for each field, such as api_key. A row for each credential." }
                    p { strong { "JSON" } " – a list of objects with provider, name, environment and values." }
                    p { "A credential of the same provider, environment and name gets the values that differ; the replaced ones are accepted on webhooks for a day." }
                }
            }).title("What can be read")) }
        }
    }
}

pub async fn preview(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    form: Multipart,
) -> Result<Page> {
    let mut entered = Entered::read(form).await?;
    let planned = match entered.import() {
        Ok(import) => connect
            .import_credentials(&access, &import, true)
            .await
            .map(|report| (import, report)),
        Err(error) => Err(error),
    };
    match planned {
        Ok((import, report)) => {
            let kept = connect.keep_import(&access, &import).await?;
            let body = previewed(access.tenant(), connect.catalogue(), &report, &kept);
            Ok(Page::new("Import credentials", body))
        }
        Err(error) => refused(&access, &entered, error),
    }
}

fn refused(access: &Access<CredentialsWrite>, entered: &Entered, error: Error) -> Result<Page> {
    let refusal = error.refusal()?;
    let body = self::form(access.tenant(), entered, &refusal);
    Ok(Page::new("Import credentials", body).status(refusal.status()))
}

pub(super) fn previewed(
    tenant: &Tenant,
    catalogue: &Catalogue,
    report: &Report,
    kept: &str,
) -> Markup {
    let changes = |taken: &&Taken| matches!(taken.outcome, Outcome::Created | Outcome::Replaced);
    let count = report.credentials.iter().filter(changes).count();
    let plural = if count == 1 { "" } else { "s" };
    let buttons = html! {
        (Button::primary(format!("Import {count} credential{plural}")))
        (Button::secondary("Start again").to(tenant.href(HERE)))
    };
    let run = ui::Form::post(tenant.href("/credentials/import/run"), html! {}, buttons)
        .hidden("kept", kept)
        .multipart();
    html! {
        (heading(tenant).about(html! { "This is what would be done. Nothing has been saved so far." }))
        div.stack {
            @match count {
                0 => {
                    (Notice::new(Tone::Info, "Nothing would change")
                        .body(html! { "Everything that could be read is saved already, or is refused." }))
                    div { (Button::secondary("Start again").to(tenant.href(HERE))) }
                }
                _ => (Card::new(run.render())),
            }
            (tables(catalogue, report))
        }
    }
}

fn tables(catalogue: &Catalogue, report: &Report) -> Markup {
    let credentials = Table::new("Credentials")
        .column(Column::new("Provider"))
        .column(Column::new("Name"))
        .column(Column::new("Environment"))
        .column(Column::new("What becomes of it"));
    let credentials = report.credentials.iter().fold(credentials, |table, taken| {
        table.row([
            html! { (provider_name(catalogue, &taken.provider)) },
            html! { (taken.name) },
            environment_badge(taken.environment).render(),
            outcome(taken),
        ])
    });
    let entries = Table::new("Values")
        .column(Column::new("Where"))
        .column(Column::new("Read as"))
        .column(Column::new("Goes to"))
        .column(Column::new("Ends with"))
        .column(Column::new("What becomes of it"));
    let entries = report.entries.iter().fold(entries, |table, entry| {
        table.row([
            html! { (entry.place) },
            html! { @match &entry.source {
                Some(source) => code { (source) },
                None => span.muted { "Not shown" },
            } },
            goes_to(catalogue, entry),
            html! { @if entry.last4.is_some() { (masked(entry.last4.as_deref())) } },
            what(entry),
        ])
    });
    html! {
        @if !report.credentials.is_empty() {
            (Card::new(credentials.render()).title("Credentials").flush())
        }
        @if !report.entries.is_empty() {
            (Card::new(entries.render()).title("Values").about("Every value and line of the text.").flush())
        }
    }
}

fn outcome(taken: &Taken) -> Markup {
    let (tone, words) = match taken.outcome {
        Outcome::Created => (Tone::Success, "New"),
        Outcome::Replaced => (Tone::Warning, "Values replaced"),
        Outcome::Unchanged => (Tone::Neutral, "As it is"),
        Outcome::Refused => (Tone::Danger, "Refused"),
    };
    html! {
        (Badge::status(tone, words))
        @if let Some(reason) = &taken.reason { " " span.muted { (reason) } }
    }
}

fn goes_to(catalogue: &Catalogue, entry: &Entry) -> Markup {
    let (Some(provider), Some(field)) = (&entry.provider, &entry.field) else {
        return html! { span.muted { "Nowhere" } };
    };
    let label = catalogue
        .get(provider)
        .and_then(|provider| provider.credential.field(field))
        .map_or(field.as_str(), |field| &field.label);
    html! {
        (provider_name(catalogue, provider)) ": " (label)
        @if let Some(name) = &entry.name { " " span.muted { "of " (name) } }
    }
}

fn what(entry: &Entry) -> Markup {
    let (tone, words) = match entry.outcome {
        EntryOutcome::New => (Tone::Success, "New"),
        EntryOutcome::Replaces => (Tone::Warning, "Replaces"),
        EntryOutcome::Unchanged => (Tone::Neutral, "As it is"),
        EntryOutcome::Ignored => (Tone::Neutral, "Ignored"),
        EntryOutcome::Invalid => (Tone::Danger, "Invalid"),
    };
    html! {
        (Badge::status(tone, words))
        @if let Some(reason) = &entry.reason { " " span.muted { (reason) } }
    }
}

pub async fn run(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    form: Multipart,
) -> Result<std::result::Result<SeeOther, Page>> {
    let entered = Entered::read(form).await?;
    let done = match connect.kept_import(&access, &entered.kept).await {
        Ok(import) => connect.import_credentials(&access, &import, false).await,
        Err(error) => Err(error),
    };
    let report = match done {
        Ok(report) => report,
        Err(error) => return refused(&access, &entered, error).map(Err),
    };
    let count = |wanted: Outcome| {
        let credentials = report.credentials.iter();
        credentials.filter(|taken| taken.outcome == wanted).count()
    };
    let text = format!(
        "{} connected, {} changed, {} as they were, {} refused.",
        count(Outcome::Created),
        count(Outcome::Replaced),
        count(Outcome::Unchanged),
        count(Outcome::Refused)
    );
    let tone = match count(Outcome::Refused) {
        0 => Tone::Success,
        _ => Tone::Warning,
    };
    let to = access.tenant().href(LIST);
    Ok(Ok(SeeOther::new(to).flash(Flash::new(tone, text))))
}
