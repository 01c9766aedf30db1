//! Where people are sent on: to this host, whatever the request says.

use axum::response::IntoResponse;
use http::{Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use ui::SeeOther;
use url::Url;

use crate::{
    common::people::PASSWORD,
    html::tags,
    site::{Answer, Site},
};

const HERE: &str = "https://freehold.example/sign-in/second-factor";

/// Addresses that some browser, or some reader of addresses, takes for another host's.
const HOSTILE: [&str; 24] = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/%2F/evil.example",
    "%2F%2Fevil.example",
    "/..//evil.example",
    "/.//evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "HTTPS://evil.example",
    "//freehold.example@evil.example",
    "/@evil.example",
    ".evil.example",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "/app\r\nLocation: https://evil.example",
];

/// Whether a browser that is at `from` stays on that host, by the URL standard's own algorithm.
fn stays(from: &str, to: &str) -> bool {
    let from = Url::parse(from).expect("an address");
    from.join(to).is_ok_and(|to| to.origin() == from.origin())
}

fn location(to: &str) -> String {
    let response = SeeOther::new(to).into_response();
    let to = response.headers()[header::LOCATION].to_str();
    to.expect("text").to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_leads_elsewhere(text in ".*") {
        prop_assert!(stays(HERE, &location(&text)), "{text:?}");
    }

    /// Of the letters that addresses are read by, which random text rarely has in a row.
    #[test]
    fn no_address_leads_elsewhere(text in r#"[/\\:@?#%.\t\r\n a-f0-9-]{0,12}(evil\.example)?.{0,3}"#) {
        prop_assert!(stays(HERE, &location(&text)), "{text:?}");
    }
}

#[test]
fn paths_of_this_host_are_kept() {
    for path in [
        "/app",
        "/app/acme/audit?action=a%20b&cursor=x",
        "/?next=//evil.example",
        "/a#b",
    ] {
        assert_eq!(location(path), path);
    }
    assert!(!stays(HERE, "//evil.example") && !stays(HERE, "/\\evil.example"));
}

/// Every parameter that says where to go on: in an address, in a form, and in what the page then
/// holds for the next request.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_elsewhere() {
    let site = Site::new().await;
    site.node.account("next@example.com", "Next", None).await;
    let long = format!("/{}", "x".repeat(8000));
    let mut faults = Vec::new();
    let mut followed = 0;
    for to in HOSTILE.iter().copied().chain([long.as_str()]) {
        let encoded = utf8_percent_encode(to, NON_ALPHANUMERIC).to_string();
        let mut look = |name: &str, answer: &Answer| {
            if answer.status.is_server_error() {
                faults.push(format!("{name}, {to:?}: {}", answer.status));
            }
            let mut addresses = Vec::new();
            if answer.status.is_redirection() {
                followed += 1;
                addresses.push(answer.header("location").to_owned());
            }
            for tag in tags(&answer.text) {
                let holds = tag.get("name") == Some("next");
                addresses.extend(tag.get("value").filter(|_| holds).map(str::to_owned));
                for name in ["href", "action", "formaction"] {
                    let address = tag.get(name).filter(|address| !address.starts_with('#'));
                    addresses.extend(address.map(str::to_owned));
                }
            }
            // An address may hold another as its own `next`.
            let base = format!("{}{}", site.node.url, "/sign-in");
            for address in addresses {
                let inner = Url::parse(&base).and_then(|base| base.join(&address));
                let inner: Vec<String> = inner.map_or(Vec::new(), |address| {
                    let pairs = address.query_pairs();
                    pairs
                        .filter(|(name, _)| name == "next")
                        .map(|(_, to)| to.into_owned())
                        .collect()
                });
                // A page's address keeps what was asked for; the page itself judges it anew.
                let judged = answer.is_page();
                for address in [address]
                    .into_iter()
                    .chain(inner.into_iter().filter(|_| judged))
                {
                    if !stays(&base, &address) {
                        faults.push(format!("{name}, {to:?}: leads to {address:?}"));
                    }
                }
            }
        };
        for (path, cookie) in [
            ("/sign-in?next=", None),
            ("/sign-in?next=", Some(&site.owner)),
            ("/sign-in?tenant=", None),
            ("/sign-in?tenant=", Some(&site.owner)),
            ("/sign-in/second-factor?next=", None),
            ("/sign-in/second-factor?next=", Some(&site.owner)),
            ("/account/confirm?next=", Some(&site.owner)),
            ("/sign-in/oidc/none?next=", None),
            ("/sign-in/oidc/callback?state=x&next=", None),
            ("/sign-up?next=", None),
            ("/verify?next=", None),
            ("/app?next=", Some(&site.owner)),
        ] {
            let address = format!("{path}{encoded}");
            let answer = site.visit(&address, cookie.map(String::as_str)).await;
            look(path, &answer);
        }
        let form = [
            ("email", "owner@acme.example"),
            ("password", PASSWORD),
            ("next", to),
        ];
        let request = site.browser(Method::POST, "/account/confirm", Some(&site.owner));
        let confirmed = Answer::to(request.form(&form)).await;
        look("POST /account/confirm", &confirmed);
        let request = site.browser(Method::POST, "/sign-in/second-factor", None);
        look(
            "POST /sign-in/second-factor",
            &Answer::to(request.form(&form)).await,
        );
        let form = [
            ("email", "next@example.com"),
            ("password", "wrong"),
            ("next", to),
        ];
        if to.len() < 100 && to.starts_with("//") {
            let request = site.browser(Method::POST, "/sign-in", None);
            look("POST /sign-in", &Answer::to(request.form(&form)).await);
        }
        // Where a form came from is not where its end leads.
        if let Ok(referer) = header::HeaderValue::from_str(to) {
            let request = site.browser(Method::POST, "/sign-out", None);
            look(
                "POST /sign-out",
                &Answer::to(request.header(header::REFERER, referer)).await,
            );
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(followed > 100, "{followed}");
    for to in &HOSTILE[..3] {
        let form = [
            ("email", "next@example.com"),
            ("password", PASSWORD),
            ("next", *to),
        ];
        let answer = Answer::to(site.browser(Method::POST, "/sign-in", None).form(&form)).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert_eq!(answer.header("location"), "/app", "{to:?}");
    }
    site.node.stop().await;
}
