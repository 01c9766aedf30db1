//! The address of a list: its path with sorting, filters and cursor, from which the links of tables
//! and pages are made.

use url::form_urlencoded;

/// The parameter that names the sorted column, with a leading `-` when descending.
pub const SORT: &str = "sort";
/// The parameter that carries the cursor of a page.
pub const CURSOR: &str = "cursor";

/// A path with its query. Every change returns a new one, so that one page can make many links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Query {
    /// From the request's path and its raw query (without `?`). Empty values are dropped: a filter
    /// form sends them for what nobody chose.
    pub fn new(path: impl Into<String>, raw: &str) -> Self {
        let pairs = form_urlencoded::parse(raw.as_bytes())
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Self {
            path: path.into(),
            pairs,
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(known, _)| known == name)?;
        Some(&pair.1)
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.pairs.push((name.to_owned(), value.to_owned()));
        changed
    }

    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.pairs.retain(|(known, _)| known != name);
        changed
    }

    /// The address, percent-encoded.
    pub fn href(&self) -> String {
        if self.pairs.is_empty() {
            return self.path.clone();
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.pairs)
            .finish();
        format!("{}?{query}", self.path)
    }

    /// How the list is sorted by this column, if it is.
    pub(crate) fn order_of(&self, column: &str) -> Option<Order> {
        let sort = self.get(SORT)?;
        match sort.strip_prefix('-') {
            Some(name) if name == column => Some(Order::Descending),
            None if sort == column => Some(Order::Ascending),
            _ => None,
        }
    }

    /// The list sorted by this column, from its first page; the other way round if it already is.
    pub(crate) fn sorted_by(&self, column: &str) -> Self {
        let value = match self.order_of(column) {
            Some(Order::Ascending) => format!("-{column}"),
            Some(Order::Descending) | None => column.to_owned(),
        };
        self.without(CURSOR).with(SORT, &value)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_they_do_not_change() {
        let query = Query::new("/admin/tenants", "q=a%26b&status=&sort=name&cursor=x");
        assert_eq!(query.get("q"), Some("a&b"));
        assert_eq!(query.get("status"), None);
        assert_eq!(
            query.sorted_by("name").href(),
            "/admin/tenants?q=a%26b&sort=-name"
        );
        assert_eq!(
            query.sorted_by("plan").href(),
            "/admin/tenants?q=a%26b&sort=plan"
        );
        assert_eq!(
            query.with(CURSOR, "y z").href(),
            "/admin/tenants?q=a%26b&sort=name&cursor=y+z"
        );
        assert_eq!(Query::new("/a", "").href(), "/a");
    }

    #[test]
    fn sorting_turns_round() {
        let query = Query::new("/a", "sort=-name");
        assert_eq!(query.order_of("name"), Some(Order::Descending));
        assert_eq!(query.order_of("nam"), None);
        assert_eq!(query.sorted_by("name").href(), "/a?sort=name");
    }
}
