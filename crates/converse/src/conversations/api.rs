//! Reading conversations over the API.

use axum::extract::FromRef;
use kernel::{
    Access, Db, Result,
    error::Problem,
    extract::{Json, Path, Query},
    id::ConversationId,
    page::{Page, PageQuery},
    permission::ConversationsRead,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Conversation, Filter};
use crate::messages::Message;

pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(messages))
}

/// The conversations, those with the latest messages first
#[utoipa::path(
    get, path = "/v1/conversations", operation_id = "conversations_list", tag = "conversations", params(PageQuery, Filter),
    responses(
        (status = 200, body = Page<Conversation>),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Not a cursor, limit or channel"),
    ),
    security(("api_key" = []))
)]
async fn list(
    access: Access<ConversationsRead>,
    Query(page): Query<PageQuery>,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Conversation>>> {
    super::list(&access, &page, &filter).await.map(Json)
}

/// One conversation
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}", operation_id = "conversations_get", tag = "conversations",
    params(("conversation" = String, Path, description = "`cnv_…`")),
    responses(
        (status = 200, body = Conversation),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such conversation"),
    ),
    security(("api_key" = []))
)]
async fn get(
    access: Access<ConversationsRead>,
    Path(id): Path<ConversationId>,
) -> Result<Json<Conversation>> {
    super::find(&access, id).await.map(Json)
}

/// The messages of a conversation, newest first
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/messages", operation_id = "conversations_messages", tag = "conversations",
    params(("conversation" = String, Path, description = "`cnv_…`"), PageQuery),
    responses(
        (status = 200, body = Page<Message>),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "No valid key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The key lacks `conversations:read`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such conversation"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Not a cursor or limit"),
    ),
    security(("api_key" = []))
)]
async fn messages(
    access: Access<ConversationsRead>,
    Path(id): Path<ConversationId>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Message>>> {
    super::messages(&access, id, &page).await.map(Json)
}
