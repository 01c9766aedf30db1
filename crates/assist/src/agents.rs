//! Agents: what a tenant tells the model that answers for it.
//!
//! A tenant may keep several and have several enabled; its **oldest enabled agent answers**. With
//! none enabled, nobody answers and messages simply wait for people.

mod api;
#[cfg(test)]
mod tests;

pub use api::routes;
use kernel::error::ConflictCode;
use kernel::{
    Access, Error, Result,
    audit::Act,
    error::OnConstraint,
    id::AgentId,
    page::{Page, PageQuery},
    permission::{AgentsRead, AgentsWrite},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Bounds of the columns, in characters.
const NAME: usize = 100;
const MODEL: usize = 200;
const INSTRUCTIONS: usize = 32_000;
const MAX_HISTORY: i32 = 200;

const DEFAULT_HISTORY: i32 = 20;
const DEFAULT_PROVIDER: &str = "openai";

/// An agent, as it is to be. `PUT` replaces all of it, so what is absent takes its default.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The provider whose credential pays for the model. It must speak OpenAI's chat completions.
    #[serde(default = "default_provider")]
    #[schema(default = "openai")]
    pub provider: String,
    /// The model's name at the provider.
    #[schema(min_length = 1, max_length = 200, example = "gpt-4o-mini")]
    pub model: String,
    /// What the model is told before the conversation.
    #[serde(default)]
    #[schema(max_length = 32000)]
    pub instructions: String,
    /// How many earlier messages of the conversation the model is shown.
    #[serde(default = "default_history")]
    #[schema(minimum = 0, maximum = 200, default = 20)]
    pub history: i32,
    #[serde(default = "default_enabled")]
    #[schema(default = true)]
    pub enabled: bool,
}

fn default_provider() -> String {
    DEFAULT_PROVIDER.to_owned()
}

fn default_history() -> i32 {
    DEFAULT_HISTORY
}

fn default_enabled() -> bool {
    true
}

impl NewAgent {
    /// An agent with the defaults, for callers in this program.
    pub fn new(name: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            provider: default_provider(),
            model: model.into(),
            instructions: String::new(),
            history: default_history(),
            enabled: default_enabled(),
        }
    }

    fn check(self) -> Result<Self> {
        let checked = Self {
            name: line("name", &self.name, NAME)?,
            model: line("model", &self.model, MODEL)?,
            ..self
        };
        if checked.instructions.chars().count() > INSTRUCTIONS {
            return Err(Error::field(
                "instructions",
                format!("must not have more than {INSTRUCTIONS} characters"),
            ));
        }
        if checked.instructions.contains('\0') {
            return Err(Error::field("instructions", "must not contain NUL"));
        }
        if !(0..=MAX_HISTORY).contains(&checked.history) {
            return Err(Error::field(
                "history",
                format!("must be from 0 to {MAX_HISTORY}"),
            ));
        }
        let provider = checked.provider.as_bytes();
        let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        if !(1..=63).contains(&provider.len()) || !provider.iter().all(lower) {
            return Err(Error::field(
                "provider",
                "must be a provider's id, as `openai`",
            ));
        }
        Ok(checked)
    }
}

/// Text on one line, trimmed, of 1 to `max` characters.
fn line(field: &str, text: &str, max: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(Error::field(
            field,
            format!("must have from 1 to {max} characters, on one line"),
        ));
    }
    Ok(text.to_owned())
}

/// An agent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentView {
    #[schema(value_type = String, example = "agt_01h455vb4pex5vsknk084sn02q")]
    pub id: AgentId,
    pub name: String,
    pub provider: String,
    pub model: String,
    pub instructions: String,
    pub history: i32,
    pub enabled: bool,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
}

