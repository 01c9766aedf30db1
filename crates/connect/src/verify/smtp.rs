//! Log-in at a mail server: connect, secure the connection, EHLO, AUTH, QUIT. No mail is sent.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use egress::{Standing, standing};
use kernel::{Access, Error, Result, permission::Permission};
use lettre::{
    AsyncSmtpTransport, Tokio1Executor,
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use time::OffsetDateTime;

use super::{Finding, OPERATION, judge};
use crate::{
    Connect, OpenCredential,
    call::Called,
    catalogue::{Reason, SmtpCheck},
};

const PATIENCE: Duration = Duration::from_secs(20);

impl Connect {
    pub(super) async fn log_in<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
        check: &SmtpCheck,
    ) -> Result<Finding> {
        let configured = self.provider_settings(&credential.provider).base_url;
        let mailer = match server(configured.as_deref(), credential, check).await {
            Ok(mailer) => mailer,
            Err(error) => return judge::unproven(error),
        };
        let started_at = OffsetDateTime::now_utc();
        let started = Instant::now();
        let connected = tokio::time::timeout(PATIENCE, mailer.test_connection()).await;
        let finding = match connected {
            Err(_) => Finding::against(Reason::ProviderUnavailable, "did not answer in time"),
            Ok(Err(error)) => refused(&error),
            Ok(Ok(false)) => {
                Finding::against(Reason::ProviderUnavailable, "broke the connection off")
            }
            Ok(Ok(true)) => Finding {
                reason: None,
                ..Finding::against(Reason::UnexpectedAnswer, "")
            },
        };
        let called = Called {
            provider: &credential.provider,
            operation: OPERATION,
            status: None,
            error: finding.reason.map(|_| finding.detail.clone()),
            started_at,
            duration: started.elapsed(),
        };
        self.record(access, called).await?;
        Ok(finding)
    }
}

/// The server's own words may repeat what it was given, so its code alone is told.
fn refused(error: &smtp::Error) -> Finding {
    let Some(code) = error.status() else {
        let (reason, detail) = if error.is_tls() {
            (
                Reason::ProviderUnavailable,
                "the connection can't be secured as the credential says",
            )
        } else if error.is_client() {
            (
                Reason::UnexpectedAnswer,
                "the server offers no way to sign in that is known here",
            )
        } else {
            (Reason::ProviderUnavailable, "can't be reached")
        };
        return Finding::against(reason, detail);
    };
    // RFC 4954, section 6: 535 and 534 and 538 are about the credential, 454 is a temporary failure.
    let reason = match u16::from(code) {
        530..540 => Reason::InvalidCredential,
        400..500 => Reason::ProviderUnavailable,
        _ => Reason::UnexpectedAnswer,
    };
    Finding::against(reason, format!("answered {code}"))
}

/// The mail server: the configured one, or the credential's. What a tenant names must lie outside:
/// the program may reach servers that the tenant must not.
async fn server(
    configured: Option<&str>,
    credential: &OpenCredential,
    check: &SmtpCheck,
) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let user = credential.field(&check.user)?.to_owned();
    let password = credential.secret(&check.password)?.expose().to_owned();
    let builder = if let Some(url) = configured {
        AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| Error::invalid("the configured base_url is not an smtp:// address"))?
    } else {
        let host = credential.field(&check.host)?;
        let port: u16 = credential
            .field(&check.port)?
            .parse()
            .map_err(|_| Error::invalid("the port is not a number"))?;
        let parameters = TlsParameters::new(host.to_owned())
            .map_err(|_| Error::invalid("the server's name is none"))?;
        let tls = match credential.field(&check.security)? {
            "tls" => Tls::Wrapper(parameters),
            _ => Tls::Required(parameters),
        };
        let address = outside(host, port).await?;
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.to_string())
            .port(port)
            .tls(tls)
    };
    Ok(builder
        .credentials(Credentials::new(user, password))
        .timeout(Some(PATIENCE))
        .build())
}

/// The host's address, which is then the one that is called. All of them must lie outside.
async fn outside(host: &str, port: u16) -> Result<IpAddr> {
    let unknown = || Error::invalid("the server's name leads nowhere");
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| unknown())?;
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    if !addresses
        .iter()
        .all(|address| standing(*address) == Standing::Public)
    {
        return Err(Error::invalid("the server is not on the public internet"));
    }
    addresses.first().copied().ok_or_else(unknown)
}
