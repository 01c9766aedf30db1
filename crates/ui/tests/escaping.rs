//! Text from anywhere stays text: a script planted in every text parameter of every component.

use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::*;

const PLANT: &str = "\"'><script>alert(1)</script>";
const SCHEME: &str = "javascript:alert(1)";

/// Each component by name, with the plant wherever it takes text, and how many places that are.
fn planted() -> Vec<(&'static str, usize, Markup)> {
    let none = Markup::default;
    let query = Query::new(PLANT, "").with(PLANT, PLANT).with(SORT, PLANT);
    let moment = Moment::new(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH);
    vec![
        (
            "button",
            3,
            Button::primary(PLANT).sending(PLANT, PLANT).render(),
        ),
        (
            "button of a form",
            2,
            Button::primary(PLANT).of_form(PLANT).render(),
        ),
        (
            "icon button",
            3,
            Button::primary(PLANT)
                .icon_only(Icon::Key)
                .opening(PLANT)
                .render(),
        ),
        (
            "link",
            2,
            Button::primary(PLANT).to(PLANT).opening(PLANT).render(),
        ),
        ("badge", 1, Badge::new(Tone::Info, PLANT).render()),
        (
            "card",
            2,
            Card::new(none()).title(PLANT).about(PLANT).render(),
        ),
        (
            "header",
            3,
            PageHeader::new(PLANT).crumb(PLANT, PLANT).render(),
        ),
        (
            "tabs",
            3,
            Tabs::new(PLANT, PLANT)
                .tab(PLANT, PLANT)
                .counted(PLANT, PLANT, 1)
                .render(),
        ),
        ("notice", 1, Notice::new(Tone::Info, PLANT).render()),
        ("banner", 1, Banner::new(Tone::Info, PLANT).render()),
        ("flash", 1, Flash::new(Tone::Info, PLANT).render()),
        (
            "empty",
            2,
            EmptyState::new(Icon::Key, PLANT, PLANT).render(),
        ),
        (
            "error state",
            4,
            ErrorState::new(PLANT, PLANT)
                .correlation_id(PLANT)
                .retry(PLANT)
                .render(),
        ),
        (
            "error page",
            6,
            ErrorPage::new(500, PLANT, PLANT, PLANT, PLANT)
                .action(PLANT, PLANT)
                .body(),
        ),
        ("copyable", 5, Copyable::new(PLANT, PLANT).render()),
        (
            "masked secret",
            5,
            ShownSecret::masked(PLANT, PLANT).render(),
        ),
        ("secret once", 5, ShownSecret::once(PLANT, PLANT).render()),
        ("code", 4, CodeBlock::new(PLANT, PLANT).render()),
        ("facts", 2, Facts::new().maybe(PLANT, Some(PLANT)).render()),
        (
            "timeline",
            2,
            Timeline::new()
                .event(
                    Tone::Info,
                    Icon::Key,
                    moment,
                    html! { (PLANT) },
                    Some(html! { (PLANT) }),
                )
                .render(),
        ),
        (
            "steps",
            2,
            Steps::new().step(Some(PLANT), html! { (PLANT) }).render(),
        ),
        (
            "live",
            3,
            Live::new(PLANT, PLANT, html! { (PLANT) }).render(),
        ),
        (
            "stat",
            4,
            Stat::new(PLANT, PLANT)
                .change(Tone::Info, PLANT)
                .course(Sparkline::new(PLANT, [1.0]))
                .to(PLANT)
                .render(),
        ),
        (
            "line chart",
            8,
            LineChart::new(PLANT, PLANT, [PLANT])
                .unit(PLANT)
                .series(PLANT, [1.0])
                .render(),
        ),
        (
            "bar chart",
            8,
            BarChart::new(PLANT, PLANT, [PLANT])
                .unit(PLANT)
                .series(PLANT, [1.0])
                .render(),
        ),
        (
            "table",
            4,
            Table::new(PLANT)
                .query(&query)
                .column(Column::new(PLANT).sort(PLANT))
                .column(Column::new(PLANT).untitled())
                .linked(PLANT, [html! { (PLANT) }])
                .render(),
        ),
        (
            "filters",
            8,
            FilterBar::new(&query)
                .search("q", PLANT)
                .choice("c", PLANT, [(PLANT, PLANT)])
                .render(),
        ),
        (
            "pages",
            1,
            CursorPages::new(&query, Some(PLANT), 1).render(),
        ),
        (
            "field",
            10,
            Field::text(PLANT, PLANT)
                .value(PLANT)
                .hint(PLANT)
                .error(Some(PLANT))
                .placeholder(PLANT)
                .pattern(PLANT)
                .prefix(PLANT)
                .render(),
        ),
        (
            "password",
            6,
            Field::password(PLANT, PLANT, "off")
                .id(PLANT)
                .hint(PLANT)
                .render(),
        ),
        (
            "long text",
            5,
            Field::long(PLANT, PLANT, 2)
                .value(PLANT)
                .placeholder(PLANT)
                .render(),
        ),
        (
            "select",
            6,
            Field::select(PLANT, PLANT, [(PLANT, PLANT)]).render(),
        ),
        (
            "checkbox",
            5,
            Checkbox::new(PLANT, PLANT)
                .value(PLANT)
                .hint(PLANT)
                .error(Some(PLANT))
                .render(),
        ),
        (
            "radios",
            7,
            Radios::new(PLANT, PLANT)
                .value(PLANT)
                .explained(PLANT, PLANT, PLANT)
                .hint(PLANT)
                .error(Some(PLANT))
                .render(),
        ),
        (
            "fieldset",
            2,
            Fieldset::new(PLANT, none()).hint(PLANT).render(),
        ),
        (
            "form",
            9,
            Form::post(PLANT, Field::text(PLANT, PLANT).render(), none())
                .id(PLANT)
                .hidden(PLANT, PLANT)
                .errors([(PLANT, PLANT)])
                .render(),
        ),
        ("dialog", 4, Dialog::new(PLANT, PLANT, none()).render()),
        (
            "confirmation",
            8,
            Confirm::new(PLANT, none(), PLANT, PLANT)
                .typed(PLANT)
                .error(Some(PLANT))
                .hidden(PLANT, PLANT)
                .dialog(PLANT)
                .render(),
        ),
    ]
}

