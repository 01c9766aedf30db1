//! What holds for the HTML of every component, seen on the gallery inside both kinds of document.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;

use regex_lite::Regex;
use time::macros::datetime;
use ui::{Brand, Page, Query, Theme};

#[path = "../examples/gallery/sample.rs"]
mod sample;

fn gallery() -> Page {
    ui::gallery::page(
        &Query::new("/ui", "refused=true&sort=-name"),
        datetime!(2026-03-14 12:00 UTC),
    )
}

fn documents() -> [String; 4] {
    let brand = Brand {
        company: Some("Northwind".to_owned()),
        logo: Some("/app/northwind/logo".to_owned()),
        colour: Some("#ff6600".parse().unwrap()),
    };
    [
        sample::shell(Theme::Dark, Brand::default()).render(&gallery(), "n0nce"),
        sample::shell(Theme::System, brand).render(&sample::error(), "n0nce"),
        sample::bare(Theme::Light).render(&sample::sign_in(), "n0nce"),
        sample::bare(Theme::System).render(&sample::error(), "n0nce"),
    ]
    .map(maud::PreEscaped::into_string)
}

/// The opening tags of a document.
fn tags(html: &str) -> Vec<&str> {
    let tag = Regex::new(r#"<[a-z][a-z0-9-]*(?:\s+[^\s"=>]+(?:="[^"]*")?)*\s*>"#).unwrap();
    let found: Vec<&str> = tag.find_iter(html).map(|found| found.as_str()).collect();
    let script = Regex::new(r"(?s)<(script|style).*?</(script|style)>").unwrap();
    let rest = script.replace_all(html, "<x>");
    let opened = rest.matches('<').count() - rest.matches("</").count() - 1;
    assert_eq!(found.len(), opened, "the pattern finds every tag");
    found
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    rest.split_once('"').map(|(value, _)| value)
}

#[test]
fn nothing_is_inline_but_with_the_nonce() {
    let inline = Regex::new(r#"\s(?:style|on[a-z]+)="#).unwrap();
    for html in documents() {
        for tag in tags(&html) {
            assert!(!inline.is_match(tag), "{tag}");
            let is_inline = tag.starts_with("<style")
                || (tag.starts_with("<script") && attribute(tag, "src").is_none());
            if is_inline {
                assert_eq!(attribute(tag, "nonce"), Some("n0nce"), "{tag}");
            }
        }
    }
}

#[test]
fn every_reference_has_its_target() {
    for html in documents() {
        let tags = tags(&html);
        let mut ids = BTreeSet::new();
        for id in tags.iter().filter_map(|tag| attribute(tag, "id")) {
            assert!(ids.insert(id), "{id} is there twice");
        }
        // The listbox's options come and go; everything else is in the document.
        for name in [
            "for",
            "aria-describedby",
            "aria-labelledby",
            "aria-controls",
            "commandfor",
            "popovertarget",
            "data-dialog",
            "data-reveal",
        ] {
            for value in tags.iter().filter_map(|tag| attribute(tag, name)) {
                for id in value.split(' ') {
                    assert!(ids.contains(id), "{name}={id}");
                }
            }
        }
    }
}

#[test]
fn every_control_has_a_name() {
    for html in documents() {
        let labelled: BTreeSet<&str> = tags(&html)
            .into_iter()
            .filter(|tag| tag.starts_with("<label"))
            .filter_map(|tag| attribute(tag, "for"))
            .collect();
        // Labels around their control have no `for`; what they hold is not looked at one by one.
        let around = Regex::new(r"(?s)<label class=.*?</label>").unwrap();
        let rest = around.replace_all(&html, "");
        for tag in tags(&rest) {
            let takes_input = ["<input", "<select", "<textarea"]
                .iter()
                .any(|start| tag.starts_with(start));
            if takes_input && attribute(tag, "type") != Some("hidden") {
                let id = attribute(tag, "id");
                assert!(id.is_some_and(|id| labelled.contains(id)), "{tag}");
            }
        }
        let icon_only = Regex::new(r"<(?:a|button) [^>]*icon-only[^>]*>").unwrap();
        for tag in icon_only.find_iter(&html) {
            assert!(
                attribute(tag.as_str(), "aria-label").is_some(),
                "{}",
                tag.as_str()
            );
        }
    }
}

#[test]
fn a_page_has_one_heading_of_the_first_level_and_one_main() {
    let [console, error, sign_in, bare_error] = documents();
    for html in [error, sign_in, bare_error] {
        assert_eq!(html.matches("<h1").count(), 1);
        assert_eq!(html.matches("<main").count(), 1);
    }
    // The gallery shows an error page within itself.
    assert_eq!(console.matches("<h1").count(), 2);
}

#[test]
fn a_brand_reaches_the_style_sheet_as_colours_only() {
    let [_, branded, ..] = documents();
    let style = Regex::new(r#"<style nonce="n0nce">(.*?)</style>"#).unwrap();
    let style = &style.captures(&branded).unwrap()[1];
    insta::assert_snapshot!(style);
    let sheet = Regex::new(r"^:root\{(?:--[a-z-]+:[#a-z0-9(),-]+;?)+\}$").unwrap();
    assert!(sheet.is_match(style), "{style}");
}
