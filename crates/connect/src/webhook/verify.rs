//! Verification: choosing the way that a request authenticates by, and judging it with both
//! secrets. The signature schemes are in `signature`, Twilio's rule in `twilio`.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use kernel::secret::{Secret, constant_time_eq};

use super::selector::Scene;
use super::{Reason, Request, Secrets, Slot, Verdict, Webhook};
use crate::catalogue::{Basic, StaticHeader, Verifier};

impl Webhook {
    /// Judges a request. Fails closed: whatever is missing, repeated, unreadable or outside its
    /// window is refused.
    pub fn verify(&self, request: &Request<'_>, secrets: &Secrets<'_>) -> Verdict {
        let scene = Scene::new(request, self.json_field.as_deref());
        match self.verify.iter().find(|way| way.applies(&scene)) {
            Some(way) => way.verify(&scene, secrets),
            None => Verdict::Refused(Reason::MissingSignature),
        }
    }

    /// The request headers that hold a secret itself and must not be stored.
    pub fn secret_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.verify.iter().filter_map(|way| match way {
            Verifier::StaticHeader(way) => Some(&way.header),
            Verifier::Basic(_) => Some(&AUTHORIZATION),
            Verifier::Signature(_) | Verifier::Twilio(_) => None,
        })
    }

    /// Whether a changed body is certain to be refused, whichever way the request authenticates.
    pub fn covers_body(&self) -> bool {
        self.verify.iter().all(Verifier::covers_body)
    }
}

impl Verifier {
    /// Whether the signature covers the body. Static tokens cover nothing but themselves.
    pub fn covers_body(&self) -> bool {
        match self {
            Self::Signature(scheme) => scheme.signed.covers_body(),
            Self::Twilio(_) => true,
            Self::StaticHeader(_) | Self::Basic(_) => false,
        }
    }

    fn applies(&self, scene: &Scene<'_>) -> bool {
        match self {
            Self::Signature(scheme) => scheme.at.present(scene),
            Self::StaticHeader(way) => scene.request.headers.contains_key(&way.header),
            Self::Basic(_) => scene.request.headers.contains_key(AUTHORIZATION),
            Self::Twilio(way) => scene.request.headers.contains_key(&way.header),
        }
    }

    fn verify(&self, scene: &Scene<'_>, secrets: &Secrets<'_>) -> Verdict {
        let verdict = match self {
            Self::Signature(scheme) => scheme.verify(scene, secrets),
            Self::StaticHeader(way) => way.verify(scene.request, secrets),
            Self::Basic(way) => way.verify(scene.request, secrets),
            Self::Twilio(way) => way.verify(scene.request, secrets),
        };
        match verdict {
            Ok(slot) => Verdict::Verified { slot },
            Err(reason) => Verdict::Refused(reason),
        }
    }
}

impl StaticHeader {
    fn verify(&self, request: &Request<'_>, secrets: &Secrets<'_>) -> Result<Slot, Reason> {
        let presented = header_once(request.headers, &self.header)?
            .ok_or(Reason::MissingSignature)?
            .strip_prefix(self.prefix.as_str())
            .ok_or(Reason::MalformedSignature)?;
        judge(secrets, Reason::TokenMismatch, |secret| {
            Ok(same_token(presented.as_bytes(), secret.expose().as_bytes()))
        })
    }
}

impl Basic {
    fn verify(&self, request: &Request<'_>, secrets: &Secrets<'_>) -> Result<Slot, Reason> {
        let presented =
            header_once(request.headers, &AUTHORIZATION)?.ok_or(Reason::MissingSignature)?;
        let (scheme, encoded) = presented
            .split_once(' ')
            .ok_or(Reason::MalformedSignature)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Reason::MalformedSignature);
        }
        let presented = STANDARD
            .decode(encoded.trim_start())
            .map_err(|_| Reason::MalformedSignature)?;
        judge(secrets, Reason::TokenMismatch, |secret| {
            Ok(same_token(&presented, secret.expose().as_bytes()))
        })
    }
}

/// Checks with both secrets, always two checks and always both to the end, so that the timing
/// tells neither whether there is a previous secret nor which of the two matched.
pub(super) fn judge(
    secrets: &Secrets<'_>,
    mismatch: Reason,
    check: impl Fn(&Secret) -> Result<bool, Reason>,
) -> Result<Slot, Reason> {
    let check = |secret: &Secret| {
        if secret.expose().trim().is_empty() {
            return Err(Reason::EmptySecret);
        }
        check(secret)
    };
    let current = check(secrets.current);
    let previous = check(secrets.previous.unwrap_or(secrets.current));
    match (current, previous, secrets.previous) {
        (Ok(true), _, _) => Ok(Slot::Current),
        (_, Ok(true), Some(_)) => Ok(Slot::Previous),
        (Err(reason), _, _) => Err(reason),
        (Ok(false), _, _) => Err(mismatch),
    }
}

/// Compares tokens by their hashes, so that not even their lengths show in the timing.
pub(super) fn same_token(a: &[u8], b: &[u8]) -> bool {
    let hash = |bytes| digest::digest(&digest::SHA256, bytes);
    constant_time_eq(hash(a).as_ref(), hash(b).as_ref())
}

pub(super) fn header_once<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Reason> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Reason::RepeatedHeader);
    }
    let text = value.to_str().map_err(|_| Reason::MalformedSignature)?;
    Ok((!text.is_empty()).then_some(text))
}
