//! The Content-Security-Policy of every page, and that no page needs more than it allows.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

use crate::{
    html::{Tag, tags},
    site::Site,
};

/// The API's explorer, whose style sheets write into elements. It runs no script but its files'.
const EXPLORER: &str = "/docs/api/ for ";

/// Directives that fall back to no other, and what they have to be on every page.
const REQUIRED: [(&str, &[&str]); 3] = [
    ("frame-ancestors", &["'none'"]),
    ("base-uri", &["'none'"]),
    ("form-action", &["'none'", "'self'"]),
];

type Policy<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn parsed(policy: &str) -> Policy<'_> {
    policy
        .split(';')
        .filter_map(|directive| {
            let mut words = directive.split_whitespace();
            Some((words.next()?, words.collect()))
        })
        .collect()
}

/// What a directive that is absent falls back to.
fn sources<'a>(policy: &'a Policy<'_>, directive: &str) -> &'a [&'a str] {
    let found = policy.get(directive).or_else(|| policy.get("default-src"));
    found.map_or(&["*"], Vec::as_slice)
}

fn nonce<'a>(policy: &'a Policy<'_>, directive: &str) -> Option<&'a str> {
    let mut nonces = sources(policy, directive)
        .iter()
        .filter_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\''));
    let nonce = nonces.next();
    if nonces.next().is_some() { None } else { nonce }
}

/// What of a policy would let through what no page of ours needs.
fn faults(name: &str, policy: &Policy<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for (directive, allowed) in REQUIRED {
        let found = policy.get(directive).map(Vec::as_slice);
        if !found.is_some_and(|found| found.len() == 1 && allowed.contains(&found[0])) {
            faults.push(format!("{directive} is {found:?}"));
        }
    }
    for directive in ["object-src", "frame-src", "default-src"] {
        if sources(policy, directive) != ["'none'"] {
            faults.push(format!("{directive} is {:?}", sources(policy, directive)));
        }
    }
    for directive in ["script-src", "style-src"] {
        let styles = directive == "style-src" && name.starts_with(EXPLORER);
        for source in sources(policy, directive) {
            let known = *source == "'self'" || source.starts_with("'nonce-");
            let inline = styles && *source == "'unsafe-inline'";
            if !(known || inline) {
                faults.push(format!("{directive} has {source}"));
            }
        }
    }
    faults
}

/// What of an element the policy would have to make an exception for.
fn breaches(tag: &Tag, nonce: Option<&str>) -> Vec<String> {
    let mut faults = Vec::new();
    if matches!(tag.name.as_str(), "script" | "style") {
        let file = tag.get("src");
        let own = file.is_some_and(|file| file.starts_with("/assets/") || file.starts_with("./"));
        match (file, tag.get("nonce")) {
            (Some(_), None) if own && tag.content.trim().is_empty() => {}
            (None, Some(shown)) if Some(shown) == nonce => {}
            (file, shown) => {
                faults.push(format!("<{}> of {file:?} shows {shown:?}", tag.name));
            }
        }
    }
    for (attribute, value) in &tag.attributes {
        let address: String = value
            .chars()
            .filter(|letter| !letter.is_ascii_control() && *letter != ' ')
            .collect();
        let address = address.to_ascii_lowercase();
        let runs = ["javascript:", "vbscript:", "data:text"]
            .iter()
            .any(|scheme| address.starts_with(scheme));
        if attribute.starts_with("on") || attribute == "style" || runs {
            faults.push(format!("<{}> has {attribute}={value:?}", tag.name));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_a_policy_and_keeps_to_it() {
    let site = Site::new().await;
    let mut nonces = BTreeSet::new();
    let mut found = Vec::new();
    let mut framed = 0;
    for (name, page) in site.pages().await {
        let header = page.header("content-security-policy");
        let policy = parsed(header);
        let mut wrong = faults(&name, &policy);
        let of_scripts = nonce(&policy, "script-src");
        if !name.starts_with(EXPLORER) {
            framed += 1;
            let nonce_of_styles = nonce(&policy, "style-src");
            if of_scripts.is_none() || of_scripts != nonce_of_styles {
                wrong.push(format!(
                    "scripts and styles have different nonces: {header}"
                ));
            }
            let nonce = of_scripts.unwrap_or_default();
            let bits = BASE64_STANDARD_NO_PAD
                .decode(nonce)
                .map(|raw| raw.len() * 8);
            if !bits.is_ok_and(|bits| bits >= 128) {
                wrong.push(format!("the nonce {nonce:?} is short"));
            }
            if !nonces.insert(nonce.to_owned()) {
                wrong.push(format!("the nonce {nonce:?} was used before"));
            }
            if !page.text.starts_with("<!DOCTYPE html>") {
                wrong.push("is no document".to_owned());
            }
        }
        let tags = tags(&page.text);
        wrong.extend(tags.iter().flat_map(|tag| breaches(tag, of_scripts)));
        found.extend(wrong.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert_eq!(found, Vec::<String>::new());
    assert!(framed > 150, "{framed}");
    site.node.stop().await;
}

#[test]
fn a_careless_page_is_noticed() {
    let loose = "default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.example; base-uri 'none'";
    let wrong = faults("/x for a stranger", &parsed(loose));
    assert_eq!(
        wrong,
        [
            "frame-ancestors is None",
            "form-action is None",
            "object-src is [\"'self'\"]",
            "frame-src is [\"'self'\"]",
            "default-src is [\"'self'\"]",
            "script-src has 'unsafe-inline'",
            "script-src has https://cdn.example",
        ]
    );
    let page = "<p style='color:red' onclick=go()><a href=' Java\nScript:x'>x</a><script>a</script>\
                <script nonce=wrong>a</script><script src=https://cdn.example/x.js></script>";
    let wrong: Vec<_> = tags(page)
        .iter()
        .flat_map(|tag| breaches(tag, Some("right")))
        .collect();
    assert_eq!(wrong.len(), 6, "{wrong:?}");
    assert!(breaches(&tags("<script nonce=right>a</script>")[0], Some("right")).is_empty());
}
