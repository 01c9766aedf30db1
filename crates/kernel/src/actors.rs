//! Actors as people read them: the audit log's `user:usr_…` with the person's name.

use std::collections::HashMap;

use crate::{access::Access, error::Result, id::UserId, permission::Permission};
use uuid::Uuid;

/// The names behind some actors.
#[derive(Debug, Default)]
pub struct Names(HashMap<UserId, String>);

impl Names {
    /// Looks the people among the actors up, in one query. The actors come from records of the
    /// tenant's own, so the tenant knows of them.
    pub async fn of<'a, P: Permission>(
        access: &Access<P>,
        actors: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self> {
        let ids: Vec<Uuid> = actors
            .into_iter()
            .filter_map(|actor| Some(person(actor)?.uuid()))
            .collect();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let mut tx = access.people().await?;
        let rows = sqlx::query!("SELECT id, name FROM control.user WHERE id = ANY($1)", &ids)
            .fetch_all(tx.conn())
            .await?;
        tx.commit().await?;
        let names = rows.into_iter().map(|row| (row.id.into(), row.name));
        Ok(Self(names.collect()))
    }

    /// The actor in words.
    pub fn show(&self, actor: &str) -> String {
        if let Some(name) = person(actor).and_then(|id| self.0.get(&id)) {
            return name.clone();
        }
        match actor.split_once(':') {
            Some(("staff", _)) => "Support staff".to_owned(),
            Some(("api_key", key)) => format!("API key {key}"),
            Some(("user", _)) => "A former account".to_owned(),
            _ => actor.to_owned(),
        }
    }
}

fn person(actor: &str) -> Option<UserId> {
    actor.strip_prefix("user:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actors_are_told_in_words() {
        let id = UserId::new();
        let names = Names([(id, "Ada".to_owned())].into());
        for (actor, words) in [
            (format!("user:{id}"), "Ada".to_owned()),
            (
                format!("user:{}", UserId::new()),
                "A former account".to_owned(),
            ),
            (
                "staff:operator_token".to_owned(),
                "Support staff".to_owned(),
            ),
            ("api_key:key_1".to_owned(), "API key key_1".to_owned()),
            ("webhook:twilio".to_owned(), "webhook:twilio".to_owned()),
        ] {
            assert_eq!(names.show(&actor), words);
        }
    }
}
