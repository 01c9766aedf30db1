//! The forms that set a key, one for each kind of provider, with what has to be done there first.

use axum::extract::State;
use kernel::{
    Access, Error, Result,
    db::Tenant,
    extract::{Fields, Form},
    permission::EncryptionKeyWrite,
    refusal::{Refusal, sentence},
    secret::Secret,
};
use maud::{Markup, Render, html};
use ui::{
    Button, Card, CodeBlock, Field, Fieldset, Notice, Page, PageHeader, Radios, SeeOther, Tone,
};

use super::{HERE, TITLE, back};
use crate::{
    Connect,
    own_key::{LoginKind, NewAwsKey, NewEncryptionKey, NewTransitKey},
};

const TRANSIT: &str = "Use a Transit key";
const AWS: &str = "Use an AWS KMS key";

/// What docs/keys.md asks of an administrator, for the names that the form begins with.
const TRANSIT_COMMANDS: &str = "\
bao secrets enable transit
bao write transit/keys/freehold type=aes256-gcm96 derived=true";

const TRANSIT_POLICY: &str = r#"path "transit/keys/freehold"    { capabilities = ["read"] }
path "transit/encrypt/freehold" { capabilities = ["update"] }
path "transit/decrypt/freehold" { capabilities = ["update"] }"#;

const AWS_POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [{
    "Effect": "Allow",
    "Action": ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"],
    "Resource": "arn:aws:kms:<region>:<account>:key/<id>"
  }]
}"#;

/// What a form is drawn with: nothing yet, or what was sent.
pub(super) struct KeyForm<'a> {
    pub tenant: &'a Tenant,
    pub entered: &'a Fields,
    pub refusal: &'a Refusal,
}

impl KeyForm<'_> {
    /// What was entered; the usual value where nothing was sent.
    fn value(&self, name: &str, usual: &'static str) -> String {
        match (self.entered.get(name).trim(), self.is_fresh()) {
            ("", true) => usual.to_owned(),
            (entered, _) => entered.to_owned(),
        }
    }

    fn is_fresh(&self) -> bool {
        self.refusal.all().next().is_none()
    }

    fn page(&self, title: &str, path: &str, first: Markup, fields: Markup) -> Markup {
        let here = self.tenant.href(HERE);
        let buttons = html! {
            (Button::primary("Try it out and use it")) (Button::secondary("Cancel").to(here.clone()))
        };
        let form =
            ui::Form::post(format!("{here}{path}"), fields, buttons).errors(self.refusal.all());
        html! {
            div.narrow {
                (PageHeader::new(title).crumb(TITLE, here))
                div.stack {
                    (first)
                    (Card::new(form.render()).title("Your key")
                        .about("It is tried out before anything is changed; then all is moved under it at once."))
                }
            }
        }
    }

    pub fn transit(&self) -> Markup {
        let wrong = |field: &str| self.refusal.of(field);
        let first = Notice::new(Tone::Info, "First make the key at your provider").body(html! {
            p { "With OpenBao or HashiCorp Vault, make a derived key, and a login that may do no more than this:" }
            (CodeBlock::new("Commands", TRANSIT_COMMANDS))
            (CodeBlock::new("Policy", TRANSIT_POLICY))
            p { "Whoever withdraws the policy, or disables the key, withdraws your secrets from us within five minutes." }
        })
        .render();
        let login = Radios::new("login", "How to sign in")
            .value(self.value("login", "approle"))
            .explained("approle", "AppRole", "Asks for new tokens by itself.")
            .explained(
                "token",
                "Token",
                "One that does not expire, or that you renew there.",
            )
            .error(wrong("login"));
        let fields = html! {
            (Field::url("address", "Address").value(self.value("address", "")).max_length(500)
                .placeholder("https://bao.example.com:8200").error(wrong("address")).autofocus())
            (Field::text("namespace", "Namespace").optional().value(self.value("namespace", ""))
                .autocomplete("off").error(wrong("namespace")))
            (Field::text("mount", "Where Transit is mounted").value(self.value("mount", "transit"))
                .autocomplete("off").error(wrong("mount")))
            (Field::text("key", "The key's name").value(self.value("key", "freehold"))
                .autocomplete("off").error(wrong("key")))
            (login)
            (Fieldset::new("AppRole", html! {
                (Field::text("approle_mount", "Where it is mounted").optional()
                    .value(self.value("approle_mount", "approle")).autocomplete("off")
                    .error(wrong("approle_mount")))
                (Field::text("role_id", "Role id").optional().value(self.value("role_id", ""))
                    .autocomplete("off").error(wrong("role_id")))
            }).hint("Without meaning for a token."))
            (Field::password("secret", "Secret id or token", "off").error(wrong("secret"))
                .hint("It is encrypted, and never shown again."))
        };
        self.page(TRANSIT, "/transit", first, fields)
    }

    pub fn aws(&self) -> Markup {
        let wrong = |field: &str| self.refusal.of(field);
        let first = Notice::new(Tone::Info, "First make the key in AWS").body(html! {
            p { "Make a symmetric key that encrypts and decrypts, and a user with an access key and this policy:" }
            (CodeBlock::new("Policy", AWS_POLICY))
            p { "Whoever disables the key, or takes the policy away, withdraws your secrets from us within five minutes." }
        })
        .render();
        let fields = html! {
            (Field::text("key", "The key's ARN").value(self.value("key", "")).max_length(500)
                .placeholder("arn:aws:kms:eu-central-1:123456789012:key/…").autocomplete("off")
                .error(wrong("key")).autofocus())
            (Field::text("access_key_id", "Access key id").value(self.value("access_key_id", ""))
                .autocomplete("off").placeholder("AKIA…").error(wrong("access_key_id")))
            (Field::password("secret_access_key", "Secret access key", "off")
                .error(wrong("secret_access_key"))
                .hint("It is encrypted, and never shown again."))
        };
        self.page(AWS, "/aws", first, fields)
    }
}

