//! `/v1/auth/…`.

use axum::{
    Extension,
    extract::{FromRef, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::{
    Db, Error, Result,
    access::{PendingToken, Person, SessionHolder, Visitor, Web},
    error::Problem,
    extract::Json,
    id::{TenantId, UserId},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{with_session, without_session};
use crate::{
    invitations::{self, Accepted, Newcomer},
    people::{
        Email, NewSession, People,
        factors::{self, Claimant, Evidence},
        mailbox, pending, reset, sessions,
        sign_in::{self, SignIn},
        sign_up::{self, Completion, OwnTenant},
    },
};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(sign_up_start))
        .routes(routes!(sign_up_finish))
        .routes(routes!(sign_in_with_password))
        .routes(routes!(second_factor))
        .routes(routes!(sign_out))
        .routes(routes!(reset_request))
        .routes(routes!(reset_finish))
        .routes(routes!(verify))
        .routes(routes!(accept))
}

/// An address that mail is to be sent to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Address {
    #[schema(example = "ada@example.com")]
    email: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(value_type = String)]
    password: Secret,
}

/// What an authenticator shows, or a recovery code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Code {
    #[schema(example = "123456", max_length = 64)]
    code: String,
}

/// What finishes a sign-up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Finish {
    /// From the link in the mail.
    #[schema(value_type = String)]
    token: Secret,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    password: Secret,
    /// A tenant to make, with the account as its owner.
    tenant: Option<OwnTenant>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// From the link in the mail.
    #[schema(value_type = String)]
    token: Secret,
    #[schema(value_type = String, min_length = 10, max_length = 256)]
    password: Secret,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Link {
    /// From the link in the mail.
    #[schema(value_type = String)]
    token: Secret,
}

/// Name and password are for those who have no account yet; others sign in first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Acceptance {
    /// From the link in the mail.
    #[schema(value_type = String)]
    token: Secret,
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(value_type = Option<String>, min_length = 10, max_length = 256)]
    password: Option<Secret>,
}

/// Who is signed in now. The session is in the answer's cookie.
#[derive(Debug, Serialize, ToSchema)]
struct SignedIn {
    #[schema(value_type = String, example = "usr_01h455vb4pex5vsknk084sn02q")]
    user: UserId,
    /// The tenant that was made or joined.
    #[schema(value_type = Option<String>, example = "ten_01h455vb4pex5vsknk084sn02q")]
    tenant: Option<TenantId>,
}

impl SignedIn {
    fn new(session: &NewSession, tenant: Option<TenantId>) -> Json<Self> {
        Json(Self {
            user: session.user,
            tenant,
        })
    }
}

