//! An import between its preview and its run: the text goes to the browser and comes back sealed
//! under the tenant's data key, so that no page holds it and nobody else can use it.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use kernel::{
    Access, Error, Result, id::CredentialId, permission::CredentialsWrite, secret::Secret,
};
use time::{Duration, OffsetDateTime};
use vault::generation_of;

use super::{Format, Import};
use crate::{
    Connect,
    credentials::model::Environment,
    seal::{open, seal},
};

/// For how long a preview can be acted on.
const LIFE: Duration = Duration::HOUR;

fn stale() -> Error {
    Error::field("text", "was previewed too long ago; enter it again")
}

/// No credential has a field of this name, and each person has another one.
fn field(access: &Access<CredentialsWrite>) -> String {
    format!("import of {}", access.actor())
}

impl Connect {
    /// The import, for the one who asks and nobody else.
    pub(in crate::credentials) async fn keep_import(
        &self,
        access: &Access<CredentialsWrite>,
        import: &Import,
    ) -> Result<String> {
        let key = self.sealing_key(access).await?;
        let record = CredentialId::new();
        let whole = Secret::new(format!(
            "{}\n{}\n{}\n{}\n{}",
            (OffsetDateTime::now_utc() + LIFE).unix_timestamp(),
            import.format.as_str(),
            import.environment.as_str(),
            import.name.replace('\n', " "),
            import.text.expose()
        ));
        let sealed = seal(&key, record, &field(access), &whole);
        let sealed = BASE64_URL_SAFE_NO_PAD.encode(sealed);
        Ok(format!("{record}.{sealed}"))
    }

    /// # Errors
    /// [`Error::Invalid`] where it is too old, another person's, or no import at all.
    pub(in crate::credentials) async fn kept_import(
        &self,
        access: &Access<CredentialsWrite>,
        kept: &str,
    ) -> Result<Import> {
        let (record, sealed) = kept.split_once('.').ok_or_else(stale)?;
        let record: CredentialId = record.parse().map_err(|_| stale())?;
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| stale())?;
        let key = self.sealing_key(access).await?;
        // The tenant's key was renewed meanwhile.
        if generation_of(&sealed).ok() != Some(key.generation()) {
            return Err(stale());
        }
        let whole = open(&key, record, &field(access), &sealed).map_err(|_| stale())?;
        parse(whole.expose()).ok_or_else(stale)
    }
}

fn parse(whole: &str) -> Option<Import> {
    let mut parts = whole.splitn(5, '\n');
    let until: i64 = parts.next()?.parse().ok()?;
    if until < OffsetDateTime::now_utc().unix_timestamp() {
        return None;
    }
    Some(Import {
        format: Format::parse(parts.next()?)?,
        environment: Environment::parse(parts.next()?)?,
        name: parts.next()?.to_owned(),
        text: Secret::new(parts.next()?),
    })
}
