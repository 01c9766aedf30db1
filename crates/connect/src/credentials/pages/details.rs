//! What of a credential is no value: its name, environment, owner and end; and which one is the
//! default.

use axum::extract::State;
use kernel::{
    Access, Error, Result,
    extract::{Fields, Form, Path},
    id::{CredentialId, UserId},
    permission::{CredentialsWrite, MembersRead},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use time::{Date, OffsetDateTime, macros::format_description};
use ui::{Button, Card, Field, Flash, Page, PageHeader, SeeOther, Tone};

use super::{ENVIRONMENTS, LIST, provider_name};
use crate::{
    Connect,
    credentials::{Change, CredentialView, Environment, read},
};

/// The most members that are offered as owners.
const MOST: i64 = 200;

/// Somebody who may answer for a credential.
struct Candidate {
    id: UserId,
    name: String,
}

/// Who may be chosen: the owner of now and whoever asks; the other members for those who may see them.
async fn candidates(
    access: &Access<CredentialsWrite>,
    owner: Option<UserId>,
) -> Result<Vec<Candidate>> {
    let sees_all = access.also::<MembersRead>().is_some();
    let known: Vec<_> = [owner, access.user()]
        .into_iter()
        .flatten()
        .map(UserId::uuid)
        .collect();
    let mut tx = access.people().await?;
    let rows = sqlx::query!(
        "SELECT u.id, u.name FROM control.membership m JOIN control.user u ON u.id = m.user_id
         WHERE m.tenant_id = $1 AND ($2 OR u.id = ANY ($3))
         ORDER BY u.name, u.id LIMIT $4",
        access.tenant().id.uuid(),
        sees_all,
        &known,
        MOST
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| Candidate {
            id: row.id.into(),
            name: row.name,
        })
        .collect())
}

/// What the form holds, as texts.
struct Shown {
    name: String,
    environment: String,
    owner: String,
    ends: String,
}

impl Shown {
    fn of(credential: &CredentialView) -> Self {
        let owner = credential.owner.map(|owner| owner.to_string());
        Self {
            name: credential.name.clone(),
            environment: credential.environment.as_str().to_owned(),
            owner: owner.unwrap_or_default(),
            ends: credential.entered_expiry.map(day).unwrap_or_default(),
        }
    }

    fn entered(form: &Fields) -> Self {
        Self {
            name: form.get("name").trim().to_owned(),
            environment: form.get("environment").to_owned(),
            owner: form.get("owner").to_owned(),
            ends: form.get("expires_at").to_owned(),
        }
    }

    /// What to change. Days end at midnight of UTC.
    fn change(&self, credential: &CredentialView) -> Result<Change> {
        let ends = match self.ends.as_str() {
            "" => None,
            text => {
                let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
                let day = day.map_err(|_| Error::field("expires_at", "must be a date"))?;
                let next = day.next_day();
                let next = next.ok_or_else(|| Error::field("expires_at", "is too far away"))?;
                Some(next.midnight().assume_utc())
            }
        };
        let owner = match self.owner.as_str() {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|_| Error::field("owner", "choose one"))?,
            ),
        };
        let environment = Environment::parse(&self.environment);
        let was = Self::of(credential);
        Ok(Change {
            name: Some(self.name.clone()),
            environment: Some(
                environment.ok_or_else(|| Error::field("environment", "choose one"))?,
            ),
            owner: Some(owner),
            // The hour of a day that was not touched stays as it was entered elsewhere.
            expires_at: (was.ends != self.ends).then_some(ends),
            ..Change::default()
        })
    }
}

/// The last day on which it is good.
fn day(end: OffsetDateTime) -> String {
    let last = end.to_offset(time::UtcOffset::UTC) - time::Duration::SECOND;
    let date = last.date();
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

pub async fn show(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<Page> {
    let credential = read::get(&access, id).await?;
    let members = candidates(&access, credential.owner).await?;
    let shown = Shown::of(&credential);
    let body = form(
        &access,
        &connect,
        &credential,
        &members,
        &shown,
        &Refusal::default(),
    );
    Ok(Page::new("Edit details", body))
}

fn form(
    access: &Access<CredentialsWrite>,
    connect: &Connect,
    credential: &CredentialView,
    members: &[Candidate],
    shown: &Shown,
    refusal: &Refusal,
) -> Markup {
    let tenant = access.tenant();
    let here = tenant.href(&format!("{LIST}/{}", credential.id));
    let provider = provider_name(connect.catalogue(), &credential.provider);
    let owners = std::iter::once((String::new(), "Nobody".to_owned())).chain(
        members
            .iter()
            .map(|member| (member.id.to_string(), member.name.clone())),
    );
    let wrong = |name: &str| refusal.of(name);
    let body = html! {
        (Field::text("name", "Name").value(&shown.name).max_length(100).error(wrong("name"))
            .hint("Tells several accounts at this provider apart."))
        (Field::select("environment", "Environment", ENVIRONMENTS).value(&shown.environment)
            .error(wrong("environment"))
            .hint("What is for tests is never taken for live use, nor the other way round."))
        (Field::select("owner", "Owner", owners).value(&shown.owner).optional().error(wrong("owner"))
            .hint("Who answers for it, and is written to when it is refused or about to end."))
        (Field::date("expires_at", "Good until").value(&shown.ends).optional().error(wrong("expires_at"))
            .hint("The last day on which the provider takes it, where the provider doesn't tell. Replacing a secret clears it."))
    };
    let buttons = html! {
        (Button::primary("Save")) (Button::secondary("Cancel").to(&here))
    };
    let form = ui::Form::post(format!("{here}/details"), body, buttons).errors(refusal.all());
    html! {
        div.narrow {
            (PageHeader::new("Edit details").crumb("Credentials", tenant.href(LIST))
                .crumb(format!("{provider} – {}", credential.name), &here))
            (Card::new(form.render()))
        }
    }
}

pub async fn save(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
    Form(entered): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let credential = read::get(&access, id).await?;
    let shown = Shown::entered(&entered);
    let saved = match shown.change(&credential) {
        Ok(change) => connect.change_credential(&access, id, change).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => {
            let to = access.tenant().href(&format!("{LIST}/{id}"));
            let flash = Flash::new(Tone::Success, "The details were saved.");
            Ok(Ok(SeeOther::new(to).flash(flash)))
        }
        Err(error) => {
            let refusal = error.refusal()?.about("name");
            let members = candidates(&access, credential.owner).await?;
            let body = form(&access, &connect, &credential, &members, &shown, &refusal);
            let page = Page::new("Edit details", body);
            Ok(Err(page.status(refusal.status())))
        }
    }
}

pub async fn make_default(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<SeeOther> {
    let change = Change {
        default: Some(true),
        ..Change::default()
    };
    let changed = connect.change_credential(&access, id, change).await?;
    let text = format!(
        "It is the default one for {} use now.",
        changed.environment.as_str()
    );
    let to = access.tenant().href(&format!("{LIST}/{id}"));
    Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text)))
}
