//! The HTML of components, reviewed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use maud::{Markup, Render, html};
use time::{Duration, macros::datetime};
use ui::*;

#[path = "../examples/gallery/sample.rs"]
mod sample;

/// A tag on each line, so that a change of one is a change of one line. The version in addresses of
/// assets changes with every edit of the style sheet and is left out.
fn lines(markup: Markup) -> String {
    let version = regex_lite::Regex::new("/assets/[0-9a-f]{16}/").unwrap();
    let html = markup.into_string().replace("><", ">\n<");
    version
        .replace_all(&html, "/assets/(version)/")
        .into_owned()
}

macro_rules! seen {
    ($name:ident, $markup:expr) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), lines($markup));
        }
    };
}

fn moment() -> Moment {
    let now = datetime!(2026-03-14 12:00 UTC);
    Moment::new(now - Duration::hours(3), now)
}

seen!(
    buttons,
    html! {
        (Button::primary("Save"))
        (Button::secondary("Export").icon(Icon::Download).to("/export"))
        (Button::danger("Delete").to("/delete").opening("delete"))
        (Button::danger("Delete").opening("delete"))
        (Button::quiet("More").icon_only(Icon::More).small())
        (Button::secondary("Approve").sending("act", "approve").of_form("review"))
        (Button::secondary("Next").to("/next").disabled(true))
    }
);

seen!(
    badges,
    html! {
        (Badge::new(Tone::Neutral, "Draft")) (Badge::status(Tone::Success, "Active"))
    }
);

seen!(
    card,
    Card::new(html! { p { "Body" } })
        .title("Title")
        .about("About")
        .actions(html! { "Actions" })
        .footer(html! { "Foot" })
        .flush()
        .render()
);

seen!(
    heading,
    html! {
        (PageHeader::new("Production").crumb("Keys", "/keys").about(html! { "About" })
            .beside(html! { (Badge::status(Tone::Success, "Active")) }).actions(html! { (Button::primary("Rotate")) }))
        (Tabs::new("Parts", "/b").tab("A", "/a").counted("B", "/b", 3))
    }
);

seen!(table, {
    let query = Query::new("/tenants", "sort=-name&q=north&cursor=c1");
    html! {
        (FilterBar::new(&query).search("q", "Search tenants").choice("plan", "Plan", [("scale", "Scale")]))
        (Table::new("Tenants").query(&query)
            .column(Column::new("Name").sort("name")).column(Column::new("Plan").sort("plan"))
            .column(Column::new("Messages").number()).column(Column::new("Actions").untitled())
            .linked("/tenants/1", [html! { "Northwind" }, html! { "Scale" }, html! { "12" }, html! { "…" }])
            .row([html! { "Fabrikam" }, html! { "Trial" }, html! { "0" }, html! { "…" }]))
        (CursorPages::new(&query, Some("c2"), 2))
    }
});

seen!(
    empty_table,
    Table::new("Keys")
        .column(Column::new("Name"))
        .empty(
            EmptyState::new(Icon::Key, "No keys yet", "Create one.")
                .action(html! { (Button::primary("Create")) })
        )
        .render()
);

seen!(form, Form::post("/team", html! {
    (Field::email("email", "E-mail").value("ada@").hint("A link is sent.").error(Some("Not an address")))
    (Field::password("password", "Password", "new-password"))
    (Field::select("role", "Role", [("admin", "Admin"), ("agent", "Agent")]).value("agent"))
    (Field::long("note", "Note", 3).optional().value("\nfirst line is empty"))
    (Field::text("slug", "Address").prefix("example.com/").pattern("[a-z]+"))
    (Fieldset::new("Notify", html! { (Checkbox::new("mail", "By mail").checked(true).hint("Daily")) }).hint("When?"))
    (Checkbox::new("scopes", "Read").value("read").error(Some("Choose one")))
    (Radios::new("plan", "Plan").value("a").explained("a", "A", "Small").option("b", "B").error(Some("Choose one")))
}, html! { (Button::primary("Invite")) }).hidden("version", "7").errors([("email", "Not an address"), ("", "Try later")]).render());

