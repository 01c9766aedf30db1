//! `/v1/agents`.

use axum::{extract::FromRef, http::StatusCode};
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::AgentId,
    page::{Page, PageQuery},
    permission::{AgentsRead, AgentsWrite},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AgentView, NewAgent};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, replace, delete))
}

/// List the tenant's agents, newest first. The oldest enabled one answers.
#[utoipa::path(
    get, path = "/v1/agents", tag = "agents", operation_id = "agents_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of agents", body = Page<AgentView>),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `agents:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn list(
    access: Access<AgentsRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AgentView>>> {
    Ok(Json(super::list(&access, &query).await?))
}

/// Create an agent.
#[utoipa::path(
    post, path = "/v1/agents", tag = "agents", operation_id = "agents_create",
    request_body = NewAgent,
    responses(
        (status = 201, description = "The agent", body = AgentView),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `agents:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn create(
    access: Access<AgentsWrite>,
    Json(new): Json<NewAgent>,
) -> Result<(StatusCode, Json<AgentView>)> {
    let agent = super::create(&access, new).await?;
    Ok((StatusCode::CREATED, Json(agent)))
}

/// Read an agent.
#[utoipa::path(
    get, path = "/v1/agents/{agent}", tag = "agents", operation_id = "agents_get",
    params(("agent" = String, Path, description = "The agent's id, `agt_…`")),
    responses(
        (status = 200, description = "The agent", body = AgentView),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `agents:read` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such agent", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn get(access: Access<AgentsRead>, Path(agent): Path<AgentId>) -> Result<Json<AgentView>> {
    Ok(Json(super::get(&access, agent).await?))
}

/// Replace an agent's configuration. What the body leaves out takes its default.
#[utoipa::path(
    put, path = "/v1/agents/{agent}", tag = "agents", operation_id = "agents_replace",
    params(("agent" = String, Path, description = "The agent's id, `agt_…`")),
    request_body = NewAgent,
    responses(
        (status = 200, description = "The agent as it now is", body = AgentView),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `agents:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such agent", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn replace(
    access: Access<AgentsWrite>,
    Path(agent): Path<AgentId>,
    Json(new): Json<NewAgent>,
) -> Result<Json<AgentView>> {
    Ok(Json(super::replace(&access, agent, new).await?))
}

/// Delete an agent. Replies that are being written are still sent.
#[utoipa::path(
    delete, path = "/v1/agents/{agent}", tag = "agents", operation_id = "agents_delete",
    params(("agent" = String, Path, description = "The agent's id, `agt_…`")),
    responses(
        (status = 204, description = "The agent is deleted"),
        (status = 401, description = "No valid API key", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `agents:write` is missing, or the tenant is not active", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such agent", body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])),
)]
async fn delete(access: Access<AgentsWrite>, Path(agent): Path<AgentId>) -> Result<StatusCode> {
    super::delete(&access, agent).await?;
    Ok(StatusCode::NO_CONTENT)
}
