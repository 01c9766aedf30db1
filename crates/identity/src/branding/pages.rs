//! `/app/{tenant}/branding`: company, colour and logo; and the logo's image.

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRef, Multipart},
    http::{HeaderValue, StatusCode, header},
    response::Response,
    routing::get,
};
use kernel::{
    Access, Db, Error, Result,
    configuration::Branding,
    db::Tenant,
    extract::Path,
    permission::{Permission, SettingsRead, SettingsWrite, TenantRead},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use ui::{Button, Card, Checkbox, Facts, Field, Flash, Notice, Page, PageHeader, SeeOther, Tone};

use super::{Image, Logo, change, href, image::LARGEST};
use crate::configuration;

/// A form may be as large as the largest logo with some room for the rest.
const FORM_LIMIT: usize = LARGEST + 64 * 1024;

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route(
            "/app/{tenant}/branding",
            get(show)
                .post(save)
                .layer(DefaultBodyLimit::max(FORM_LIMIT)),
        )
        .route("/app/{tenant}/branding/logo/{digest}", get(logo))
}

const HERE: &str = "/branding";

async fn show(access: Access<SettingsRead>) -> Result<Page> {
    let version = configuration::get(&access).await?;
    let branding = &version.configuration.branding;
    let body = match access.may_give(SettingsWrite::NAME) {
        true => {
            let entered = Entered::of(version.version, branding);
            form_view(access.tenant(), branding, &entered, &Refusal::default())
        }
        false => facts_view(access.tenant(), branding),
    };
    Ok(Page::new("Branding", body))
}

fn heading() -> PageHeader {
    PageHeader::new("Branding").about(html! {
        "How this console presents itself to your team."
    })
}

fn facts_view(tenant: &Tenant, branding: &Branding) -> Markup {
    let facts = Facts::new()
        .maybe("Company name", branding.company.as_deref())
        .maybe("Colour", branding.colour.as_deref())
        .fact("Logo", picture(tenant, branding));
    html! {
        (heading())
        div.stack {
            (Notice::new(Tone::Info, "Your role lets you see the branding, not change it"))
            (Card::new(facts.render()))
        }
    }
}

fn picture(tenant: &Tenant, branding: &Branding) -> Markup {
    html! {
        @match &branding.logo {
            Some(logo) => img src=(href(tenant, logo)) alt="The logo" height="48";,
            None => span.muted { "None" },
        }
    }
}

/// What the form holds.
#[derive(Debug, Default)]
struct Entered {
    version: String,
    company: String,
    /// Whether the colour is meant; the browser's field always has one.
    has_colour: bool,
    colour: String,
    removes_logo: bool,
    logo: Vec<u8>,
}

impl Entered {
    fn of(version: i64, branding: &Branding) -> Self {
        Self {
            version: version.to_string(),
            company: branding.company.clone().unwrap_or_default(),
            has_colour: branding.colour.is_some(),
            colour: branding.colour.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    async fn read(mut form: Multipart) -> Result<Self> {
        let unreadable = |error: axum::extract::multipart::MultipartError| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge { limit: FORM_LIMIT },
            // Not the parser's own text, which may quote what was sent.
            _ => Error::invalid("the form could not be read"),
        };
        let mut entered = Self::default();
        while let Some(field) = form.next_field().await.map_err(unreadable)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "logo" {
                entered.logo = field.bytes().await.map_err(unreadable)?.to_vec();
                continue;
            }
            let text = field.text().await.map_err(unreadable)?;
            match name.as_str() {
                "version" => entered.version = text,
                "branding.company" => text.trim().clone_into(&mut entered.company),
                "has_colour" => entered.has_colour = text == "true",
                "branding.colour" => entered.colour = text.trim().to_lowercase(),
                "removes_logo" => entered.removes_logo = text == "true",
                _ => {}
            }
        }
        Ok(entered)
    }

