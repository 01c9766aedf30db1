//! `/v1/credentials/import`.

use axum::extract::State;
use kernel::{
    Access, Result,
    error::Problem,
    extract::{Json, Query},
    permission::CredentialsWrite,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    Connect,
    credentials::import::{Import, Report},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Mode {
    /// Changes nothing, and answers what an import would do.
    #[serde(default)]
    dry_run: bool,
}

/// Takes credentials from a file's text: environment variables, a table or JSON. Each credential is
/// taken as a whole or refused; what is there already stays as it is. See docs/credentials.md.
#[utoipa::path(post, path = "/v1/credentials/import", operation_id = "credentials_import", tag = "credentials",
    request_body = Import, params(Mode), security(("api_key" = [])), responses(
    (status = 200, body = Report),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "The text as a whole can't be read",
        body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn run(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Query(mode): Query<Mode>,
    Json(import): Json<Import>,
) -> Result<Json<Report>> {
    let report = connect.import_credentials(&access, &import, mode.dry_run);
    report.await.map(Json)
}