fn shell() -> Shell {
    let text = || PLANT.to_owned();
    Shell {
        product: text(),
        brand: Brand {
            company: Some(text()),
            logo: Some(text()),
            colour: None,
        },
        home: text(),
        sections: vec![NavSection {
            title: Some(text()),
            items: vec![NavItem::new(Icon::Key, PLANT, PLANT).key('"')],
        }],
        path: text(),
        switcher: Some(Switcher {
            current: text(),
            entries: vec![SwitcherEntry {
                name: text(),
                detail: text(),
                href: text(),
                is_current: true,
            }],
        }),
        person: Person {
            name: text(),
            email: text(),
            links: vec![(text(), text())],
            sign_out: text(),
        },
        banners: vec![Banner::new(Tone::Info, PLANT)],
        flashes: vec![Flash::new(Tone::Info, PLANT)],
        theme: Theme::System,
    }
}

fn is_harmless(name: &str, html: &str) {
    assert!(!html.contains("<script>alert"), "{name}: {html}");
    assert!(
        !html.contains("\"'"),
        "{name}: a quote ends an attribute: {html}"
    );
}

#[test]
fn components_escape_every_text() {
    for (name, places, markup) in planted() {
        let html = markup.into_string();
        is_harmless(name, &html);
        let shown = html.matches("&lt;script&gt;alert(1)").count();
        assert!(
            shown >= places,
            "{name}: {shown} of {places} texts are there: {html}"
        );
    }
}

#[test]
fn documents_escape_every_text() {
    let page = Page::new(PLANT, html! { (PLANT) })
        .command(PLANT, PLANT)
        .module(PLANT);
    let bare = Bare {
        product: PLANT.to_owned(),
        brand: shell().brand,
        home: PLANT.to_owned(),
        theme: Theme::Dark,
        flashes: shell().flashes,
    };
    for (name, markup) in [
        ("shell", shell().render(&page, PLANT)),
        ("bare", bare.render(&page, PLANT)),
    ] {
        is_harmless(name, &markup.into_string());
    }
}

#[test]
fn addresses_never_run_script() {
    let query = Query::new(SCHEME, "a=b");
    let html = html! {
        (Button::primary("x").to(SCHEME))
        (PageHeader::new("x").crumb("x", SCHEME))
        (Tabs::new("x", "x").tab("x", SCHEME))
        (ErrorState::new("x", "x").retry(SCHEME))
        (Stat::new("x", "x").to(SCHEME))
        (Table::new("x").query(&query).column(Column::new("x").sort("x")).linked(SCHEME, [html! { "x" }]))
        (FilterBar::new(&query).search("a", "x"))
        (CursorPages::new(&query, Some("c"), 1))
        (Form::post(SCHEME, html! {}, html! {}))
        (Confirm::new("x", html! {}, SCHEME, "x").page(SCHEME))
    }
    .into_string();
    assert!(!html.contains("javascript:"), "{html}");
}
