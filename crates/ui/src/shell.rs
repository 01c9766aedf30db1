//! The frame of both consoles: navigation, tenant switcher, search, the signed-in person.

mod help;
mod nav;

use maud::{Markup, html};
pub use nav::{NavItem, NavSection, Switcher, SwitcherEntry};

use crate::{Banner, Brand, Flash, Icon, Page, Theme, document::Document, link, notice::toasts};

/// Everything around a page. The console layer makes one for each request.
#[derive(Clone, Debug)]
pub struct Shell {
    pub product: String,
    pub brand: Brand,
    /// Where the brand leads: the console's first page.
    pub home: String,
    pub sections: Vec<NavSection>,
    /// The path of this request. The item with the longest address that begins it is current.
    pub path: String,
    /// The tenants that the person may enter; none in the operator console.
    pub switcher: Option<Switcher>,
    pub person: Person,
    pub banners: Vec<Banner>,
    pub flashes: Vec<Flash>,
    pub theme: Theme,
}

/// Who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub email: String,
    /// Links of the person's menu, as label and address: account, security, the other console.
    pub links: Vec<(String, String)>,
    /// Where the form that signs out is posted.
    pub sign_out: String,
}

impl Shell {
    /// The whole document. `nonce` is the one that this response's Content-Security-Policy allows.
    pub fn render(&self, page: &Page, nonce: &str) -> Markup {
        let document = Document {
            title: page.title(),
            product: &self.product,
            brand: &self.brand,
            theme: self.theme,
            nonce,
            modules: page.modules(),
            prefetches: true,
        };
        document.around(html! {
            a.skip href="#main" { "Skip to content" }
            @if !self.banners.is_empty() {
                div.banners role="region" aria-label="Important" {
                    @for banner in &self.banners { (banner) }
                }
            }
            div.app {
                // A popover on narrow screens, which opens without any script; a column on wide ones.
                div.sidebar #sidebar popover { div.sidebar-content { (self.sidebar()) } }
                div.column {
                    (self.topbar())
                    main #main tabindex="-1" { (page.content()) }
                }
            }
            (toasts(&self.flashes))
            (help::palette(page.commands()))
            (help::shortcuts(&self.sections))
        })
    }

    fn sidebar(&self) -> Markup {
        let current = nav::current(&self.sections, &self.path);
        html! {
            @match &self.switcher {
                Some(switcher) => (nav::switcher(switcher, &self.brand, &self.product)),
                None => a.side-brand href=(link::safe(&self.home)) { (self.brand.mark(&self.product)) },
            }
            (nav::main(&self.sections, current))
        }
    }

    fn topbar(&self) -> Markup {
        html! {
            header.topbar {
                button.button.quiet.icon-only.menu-button type="button" popovertarget="sidebar" aria-label="Menu" {
                    (Icon::Menu)
                }
                a.top-brand href=(link::safe(&self.home)) { (self.brand.mark(&self.product)) }
                button.search-button.needs-script type="button" command="show-modal" commandfor="palette"
                    aria-keyshortcuts="Control+K Meta+K" {
                    (Icon::Search) span { "Search or jump to…" } kbd aria-hidden="true" { "Ctrl K" }
                }
                span.spacer {}
                button.button.quiet.icon-only.needs-script.help-button type="button" command="show-modal"
                    commandfor="shortcuts" aria-label="Keyboard shortcuts" title="Keyboard shortcuts" { (Icon::Help) }
                (self.person_menu())
            }
        }
    }

    fn person_menu(&self) -> Markup {
        let person = &self.person;
        html! {
            details.menu name="menu" {
                summary.avatar-button {
                    span.visually-hidden { "Account of " (person.name) }
                    span.avatar aria-hidden="true" { (initials(&person.name)) }
                }
                div.menu-panel.end {
                    div.menu-head { p.strong { (person.name) } p.muted { (person.email) } }
                    @for (label, href) in &person.links {
                        a.menu-item href=(link::safe(href)) data-command data-group="Account" { (label) }
                    }
                    div.theme-choice.needs-script role="group" aria-label="Theme" {
                        @for (value, label, icon) in [
                            ("system", "System", Icon::Screen),
                            ("light", "Light", Icon::Sun),
                            ("dark", "Dark", Icon::Moon),
                        ] {
                            button type="button" data-theme-choice=(value) aria-pressed="false" { (icon) (label) }
                        }
                    }
                    form method="post" action=(link::safe(&person.sign_out)) {
                        button.menu-item type="submit" { (Icon::SignOut) "Sign out" }
                    }
                }
            }
        }
    }
}

/// The first letters of the first and the last word.
fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let first = words.next().and_then(|word| word.chars().next());
    let last = words.next_back().and_then(|word| word.chars().next());
    let letters = first.into_iter().chain(last);
    letters.flat_map(char::to_uppercase).collect()
}