/// Ask for an account. The answer is the same whether or not there is one.
#[utoipa::path(
    post, path = "/v1/auth/sign-up", tag = "auth", operation_id = "auth_sign_up",
    request_body = Address,
    responses(
        (status = 202, description = "If it applies, mail was sent"),
        (status = 404, description = "People do not sign up by themselves here", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn sign_up_start(
    State(people): State<People>,
    visitor: Visitor,
    Json(address): Json<Address>,
) -> Result<StatusCode> {
    sign_up::start(&people, &visitor, &Email::parse(&address.email)?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Make the account that the link in the mail is for, and a tenant for it.
#[utoipa::path(
    post, path = "/v1/auth/sign-up/finish", tag = "auth", operation_id = "auth_sign_up_finish",
    request_body = Finish,
    responses(
        (status = 201, description = "The account, signed in", body = SignedIn),
        (status = 404, description = "People do not sign up by themselves here", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The slug is taken", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn sign_up_finish(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    Json(finish): Json<Finish>,
) -> Result<Response> {
    let completion = Completion {
        token: finish.token,
        name: finish.name,
        password: finish.password,
        tenant: finish.tenant,
    };
    let done = sign_up::finish(&people, &visitor, completion).await?;
    let tenant = done.tenant.map(|tenant| tenant.id);
    let answer = (StatusCode::CREATED, SignedIn::new(&done.session, tenant));
    with_session(&web, &done.session, answer)
}

/// Sign in with a password.
#[utoipa::path(
    post, path = "/v1/auth/sign-in", tag = "auth", operation_id = "auth_sign_in",
    request_body = Credentials,
    responses(
        (status = 200, description = "Signed in; the session is in the cookie", body = SignedIn),
        (status = 401, description = "There is no such account, or the password is another", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The password is right and a second factor is needed: the sign-in waits, by a cookie of its own", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn sign_in_with_password(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    before: Result<SessionHolder>,
    Json(credentials): Json<Credentials>,
) -> Result<Response> {
    let email = Email::parse(&credentials.email)?;
    match sign_in::sign_in(&people, &visitor, &email, &credentials.password).await? {
        SignIn::Refused => Err(Error::Unauthenticated),
        SignIn::Done(session) => {
            // The browser's earlier session would be left without anybody to end it.
            if let Ok(before) = before {
                sessions::sign_out(before.person()).await?;
            }
            with_session(&web, &session, SignedIn::new(&session, None))
        }
        SignIn::Waits(waiting) => {
            let mut response = Error::SecondFactorRequired.into_response();
            let cookie = web.pending_cookie(&waiting.token)?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
    }
}

/// Finish a sign-in that waits, with a code.
#[utoipa::path(
    post, path = "/v1/auth/second-factor", tag = "auth", operation_id = "auth_second_factor",
    request_body = Code,
    responses(
        (status = 200, description = "Signed in; the session is in the cookie", body = SignedIn),
        (status = 401, description = "No sign-in waits, or the code is another or was used", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn second_factor(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    PendingToken(token): PendingToken,
    before: Result<SessionHolder>,
    Json(shown): Json<Code>,
) -> Result<Response> {
    let waiting = pending::find(&people, token.as_ref()).await?;
    let claimant = Claimant::of(waiting, None).ok_or(Error::Unauthenticated)?;
    let evidence = Evidence::Code(&shown.code);
    let session = factors::show(&people, &visitor, &claimant, evidence).await?;
    let session = session.ok_or(Error::Unauthenticated)?;
    if let Ok(before) = before {
        sessions::sign_out(before.person()).await?;
    }
    let mut response = with_session(&web, &session, SignedIn::new(&session, None))?;
    let none = web.no_pending_cookie()?;
    response.headers_mut().append(header::SET_COOKIE, none);
    Ok(response)
}

/// End the session.
#[utoipa::path(
    post, path = "/v1/auth/sign-out", tag = "auth", operation_id = "auth_sign_out",
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, description = "No valid session", body = Problem, content_type = "application/problem+json"),
    ),
    security(("session" = [])),
)]
async fn sign_out(Extension(web): Extension<Web>, holder: SessionHolder) -> Result<Response> {
    sessions::sign_out(holder.person()).await?;
    without_session(&web, StatusCode::NO_CONTENT)
}

/// Ask for a link to set a new password. The answer is the same without an account.
#[utoipa::path(
    post, path = "/v1/auth/reset", tag = "auth", operation_id = "auth_reset",
    request_body = Address,
    responses(
        (status = 202, description = "If it applies, mail was sent"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn reset_request(
    State(people): State<People>,
    visitor: Visitor,
    Json(address): Json<Address>,
) -> Result<StatusCode> {
    reset::request(&people, &visitor, &Email::parse(&address.email)?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Set a new password with the link in the mail.
#[utoipa::path(
    post, path = "/v1/auth/reset/finish", tag = "auth", operation_id = "auth_reset_finish",
    request_body = NewPassword,
    responses(
        (status = 204, description = "The password is set, and every session has ended"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn reset_finish(
    State(people): State<People>,
    visitor: Visitor,
    Json(new): Json<NewPassword>,
) -> Result<StatusCode> {
    reset::finish(&people, &visitor, &new.token, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Confirm an address with the link in the mail.
#[utoipa::path(
    post, path = "/v1/auth/verify", tag = "auth", operation_id = "auth_verify",
    request_body = Link,
    responses(
        (status = 204, description = "The address is confirmed"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn verify(
    State(people): State<People>,
    visitor: Visitor,
    Json(link): Json<Link>,
) -> Result<StatusCode> {
    mailbox::confirm(&people, &visitor, &link.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept an invitation, signed in or with a new account.
#[utoipa::path(
    post, path = "/v1/auth/invitation", tag = "auth", operation_id = "auth_accept_invitation",
    request_body = Acceptance,
    responses(
        (status = 200, description = "A member of the tenant", body = SignedIn),
        (status = 401, description = "The address has an account: sign in, then repeat", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A member already", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tries; see `Retry-After`", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn accept(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    person: Result<Person>,
    Json(acceptance): Json<Acceptance>,
) -> Result<Response> {
    let Acceptance {
        token,
        name,
        password,
    } = acceptance;
    let accepted = match (person, name, password) {
        (Ok(person), None, None) => invitations::accept(&people, &person, &token).await?,
        (Err(Error::Unauthenticated), Some(name), Some(password)) => {
            let newcomer = Newcomer { name, password };
            invitations::accept_as_newcomer(&people, &visitor, &token, &newcomer).await?
        }
        (Err(error), ..) => return Err(error),
        (Ok(_), ..) => {
            return Err(Error::invalid(
                "`name` and `password` are for a new account; you are signed in",
            ));
        }
    };
    match accepted {
        Accepted::SignInFirst => Err(Error::Unauthenticated),
        Accepted::Joined {
            tenant, session, ..
        } => with_session(&web, &session, SignedIn::new(&session, Some(tenant))),
    }
}
