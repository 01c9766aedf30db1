//! The style sheet and the scripts: part of the binary, served under addresses that change with
//! their content, so that browsers keep them for good.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    extract::Path,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
    routing::get,
};

const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JS: &str = "text/javascript; charset=utf-8";

/// A file that pages load.
#[derive(Clone, Copy, Debug)]
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
}

const ASSETS: [Asset; 7] = [
    Asset {
        name: "ui.css",
        kind: CSS,
        content: concat!(
            include_str!("../assets/tokens.css"),
            include_str!("../assets/base.css"),
            include_str!("../assets/shell.css"),
            include_str!("../assets/controls.css"),
            include_str!("../assets/content.css"),
            include_str!("../assets/charts.css"),
        ),
    },
    Asset {
        name: "app.js",
        kind: JS,
        content: include_str!("../assets/app.js"),
    },
    Asset {
        name: "palette.js",
        kind: JS,
        content: include_str!("../assets/palette.js"),
    },
    Asset {
        name: "chart.js",
        kind: JS,
        content: include_str!("../assets/chart.js"),
    },
    Asset {
        name: "live.js",
        kind: JS,
        content: include_str!("../assets/live.js"),
    },
    Asset {
        name: "passkey.js",
        kind: JS,
        content: include_str!("../assets/passkey.js"),
    },
    Asset {
        name: "icon.svg",
        kind: SVG,
        content: include_str!("../assets/icon.svg"),
    },
];

/// Runs before the first paint, inlined with the page's nonce: a theme that arrives later flashes.
pub(crate) const EARLY_SCRIPT: &str = include_str!("../assets/early.js");

/// One version for all files, so that modules import each other by relative addresses.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: String = ASSETS.iter().map(|asset| asset.content).collect();
    hex::encode(&digest(&SHA256, all.as_bytes()).as_ref()[..8])
});

/// The address of the file with this name. The names are `ui.css`, `app.js`, `palette.js`,
/// `chart.js`, `live.js`, `passkey.js` and `icon.svg`.
pub fn url(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Serves `/assets/{version}/{name}`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{version}/{name}", get(serve))
}

async fn serve(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // While nodes of two versions run side by side, a page of one may ask the other for its files. It
    // gets what there is, and asks again next time.
    let caching = if version == *VERSION {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let tag = format!("\"{}-{name}\"", *VERSION);
    let common = [(ETAG, tag.clone()), (CACHE_CONTROL, caching.to_owned())];
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| {
        tags.split(',')
            .map(|known| known.trim().trim_start_matches("W/"))
            .any(|known| known == tag || known == "*")
    });
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, asset.kind)], asset.content).into_response()
}