pub(super) async fn show_transit(access: Access<EncryptionKeyWrite>) -> Page {
    let form = KeyForm {
        tenant: access.tenant(),
        entered: &Fields::default(),
        refusal: &Refusal::default(),
    };
    Page::new(TRANSIT, form.transit())
}

pub(super) async fn show_aws(access: Access<EncryptionKeyWrite>) -> Page {
    let form = KeyForm {
        tenant: access.tenant(),
        entered: &Fields::default(),
        refusal: &Refusal::default(),
    };
    Page::new(AWS, form.aws())
}

type Outcome = Result<std::result::Result<SeeOther, Page>>;

pub(super) async fn set_transit(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
    Form(entered): Form<Fields>,
) -> Outcome {
    let text = |name: &str| entered.get(name).trim().to_owned();
    let new = NewTransitKey {
        address: text("address"),
        namespace: Some(text("namespace")),
        mount: text("mount"),
        key: text("key"),
        login: match entered.get("login") {
            "approle" => LoginKind::Approle,
            _ => LoginKind::Token,
        },
        approle_mount: text("approle_mount"),
        role_id: Some(text("role_id")),
        secret: Secret::new(text("secret")),
    };
    let new = NewEncryptionKey::Transit(new);
    set(
        &access,
        &connect,
        new,
        &entered,
        (TRANSIT, |form| form.transit()),
    )
    .await
}

pub(super) async fn set_aws(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
    Form(entered): Form<Fields>,
) -> Outcome {
    let text = |name: &str| entered.get(name).trim().to_owned();
    let new = NewAwsKey {
        key: text("key"),
        access_key_id: text("access_key_id"),
        secret_access_key: Secret::new(text("secret_access_key")),
    };
    let new = NewEncryptionKey::Aws(new);
    set(&access, &connect, new, &entered, (AWS, |form| form.aws())).await
}

/// Sets the key; where it is refused, the page shows its form again.
async fn set(
    access: &Access<EncryptionKeyWrite>,
    connect: &Connect,
    new: NewEncryptionKey,
    entered: &Fields,
    (title, body): (&str, fn(&KeyForm<'_>) -> Markup),
) -> Outcome {
    let refusal = match connect.set_encryption_key(access, new).await {
        Ok(_) => {
            let text = "Your key protects your secrets from now on.";
            return Ok(Ok(back(access, Tone::Success, text)));
        }
        Err(Error::AddressRefused(why)) => Error::field("address", why).refusal()?,
        Err(error @ (Error::TenantKeyUnavailable(_) | Error::TenantKeyWithdrawn { .. })) => {
            // Of the key that there is now: it has to give the data keys out once more.
            let why = sentence(&error.to_string());
            Refusal::whole(&format!(
                "The key that you use now is needed once more. {why}"
            ))
        }
        Err(error) => error.refusal()?,
    };
    let status = refusal.status();
    let form = KeyForm {
        tenant: access.tenant(),
        entered,
        refusal: &refusal,
    };
    Ok(Err(Page::new(title, body(&form)).status(status)))
}
