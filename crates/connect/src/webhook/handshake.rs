//! Handshakes: requests by which a provider finds out whether an endpoint is its owner's. They are
//! answered at once and never stored.

use kernel::secret::Secret;

use super::selector::Scene;
use super::verify::same_token;
use super::{FixedResponse, Request, Secrets, Webhook};
use crate::catalogue::{HandshakeRule, HandshakeToken};

/// Longer than any provider's challenge.
const MAX_ECHO_BYTES: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    Respond(FixedResponse),
    /// Not a handshake, or one with the wrong token: continue with verification, which refuses it
    /// like any other unsigned request.
    None,
}

impl Webhook {
    /// Answers the handshakes that come without a signature (Meta's challenge, Slack's
    /// `ssl_check`). `verify_token` is the credential field named by [`Self::verify_token_field`].
    pub fn handshake_unsigned(
        &self,
        request: &Request<'_>,
        verify_token: Option<&Secrets<'_>>,
    ) -> Handshake {
        self.handshake_of(false, request, verify_token)
    }

    /// Answers the handshakes that are signed (Slack's `url_verification`, Discord's PING). Only
    /// to be called for a verified request.
    pub fn handshake_signed(&self, request: &Request<'_>) -> Handshake {
        self.handshake_of(true, request, None)
    }

    /// The credential field that handshakes are compared with, if any are.
    pub fn verify_token_field(&self) -> Option<&str> {
        self.handshake
            .iter()
            .find_map(|rule| rule.token.as_ref())
            .map(|token| token.field.as_str())
    }

    fn handshake_of(
        &self,
        signed: bool,
        request: &Request<'_>,
        verify_token: Option<&Secrets<'_>>,
    ) -> Handshake {
        let scene = Scene::new(request, self.json_field.as_deref());
        self.handshake
            .iter()
            .filter(|rule| rule.signed == signed)
            .find_map(|rule| rule.respond_to(&scene, verify_token))
            .map_or(Handshake::None, Handshake::Respond)
    }
}

impl HandshakeRule {
    fn respond_to(
        &self,
        scene: &Scene<'_>,
        verify_token: Option<&Secrets<'_>>,
    ) -> Option<FixedResponse> {
        let method = scene.request.method.as_str();
        if self.method.as_ref().is_some_and(|wanted| wanted != method)
            || !self.when.iter().all(|condition| condition.holds(scene))
        {
            return None;
        }
        if let Some(token) = &self.token
            && !token.matches(scene, verify_token?)
        {
            return None;
        }
        let mut response = self.respond.clone();
        if let Some(echo) = &self.echo {
            let value = echo.first(scene)?;
            // A challenge is a plain token; anything else is not worth reflecting.
            if value.len() > MAX_ECHO_BYTES || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            response.body = value;
        }
        Some(response)
    }
}

impl HandshakeToken {
    fn matches(&self, scene: &Scene<'_>, secrets: &Secrets<'_>) -> bool {
        let Some(presented) = self.at.first(scene) else {
            return false;
        };
        let same = |secret: &Secret| {
            !secret.expose().trim().is_empty()
                & same_token(presented.as_bytes(), secret.expose().as_bytes())
        };
        same(secrets.current) | same(secrets.previous.unwrap_or(secrets.current))
    }
}
