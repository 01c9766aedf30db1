//! Tables with the bar of filters above and the links between pages below. All of it is links and
//! GET forms.

use maud::{Markup, Render, html};

use crate::{
    Button, EmptyState, Icon, Query, link,
    query::{CURSOR, Order, SORT},
};

#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    sort: Option<String>,
    is_number: bool,
    is_hidden: bool,
    is_words: bool,
}

impl Column {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            sort: None,
            is_number: false,
            is_hidden: false,
            is_words: false,
        }
    }

    /// Sortable under this name: the value of the `sort` parameter.
    #[must_use]
    pub fn sort(mut self, name: impl Into<String>) -> Self {
        self.sort = Some(name.into());
        self
    }

    /// Aligned at the end, so that digits stand under digits.
    #[must_use]
    pub fn number(mut self) -> Self {
        self.is_number = true;
        self
    }

    /// A column of buttons, whose title only screen readers need.
    #[must_use]
    pub fn untitled(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Sentences, which break into lines.
    #[must_use]
    pub fn words(mut self) -> Self {
        self.is_words = true;
        self
    }

    fn side(&self) -> Option<&'static str> {
        match (self.is_number, self.is_hidden) {
            (true, _) => Some("number"),
            (_, true) => Some("end-cell"),
            _ => self.is_words.then_some("words"),
        }
    }
}

/// Rows of cells under columns. Scrolls sideways within itself where the screen is narrow.
#[derive(Clone, Debug)]
pub struct Table {
    caption: String,
    query: Option<Query>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    empty: Option<EmptyState>,
}

#[derive(Clone, Debug)]
struct Row {
    href: Option<String>,
    cells: Vec<Markup>,
}

impl Table {
    /// The caption names the table for screen readers.
    pub fn new(caption: impl Into<String>) -> Self {
        Self {
            caption: caption.into(),
            query: None,
            columns: Vec::new(),
            rows: Vec::new(),
            empty: None,
        }
    }

    /// The list's address, from which the links of sortable columns are made.
    #[must_use]
    pub fn query(mut self, query: &Query) -> Self {
        self.query = Some(query.clone());
        self
    }

    #[must_use]
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// One cell for each column.
    #[must_use]
    pub fn row(mut self, cells: impl IntoIterator<Item = Markup>) -> Self {
        self.rows.push(Row {
            href: None,
            cells: cells.into_iter().collect(),
        });
        self
    }

    /// A row that leads somewhere: its first cell is the link, and the whole row can be clicked.
    #[must_use]
    pub fn linked(
        mut self,
        href: impl Into<String>,
        cells: impl IntoIterator<Item = Markup>,
    ) -> Self {
        self.rows.push(Row {
            href: Some(href.into()),
            cells: cells.into_iter().collect(),
        });
        self
    }

    /// What stands in place of the rows when there are none.
    #[must_use]
    pub fn empty(mut self, empty: EmptyState) -> Self {
        self.empty = Some(empty);
        self
    }

