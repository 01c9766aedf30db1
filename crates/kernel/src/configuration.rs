//! What a tenant has set for itself: the document, what each of its settings may be, and the
//! versions that were stored of it.
//!
//! The document's types are in `document`, with their defaults. `settings` is the one place that
//! says what exists, what it is called and which values it takes: forms, checks and differences are
//! made from it. `versions` reads and writes. Who may change a setting is decided where it is
//! changed; what a setting does, where it is read.

mod document;
mod settings;
mod versions;

pub use document::{Branding, Configuration, Features, Integrations, Limits, Retention};
pub use settings::{Change, Kind, SECTIONS, SETTINGS, Section, Setting, Shape};
pub use versions::{Version, at, current, history, write};
