//! What pages load: that all of it is there, how it is kept, and how much it is.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode, header},
};
use time::OffsetDateTime;
use tower::ServiceExt;
use ui::{Brand, Query, Theme, assets};

#[path = "../examples/gallery/sample.rs"]
#[allow(dead_code, reason = "this test renders one of the samples")]
mod sample;

/// What any page may run, and what pages run of which none runs two.
const COMMON: [&str; 3] = ["app.js", "palette.js", "chart.js"];
const APART: [&str; 2] = ["live.js", "passkey.js"];

async fn get(path: &str, known: Option<&str>) -> Response<Body> {
    let app: Router = assets::routes();
    let mut request = Request::get(path);
    if let Some(tag) = known {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let request = request.body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header_of(response: &Response<Body>, name: header::HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

fn console() -> String {
    let page = ui::gallery::page(&Query::new("/ui", ""), OffsetDateTime::UNIX_EPOCH);
    let shell = sample::shell(Theme::System, Brand::default());
    shell.render(&page, "n0nce").into_string()
}

#[tokio::test]
async fn every_address_that_a_page_loads_is_served_for_good() {
    let html = console();
    let addresses = regex_lite::Regex::new(r#"(?:src|href)="(/assets/[^"]+)""#).unwrap();
    let mut paths: Vec<String> = addresses
        .captures_iter(&html)
        .map(|found| found[1].to_owned())
        .collect();
    assert_eq!(paths.len(), 3, "style sheet, icon and module: {paths:?}");
    // Those that the first module imports when they are needed.
    let app = text(get(&assets::url("app.js"), None).await).await;
    let imports = regex_lite::Regex::new(r#"import\("\./([a-z.]+)"\)"#).unwrap();
    paths.extend(
        imports
            .captures_iter(&app)
            .map(|found| assets::url(&found[1])),
    );
    assert_eq!(paths.len(), 6, "{paths:?}");
    for path in paths {
        let response = get(&path, None).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let caching = header_of(&response, header::CACHE_CONTROL);
        assert!(caching.contains("immutable"), "{path}: {caching}");
        let kind = match path.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(header_of(&response, header::CONTENT_TYPE), kind, "{path}");
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let path = assets::url("ui.css");
    let tag = header_of(&get(&path, None).await, header::ETAG).to_owned();
    for known in [tag.clone(), format!("\"old\", W/{tag}"), "*".to_owned()] {
        let response = get(&path, Some(&known)).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(text(response).await, "");
    }
    let response = get(&path, Some("\"old\"")).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn another_version_gets_what_there_is_but_does_not_keep_it() {
    let response = get("/assets/0000000000000000/ui.css", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
    let response = get("/assets/0000000000000000/other.css", None).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

/// Counts everything that a page with charts, an opened palette and either passkeys or a part that waits
/// runs, without compression.
#[tokio::test]
async fn scripts_of_a_page_stay_below_15_kilobytes() {
    let size = async |name| text(get(&assets::url(name), None).await).await.len();
    let (mut common, mut largest) = (0, 0);
    for name in COMMON {
        common += size(name).await;
    }
    for name in APART {
        largest = largest.max(size(name).await);
    }
    let html = console();
    let inline = regex_lite::Regex::new(r"(?s)<script nonce=[^>]*>(.*?)</script>").unwrap();
    let inline: usize = inline
        .captures_iter(&html)
        .map(|found| found[1].len())
        .sum();
    assert!(inline > 0, "the early script is inline");
    let all = common + largest + inline;
    assert!(all < 15_000, "{all} bytes");
}
