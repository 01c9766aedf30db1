//! What a handler returns: a page without its surroundings. The console layer takes it from the
//! response and renders the document around it.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::Markup;

/// A page's content. As a response it is a status and this value among the response's extensions,
/// with an empty body: [`Page::take`] in the layer above turns it into a document.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    body: Markup,
    status: StatusCode,
    commands: Vec<Command>,
    modules: Vec<String>,
    is_bare: bool,
}

/// Something that the command palette offers on this page.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub label: String,
    pub href: String,
}

impl Page {
    /// The title is that of the browser's tab; the heading is part of the body.
    pub fn new(title: impl Into<String>, body: Markup) -> Self {
        Self {
            title: title.into(),
            body,
            status: StatusCode::OK,
            commands: Vec::new(),
            modules: Vec::new(),
            is_bare: false,
        }
    }

    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Offers an act of this page in the command palette. The address is read by GET: it leads to a
    /// form, it does not act.
    #[must_use]
    pub fn command(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.commands.push(Command {
            label: label.into(),
            href: href.into(),
        });
        self
    }

    /// Loads an ES module of the page's own, by its address on this host.
    #[must_use]
    pub fn module(mut self, url: impl Into<String>) -> Self {
        self.modules.push(url.into());
        self
    }

    /// Belongs outside the console, such as signing in: the layer renders it with [`crate::Bare`].
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    pub fn title(&self) -> &str {
        &self.title
    }

    pub fn is_bare(&self) -> bool {
        self.is_bare
    }

    pub(crate) fn content(&self) -> &Markup {
        &self.body
    }

    pub(crate) fn commands(&self) -> &[Command] {
        &self.commands
    }

    pub(crate) fn modules(&self) -> &[String] {
        &self.modules
    }

    /// The page that a handler returned, if it returned one. The layer then sets the response's body.
    pub fn take(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove()
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