    fn head(&self, column: &Column) -> Markup {
        let sorted = self
            .query
            .as_ref()
            .zip(column.sort.as_deref())
            .map(|(query, name)| (query.order_of(name), query.sorted_by(name).href()));
        let order = sorted.as_ref().and_then(|(order, _)| *order);
        html! {
            th scope="col" class=[column.side()]
                aria-sort=[order.map(|order| match order {
                    Order::Ascending => "ascending",
                    Order::Descending => "descending",
                })] {
                @if let Some((order, href)) = sorted {
                    a.sort href=(link::safe(&href)) {
                        (column.title)
                        @match order {
                            Some(Order::Ascending) => (Icon::ArrowUp),
                            Some(Order::Descending) => (Icon::ArrowDown),
                            None => (Icon::Updown),
                        }
                    }
                } @else if column.is_hidden {
                    span.visually-hidden { (column.title) }
                } @else {
                    (column.title)
                }
            }
        }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        let side = |index: usize| self.columns.get(index).and_then(Column::side);
        html! {
            @if let (true, Some(empty)) = (self.rows.is_empty(), &self.empty) {
                (empty)
            } @else {
                // What scrolls takes focus, so that it can be scrolled by keyboard.
                div.table-scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table {
                        caption.visually-hidden { (self.caption) }
                        thead { tr { @for column in &self.columns { (self.head(column)) } } }
                        tbody {
                            @for row in &self.rows {
                                tr class=[row.href.as_ref().map(|_| "linked")] {
                                    @for (index, cell) in row.cells.iter().enumerate() {
                                        td class=[side(index)] {
                                            @match &row.href {
                                                Some(href) if index == 0 => a.row-link href=(link::safe(href)) { (cell) },
                                                _ => (cell),
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A GET form above a list. Keeps the sorting, starts again from the first page.
#[derive(Clone, Debug)]
pub struct FilterBar {
    query: Query,
    search: Option<(String, String)>,
    choices: Vec<Choice>,
}

#[derive(Clone, Debug)]
struct Choice {
    name: String,
    label: String,
    options: Vec<(String, String)>,
}

impl FilterBar {
    pub fn new(query: &Query) -> Self {
        Self {
            query: query.clone(),
            search: None,
            choices: Vec::new(),
        }
    }

    /// A field for words, which the key `/` goes to.
    #[must_use]
    pub fn search(mut self, name: impl Into<String>, label: impl Into<String>) -> Self {
        self.search = Some((name.into(), label.into()));
        self
    }

    /// One of several: pairs of value and label. "Any" is added.
    #[must_use]
    pub fn choice<V: Into<String>, L: Into<String>>(
        mut self,
        name: impl Into<String>,
        label: impl Into<String>,
        options: impl IntoIterator<Item = (V, L)>,
    ) -> Self {
        self.choices.push(Choice {
            name: name.into(),
            label: label.into(),
            options: options
                .into_iter()
                .map(|(value, label)| (value.into(), label.into()))
                .collect(),
        });
        self
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let search = self.search.iter().map(|(name, _)| name.as_str());
        search.chain(self.choices.iter().map(|choice| choice.name.as_str()))
    }

    /// The same list without any of these filters, if one is set.
    fn cleared(&self) -> Option<String> {
        let cleared = self
            .names()
            .fold(self.query.clone(), |query, name| query.without(name));
        (cleared != self.query).then(|| cleared.without(CURSOR).href())
    }
}

impl Render for FilterBar {
    fn render(&self) -> Markup {
        let names: Vec<&str> = self.names().collect();
        let kept = self
            .query
            .pairs()
            .filter(|(name, _)| *name != CURSOR && !names.contains(name));
        html! {
            form.filter-bar method="get" action=(link::safe(self.query.path())) role="search" {
                @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
                @if let Some((name, label)) = &self.search {
                    label.search {
                        span.visually-hidden { (label) }
                        (Icon::Search)
                        input type="search" name=(name) placeholder=(label) data-filter
                            value=(self.query.get(name).unwrap_or_default()) aria-keyshortcuts="/";
                    }
                }
                @for choice in &self.choices {
                    @let chosen = self.query.get(&choice.name);
                    label.choice {
                        span { (choice.label) }
                        select name=(choice.name) {
                            option value="" { "Any" }
                            @for (value, label) in &choice.options {
                                option value=(value) selected[chosen == Some(value.as_str())] { (label) }
                            }
                        }
                    }
                }
                (Button::secondary("Filter"))
                @if let Some(href) = self.cleared() { (Button::quiet("Clear").to(href)) }
            }
        }
    }
}

/// The links below a list that is read by cursor: back to the first page, on to the next.
#[derive(Clone, Debug)]
pub struct CursorPages {
    query: Query,
    next: Option<String>,
    shown: usize,
}

impl CursorPages {
    /// `next` is the list's `next_cursor`; `shown` the number of rows on this page.
    pub fn new(query: &Query, next: Option<&str>, shown: usize) -> Self {
        Self {
            query: query.clone(),
            next: next.map(str::to_owned),
            shown,
        }
    }
}

impl Render for CursorPages {
    fn render(&self) -> Markup {
        let is_first = self.query.get(CURSOR).is_none();
        let first = self.query.without(CURSOR).href();
        let next = self
            .next
            .as_deref()
            .map(|cursor| self.query.with(CURSOR, cursor).href());
        let plural = if self.shown == 1 { "" } else { "s" };
        html! {
            nav.pages aria-label="Pages" {
                p.muted {
                    (self.shown) " result" (plural)
                    @if !is_first || next.is_some() { " on this page" }
                    @if let Some(sort) = self.query.get(SORT) {
                        ", sorted by " (sort.trim_start_matches('-').replace(['_', '-'], " "))
                    }
                }
                @if !is_first || next.is_some() {
                    div.actions {
                        (Button::secondary("First page").small().icon(Icon::ChevronLeft).to(first).disabled(is_first))
                        (Button::secondary("Next page").small().icon(Icon::ChevronRight)
                            .to(next.as_deref().unwrap_or("#")).disabled(next.is_none()))
                    }
                }
            }
        }
    }
}