struct Row {
    id: uuid::Uuid,
    name: String,
    provider: String,
    model: String,
    instructions: String,
    history: i32,
    enabled: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl From<Row> for AgentView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            provider: row.provider,
            model: row.model,
            instructions: row.instructions,
            history: row.history,
            enabled: row.enabled,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn name_taken(name: &str) -> Error {
    Error::Conflict {
        code: ConflictCode::NameTaken,
        detail: format!("there is an agent `{name}` already"),
    }
}

/// The tenant's agents, newest first.
pub async fn list(access: &Access<AgentsRead>, query: &PageQuery) -> Result<Page<AgentView>> {
    let (limit, after) = (query.limit()?, query.after::<AgentId>()?);
    let mut tx = access.read().await?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, name, provider, model, instructions, history, enabled, created_at, updated_at
         FROM cell.agent
         WHERE $1::uuid IS NULL OR id < $1
         ORDER BY id DESC LIMIT $2",
        after.map(AgentId::uuid),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let views = rows.into_iter().map(AgentView::from).collect();
    Page::cut(views, limit, |view: &AgentView| view.id)
}

pub async fn get(access: &Access<AgentsRead>, agent: AgentId) -> Result<AgentView> {
    let mut tx = access.read().await?;
    let row = sqlx::query_as!(
        Row,
        "SELECT id, name, provider, model, instructions, history, enabled, created_at, updated_at
         FROM cell.agent WHERE id = $1",
        agent.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("agent"))?;
    tx.commit().await?;
    Ok(row.into())
}

/// Creates an agent.
///
/// # Errors
/// `name_taken` when the tenant has an agent of this name; `invalid_request` for values out of
/// their bounds.
pub async fn create(access: &Access<AgentsWrite>, new: NewAgent) -> Result<AgentView> {
    let new = new.check()?;
    let mut tx = access.begin().await?;
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO cell.agent (id, name, provider, model, instructions, history, enabled)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING id, name, provider, model, instructions, history, enabled, created_at, updated_at",
        AgentId::new().uuid(),
        new.name,
        new.provider,
        new.model,
        new.instructions,
        new.history,
        new.enabled
    )
    .fetch_one(tx.conn())
    .await
    .on_constraint("agent_name_key", || name_taken(&new.name))?;
    let agent = AgentView::from(row);
    tx.audit(Act {
        action: "agent.created",
        target: agent.id.to_string(),
        detail: &agent,
    })
    .await?;
    tx.commit().await?;
    Ok(agent)
}

/// Replaces an agent's configuration. Replies from then on follow the new one.
pub async fn replace(
    access: &Access<AgentsWrite>,
    agent: AgentId,
    new: NewAgent,
) -> Result<AgentView> {
    let new = new.check()?;
    let mut tx = access.begin().await?;
    let row = sqlx::query_as!(
        Row,
        "UPDATE cell.agent SET name = $2, provider = $3, model = $4, instructions = $5,
             history = $6, enabled = $7, updated_at = now()
         WHERE id = $1
         RETURNING id, name, provider, model, instructions, history, enabled, created_at, updated_at",
        agent.uuid(),
        new.name,
        new.provider,
        new.model,
        new.instructions,
        new.history,
        new.enabled
    )
    .fetch_optional(tx.conn())
    .await
    .on_constraint("agent_name_key", || name_taken(&new.name))?
    .ok_or(Error::NotFound("agent"))?;
    let agent = AgentView::from(row);
    tx.audit(Act {
        action: "agent.replaced",
        target: agent.id.to_string(),
        detail: &agent,
    })
    .await?;
    tx.commit().await?;
    Ok(agent)
}

pub async fn delete(access: &Access<AgentsWrite>, agent: AgentId) -> Result<()> {
    let mut tx = access.begin().await?;
    let row = sqlx::query!(
        "DELETE FROM cell.agent WHERE id = $1 RETURNING name",
        agent.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("agent"))?;
    tx.audit(Act {
        action: "agent.deleted",
        target: agent.to_string(),
        detail: json!({ "name": row.name }),
    })
    .await?;
    tx.commit().await
}
