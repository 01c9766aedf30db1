//! The design system of both consoles: tokens, components, and the document around a page.
//!
//! A handler returns a [`Page`]: a title and a body made of components. The console layer takes it
//! from the response ([`Page::take`]) and renders the document around it, with [`Shell::render`] for
//! people who are signed in and [`Bare::render`] for signing in and for errors:
//!
//! ```
//! use maud::html;
//! use ui::{Badge, Button, Card, Facts, Icon, Page, PageHeader, Tone};
//!
//! async fn key() -> Page {
//!     Page::new("Production key", html! {
//!         (PageHeader::new("Production key")
//!             .crumb("API keys", "/app/acme/keys")
//!             .beside(html! { (Badge::status(Tone::Success, "Active")) })
//!             .actions(html! { (Button::secondary("Rotate").to("/app/acme/keys/1/rotate")) }))
//!         (Card::new(html! { (Facts::new().maybe("Last used", None)) }))
//!     })
//!     .command("Rotate this key", "/app/acme/keys/1/rotate")
//! }
//! # let _ = (key, Icon::Key);
//! ```
//!
//! Components are builders that implement [`maud::Render`]: they stand in `html!` in parentheses.
//! Text parameters are escaped; parameters of type [`maud::Markup`] are markup already. Addresses that
//! are neither on this host nor http, https, mailto or tel become `#`.
//!
//! Nothing here needs scripts to work: forms are plain, lists sort and filter by links and GET forms,
//! menus are `details`, the sidebar of narrow screens is a popover. What does need them is hidden
//! until they run (class `needs-script`). Pages contain neither `style` nor handler attributes, so the
//! policy can be `default-src 'self'; style-src 'self' 'nonce-…'; script-src 'self' 'nonce-…'`.
//!
//! Nothing here knows a database, a tenant's rules or any other crate of the workspace.

pub mod assets;
mod badge;
mod bare;
mod brand;
mod button;
mod card;
mod chart;
mod checklist;
mod colour;
mod dialog;
mod document;
mod form;
pub mod gallery;
mod heading;
mod icon;
mod link;
mod live;
mod notice;
mod page;
mod passkey;
mod qr;
mod query;
mod redirect;
mod shell;
mod stat;
mod state;
mod steps;
mod table;
mod timeline;
mod tone;
mod value;

pub use badge::Badge;
pub use bare::{Bare, ErrorPage};
pub use brand::Brand;
pub use button::Button;
pub use card::Card;
pub use chart::{BarChart, LineChart, Sparkline};
pub use checklist::Checklist;
pub use colour::{Colour, NotAColour};
pub use dialog::{CONFIRMATION, Confirm, Dialog};
pub use document::Theme;
pub use form::{Checkbox, Field, Fieldset, Form, Radios};
pub use heading::{PageHeader, Tabs};
pub use icon::Icon;
pub use live::Live;
pub use notice::{Banner, Flash, Notice};
pub use page::Page;
pub use passkey::{CREDENTIAL, PasskeyForm};
pub use qr::QrCode;
pub use query::{CURSOR, Query, SORT};
pub use redirect::{SeeOther, is_local};
pub use shell::{NavItem, NavSection, Person, Shell, Switcher, SwitcherEntry};
pub use stat::Stat;
pub use state::{EmptyState, ErrorState, Skeleton};
pub use steps::Steps;
pub use table::{Column, CursorPages, FilterBar, Table};
pub use timeline::Timeline;
pub use tone::Tone;
pub use value::{CodeBlock, Copyable, Facts, Moment, ShownSecret};
