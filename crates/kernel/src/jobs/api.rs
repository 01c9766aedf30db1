//! The tenant API of jobs: list, look at, replay.

use axum::{extract::FromRef, http::StatusCode};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Job, JobFilter, history};
use crate::{
    access::Access,
    db::Db,
    error::{Problem, Result},
    extract::{Json, Path, Query},
    id::JobId,
    page::{Page, PageQuery},
    permission::{JobsRead, JobsReplay},
};

/// The routes under `/v1/jobs`.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(replay))
}

/// List jobs
///
/// Newest first. `state=dead` lists the dead letters: jobs that failed for good and wait to be
/// replayed.
#[utoipa::path(get, path = "/v1/jobs", operation_id = "jobs_list", tag = "jobs",
    params(JobFilter, PageQuery),
    responses(
        (status = 200, body = Page<Job>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])))]
async fn list(
    access: Access<JobsRead>,
    Query(filter): Query<JobFilter>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Job>>> {
    let mut tx = access.read().await?;
    let jobs = history::list(&mut tx, &filter, &page).await?;
    tx.commit().await?;
    Ok(Json(jobs))
}

/// Look at a job
#[utoipa::path(get, path = "/v1/jobs/{job}", operation_id = "jobs_get", tag = "jobs",
    params(("job" = String, Path, description = "The job's id, `job_…`")),
    responses(
        (status = 200, body = Job),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])))]
async fn get(access: Access<JobsRead>, Path(id): Path<JobId>) -> Result<Json<Job>> {
    let mut tx = access.read().await?;
    let job = history::get(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Json(job))
}

/// Replay a dead job
///
/// It becomes ready again, with all its attempts before it.
#[utoipa::path(post, path = "/v1/jobs/{job}/replay", operation_id = "jobs_replay", tag = "jobs",
    params(("job" = String, Path, description = "The job's id, `job_…`")),
    responses(
        (status = 202, body = Job, description = "Ready to run"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`job_not_dead`, or `job_duplicate`: one for the same thing waits or runs"),
    ),
    security(("api_key" = [])))]
async fn replay(
    access: Access<JobsReplay>,
    Path(id): Path<JobId>,
) -> Result<(StatusCode, Json<Job>)> {
    let mut tx = access.begin().await?;
    let job = history::replay(&mut tx, id).await?;
    tx.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}