    fn logo(&self) -> Result<Logo> {
        if !self.logo.is_empty() {
            return Image::recognise(self.logo.clone()).map(Logo::Replace);
        }
        Ok(match self.removes_logo {
            true => Logo::Remove,
            false => Logo::Keep,
        })
    }
}

fn form_view(tenant: &Tenant, branding: &Branding, entered: &Entered, refusal: &Refusal) -> Markup {
    let wrong = |field: &str| refusal.of(field);
    let colour = match entered.colour.as_str() {
        // What the browser's field shows where nothing was chosen.
        "" => "#2f5bd8",
        colour => colour,
    };
    let body = html! {
        (Field::text("branding.company", "Company name").optional().value(&entered.company)
            .max_length(100).error(wrong("branding.company"))
            .hint("Stands in place of the product's name."))
        (Checkbox::new("has_colour", "Use a colour of our own").checked(entered.has_colour))
        (Field::colour("branding.colour", "Colour").value(colour).error(wrong("branding.colour"))
            .hint("For buttons, links and focus rings. Shades that can be read on light and dark are made from it."))
        @if branding.logo.is_some() {
            div.field { p { (picture(tenant, branding)) } }
            (Checkbox::new("removes_logo", "Remove the logo").checked(entered.removes_logo))
        }
        (Field::file("logo", "Logo").optional().error(wrong("logo").or_else(|| wrong("branding.logo")))
            .hint("A PNG, JPEG or WebP picture of at most 256 kB. It is shown 24 pixels high."))
    };
    let buttons = html! {
        (Button::primary("Save branding")) (Button::secondary("Discard changes").to(tenant.href(HERE)))
    };
    let form = ui::Form::post(tenant.href(HERE), body, buttons)
        .hidden("version", &entered.version)
        .multipart();
    let form = form.errors(refusal.all());
    html! {
        (heading())
        div.narrow.stack {
            (Card::new(form.render()))
            p.hint { "Branding is part of the settings: its versions are in their "
                a href=(tenant.href("/settings/history")) { "history" } "." }
        }
    }
}

async fn save(
    access: Access<SettingsWrite>,
    form: Multipart,
) -> Result<std::result::Result<SeeOther, Page>> {
    let mut entered = Entered::read(form).await?;
    match take(&access, &entered).await {
        Ok(()) => {
            let flash = Flash::new(Tone::Success, "The branding was saved.");
            Ok(Ok(SeeOther::new(access.tenant().href(HERE)).flash(flash)))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let mut tx = access.read().await?;
            let now = kernel::configuration::current(&mut tx).await?;
            tx.commit().await?;
            // Saving again, having read what is wrong, is meant for what holds now.
            entered.version = now.version.to_string();
            let branding = &now.configuration.branding;
            let body = form_view(access.tenant(), branding, &entered, &refusal);
            Ok(Err(Page::new("Branding", body).status(refusal.status())))
        }
    }
}

async fn take(access: &Access<SettingsWrite>, entered: &Entered) -> Result<()> {
    let seen = entered
        .version
        .parse()
        .map_err(|_| Error::field("version", "must be the version that was seen"))?;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    let colour = some(&entered.colour).filter(|_| entered.has_colour);
    change(
        access,
        seen,
        some(&entered.company),
        colour,
        entered.logo()?,
    )
    .await?;
    Ok(())
}

/// The image itself. Every member sees it; nothing in it may run.
async fn logo(
    access: Access<TenantRead>,
    Path((_, digest)): Path<(String, String)>,
) -> Result<Response> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        "SELECT content_type, image FROM cell.tenant_logo WHERE digest = $1",
        digest
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("logo"))?;
    tx.commit().await?;
    let mut response = Response::new(Body::from(row.image));
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(&row.content_type).map_err(Error::internal)?;
    headers.insert(header::CONTENT_TYPE, content_type);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox; frame-ancestors 'none'",
        ),
        // Named by its digest, it never changes; kept by browsers alone, as it is the tenant's own.
        (
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
