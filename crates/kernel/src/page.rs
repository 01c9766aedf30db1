//! Lists that are read a page at a time: `{data, next_cursor}`.
//!
//! A cursor holds the position of a page's last row in the list's own order, so a page costs the
//! same wherever it stands and rows that arrive meanwhile move nothing. It is opaque to clients
//! and grants nothing: the query that it steers runs inside the reader's own transaction.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// Which page of a list is asked for.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next_cursor` of the page before; the list's beginning when absent.
    pub cursor: Option<String>,
    /// Rows in the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

impl PageQuery {
    /// Rows in the page. A query reads one more than these, by which [`Page::cut`] sees whether
    /// another page follows.
    pub fn limit(&self) -> Result<i64> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(i64::from(limit)),
            _ => Err(Error::field(
                "limit",
                format!("must be from 1 to {MAX_LIMIT}"),
            )),
        }
    }

    /// The position that the page begins after.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        self.cursor.as_deref().map(Cursor::decode).transpose()
    }
}

/// The text form of a position in a list: its JSON in base64url.
#[derive(Debug)]
pub enum Cursor {}

impl Cursor {
    pub fn encode<K: Serialize>(position: &K) -> Result<String> {
        let json = serde_json::to_vec(position).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }

    /// Refuses text that is no cursor, or one of a list in another order.
    pub fn decode<K: DeserializeOwned>(text: &str) -> Result<K> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| Error::field("cursor", "is not a cursor of this list"))
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Asks for the page after this one; absent (`null`) on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of what a query with `LIMIT limit + 1` gave. `position` says where a row
    /// stands in the list's order.
    pub fn cut<K: Serialize>(
        mut rows: Vec<T>,
        limit: i64,
        position: impl Fn(&T) -> K,
    ) -> Result<Self> {
        let limit = usize::try_from(limit).map_err(Error::internal)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = match rows.last() {
            Some(last) if more => Some(Cursor::encode(&position(last))?),
            _ => None,
        };
        Ok(Self {
            data: rows,
            next_cursor,
        })
    }

    /// The same page of something made from each row.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(make).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_kept() {
        let limit = |limit| PageQuery {
            limit,
            ..PageQuery::default()
        };
        assert_eq!(limit(None).limit().expect("default"), 50);
        assert_eq!(limit(Some(200)).limit().expect("largest"), 200);
        for refused in [0, 201, u32::MAX] {
            let error = limit(Some(refused)).limit().expect_err("refused");
            assert_eq!(error.code(), "invalid_request");
        }
    }

    #[test]
    fn pages_join_without_gap_or_overlap() {
        let rows: Vec<u32> = (0..7).collect();
        let mut seen = Vec::new();
        let mut query = PageQuery {
            limit: Some(3),
            ..PageQuery::default()
        };
        loop {
            let limit = query.limit().expect("limit");
            let after: Option<u32> = query.after().expect("cursor");
            let read = rows
                .iter()
                .copied()
                .filter(|row| after.is_none_or(|after| *row > after))
                .take(limit as usize + 1)
                .collect();
            let page = Page::cut(read, limit, |row| *row).expect("page");
            seen.extend(page.data);
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => break,
            }
        }
        assert_eq!(seen, rows);
    }

    #[test]
    fn a_full_last_page_announces_no_other() {
        let page = Page::cut(vec![1, 2, 3], 3, |row| *row).expect("page");
        assert_eq!(page.next_cursor, None);
    }

    #[test]
    fn foreign_cursors_are_refused() {
        let other = Cursor::encode(&("a", 1)).expect("cursor");
        for text in ["", "%", "bm90IGpzb24", other.as_str()] {
            let error = Cursor::decode::<u32>(text).expect_err("refused");
            assert_eq!(error.code(), "invalid_request", "{text}");
        }
    }
}