fn confirm() -> Confirm {
    Confirm::new(
        "Delete this tenant",
        html! { p { "Gone." } },
        "/delete",
        "Delete it",
    )
    .typed("a.c")
    .hidden("epoch", "3")
}

seen!(confirm_as_dialog, confirm().dialog("delete").render());
seen!(
    confirm_as_page,
    confirm().error(Some("That is another name")).page("/back")
);

seen!(
    notices,
    html! {
        (Notice::new(Tone::Danger, "It failed").body(html! { "Because." }))
        (Banner::new(Tone::Warning, "Suspended").action(html! { (Button::secondary("Pay").small()) }))
        (Flash::new(Tone::Success, "Saved."))
    }
);

seen!(
    states,
    html! {
        (ErrorState::new("Not loaded", "Later.").correlation_id("c0ffee").retry("/again"))
        (Skeleton::Lines(2)) (Skeleton::Rows(1)) (Skeleton::Chart)
    }
);

seen!(
    values,
    html! {
        (Copyable::new("tenant id", "ten_1")) (moment())
        (ShownSecret::masked("signing secret", "whsec_1")) (ShownSecret::once("API key", "fh_live_1"))
        (CodeBlock::new("Request", "curl <x>"))
        (Facts::new().maybe("Region", Some("eu")).maybe("Domain", None))
    }
);

seen!(
    timeline,
    Timeline::new()
        .event(
            Tone::Success,
            Icon::Key,
            moment(),
            html! { "Ada rotated a key" },
            Some(html! { "Why" })
        )
        .render()
);

seen!(
    checklist,
    Checklist::new()
        .step(true, "Connect", "At a provider.", "/connect")
        .step(false, "Invite <all>", "By mail.", "javascript:alert(1)")
        .render()
);

seen!(
    steps,
    Steps::new()
        .step(Some("Console → <Keys>"), html! { "Copy the key." })
        .step(None, html! { "Enter it here." })
        .render()
);

seen!(
    live,
    html! {
        (Live::new("check", "waiting", html! { "Nothing yet" }).waiting("/here"))
        (Live::new("done", "there", html! { "It came" }))
        (Live::new("odd", "waiting", html! {}).waiting("javascript:alert(1)"))
    }
);

seen!(
    stat,
    Stat::new("Messages", "12")
        .change(Tone::Success, "+1")
        .course(Sparkline::new("Messages per day", [1.0, 3.0, 2.0]))
        .to("/m")
        .render()
);

seen!(
    sparklines,
    html! {
        (Sparkline::new("Nothing", [])) (Sparkline::new("One", [5.0])) (Sparkline::new("Level", [2.0, 2.0]))
    }
);

seen!(
    line_chart,
    LineChart::new("Latency", "Rises.", ["a", "b", "c"])
        .unit(" ms")
        .series("p50", [1.0, 2.0, 4.0])
        .series("p99", [3.0, f64::NAN])
        .render()
);

seen!(
    area_chart,
    LineChart::new("Messages", "Rises.", ["a", "b"])
        .series("Messages", [10_000.0, 20_000.0])
        .render()
);

seen!(
    bar_chart,
    BarChart::new("Channels", "Even.", ["a", "b"])
        .series("Voice", [3.0, 1.0])
        .series("Mail", [1.0, 1.0])
        .stacked()
        .render()
);

seen!(
    charts_without_data,
    html! {
        (LineChart::new("Latency", "No data yet.", [] as [&str; 0]).series("p50", []))
        (BarChart::new("Channels", "No data yet.", [] as [&str; 0]))
    }
);

seen!(
    sign_in,
    sample::bare(Theme::Dark).render(&sample::sign_in(), "n0nce")
);

seen!(
    console,
    sample::shell(Theme::System, Brand::default())
        .render(&sample::error().command("Ask an owner", "/ask"), "n0nce")
);

#[test]
fn a_page_travels_through_a_response() {
    use axum::response::IntoResponse;
    let mut response = sample::error().into_response();
    assert_eq!(response.status(), 403);
    let page = Page::take(&mut response).unwrap();
    assert_eq!(page.title(), "You may not see this");
    assert!(Page::take(&mut response).is_none());
}
