//! Line ends, NUL and what is not UTF-8 in every place that a request has: never a header more, and
//! never a fault of ours.

use http::{Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use server::http::openapi;

use crate::{
    html::{Tag, tags},
    objects,
    routes::{documented, filled},
    site::{Answer, Site},
};

const INJECTED: &str = "x-injected";

/// In texts: line ends with a header after them, NUL, and letters that no header's value holds.
const TEXTS: [&str; 3] = [
    "a\r\nX-Injected: yes\r\n\r\n<p>",
    "a\0b",
    "gr\u{fc}n \u{202e}\u{1f600}",
];

/// In addresses: the same, and bytes that are no UTF-8.
fn in_addresses() -> Vec<String> {
    let encoded = |text: &&str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut all: Vec<String> = TEXTS.iter().map(encoded).collect();
    all.extend(["%ff%fe", "%00", "%E2%80%A8", "..%2f..%2fetc", "%252e%250a"].map(str::to_owned));
    all
}

/// What is wrong with an answer to something hostile.
fn fault(answer: &Answer) -> Option<String> {
    let injected = answer.headers.contains_key(INJECTED)
        || answer
            .set_cookies()
            .iter()
            .any(|set| set.to_ascii_lowercase().contains("injected:"));
    (injected || answer.status.is_server_error())
        .then(|| format!("{} {}", answer.status, answer.code()))
}

fn names(path: &str) -> Vec<&str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_name_things_or_nothing() {
    let site = Site::new().await;
    let mut faults = Vec::new();
    let api: Vec<(Method, String)> = documented()
        .into_iter()
        .map(|known| (known.method.parse().expect("a method"), known.path))
        .collect();
    let pages = site.paths().into_iter();
    let pages = pages.flat_map(|path| [(Method::GET, path.clone()), (Method::POST, path)]);
    for (method, path) in pages.chain(api) {
        for hostile in names(&path) {
            for value in in_addresses() {
                // Everything else in the path is there.
                let address = filled(&path, |name| {
                    match name.trim_start_matches('*') == hostile {
                        true => value.clone(),
                        false => site.address(&format!("{{{name}}}")),
                    }
                });
                let cookie = match path.starts_with("/admin") {
                    true => &site.administrator,
                    false => &site.owner,
                };
                let mut request = site.browser(method.clone(), &address, Some(cookie));
                if path.starts_with("/v1/") {
                    request = request.bearer_auth(site.key.expose());
                }
                let answer = Answer::to(request).await;
                let clear = answer.status.is_client_error() || answer.status.is_redirection();
                if let Some(fault) = fault(&answer) {
                    faults.push(format!("{method} {address}: {fault}"));
                } else if !clear {
                    faults.push(format!("{method} {address}: {}", answer.status));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    site.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_read_or_refused() {
    const OF_PAGES: [&str; 15] = [
        "q", "status", "sort", "cursor", "next", "tenant", "show", "action", "actor", "state",
        "from", "until", "recovery", "token", "a%0db",
    ];
    const VALUES: [&str; 3] = ["%00", "a%0d%0aX-Injected:%20yes", "%ff"];
    let site = Site::new().await;
    let mut faults = Vec::new();
    for path in site.paths() {
        let address = site.address(&path);
        let cookie = match path.split('/').nth(1) {
            Some("admin") => Some(&*site.administrator),
            Some("app" | "account") => Some(&*site.owner),
            _ => None,
        };
        if site.visit(&address, cookie).await.status == 405 {
            continue;
        }
        for value in VALUES {
            // One by one where a list may be sought through: a name that is refused hides the rest.
            let mut queries = vec![OF_PAGES.map(|name| format!("{name}={value}")).join("&")];
            if names(&path).iter().all(|name| *name == "tenant") && value == "%00" {
                queries.extend(OF_PAGES.iter().map(|name| format!("{name}={value}")));
            }
            for query in queries {
                let answer = site.visit(&format!("{address}?{query}"), cookie).await;
                if let Some(fault) = fault(&answer) {
                    faults.push(format!("{path}?{query}: {fault}"));
                }
            }
        }
    }
    let document = serde_json::to_value(openapi()).expect("the document is JSON");
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            let name = parameter["name"].as_str().expect("a name");
            let token = match path.starts_with("/admin/") {
                true => crate::common::OPERATOR_TOKEN,
                false => site.key.expose(),
            };
            for value in VALUES {
                let address = format!("{}?{name}={value}", site.address(path));
                let request = site.request(Method::GET, &address).bearer_auth(token);
                if let Some(fault) = fault(&Answer::to(request).await) {
                    faults.push(format!("{address}: {fault}"));
                }
                asked += 1;
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(asked > 50, "{asked}");
    site.node.stop().await;
}

/// A form of a page: where it goes, and what it holds.
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

fn forms(page: &[Tag]) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    let mut is_open = false;
    for tag in page {
        if tag.name == "form" {
            let is_file = tag.get("enctype").is_some();
            is_open = tag.get("method") == Some("post") && !is_file;
            let action = tag.get("action").unwrap_or_default().to_owned();
            if is_open {
                found.push(Form {
                    action,
                    fields: Vec::new(),
                });
            }
        }
        if let (true, Some(name), Some(form)) = (is_open, tag.get("name"), found.last_mut())
            && matches!(tag.name.as_str(), "input" | "select" | "textarea")
        {
            let value = tag.get("value").unwrap_or("x").to_owned();
            form.fields.push((name.to_owned(), value));
        }
    }
    found.retain(|form| !form.fields.is_empty());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_forms_are_taken_or_refused() {
    let site = Site::new().await;
    let (mut faults, mut sent, mut known) = (Vec::new(), 0, Vec::new());
    let roots = ["/app", "/account", "/sign-", "/forgot", "/verify", "/admin"];
    for root in roots {
        let cookie = match root {
            "/admin" => Some(&*site.administrator),
            "/app" | "/account" => Some(&*site.owner),
            _ => None,
        };
        for path in site.paths().iter().filter(|path| path.starts_with(root)) {
            let page = site.visit(&site.address(path), cookie).await;
            for form in forms(&tags(&page.text)) {
                let names: Vec<_> = form.fields.iter().map(|(name, _)| name.clone()).collect();
                let form_name = format!("{} {names:?}", form.action);
                if known.contains(&form_name) {
                    continue;
                }
                known.push(form_name);
                for field in 0..form.fields.len() {
                    for text in TEXTS {
                        let mut fields = form.fields.clone();
                        fields[field].1 = text.to_owned();
                        let request = site.browser(Method::POST, &form.action, cookie);
                        let answer = Answer::to(request.form(&fields)).await;
                        if let Some(fault) = fault(&answer) {
                            let name = &fields[field].0;
                            faults.push(format!("{} {name}={text:?}: {fault}", form.action));
                        }
                        sent += 1;
                    }
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(known.len() > 20 && sent > 150, "{sent} of {known:?}");
    site.node.abandon().await;
}

/// Every body that has one text of another body replaced.
fn with_hostile_texts(body: &Value, text: &str) -> Vec<Value> {
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(at.to_owned()),
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    places(item, &format!("{at}/{n}"), found);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    places(field, &format!("{at}/{name}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    places(body, "", &mut found);
    let replaced = |place: &String| {
        let mut body = body.clone();
        *body.pointer_mut(place).expect("was found there") = text.into();
        body
    };
    found.iter().map(replaced).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_the_api_are_taken_or_refused() {
    let site = Site::new().await;
    let (mut faults, mut sent) = (Vec::new(), 0);
    let tenants = documented()
        .into_iter()
        .filter(|known| known.plane == crate::routes::Plane::Tenant);
    for operation in tenants {
        let Some(body) = objects::body(&operation) else {
            continue;
        };
        for text in TEXTS {
            for body in with_hostile_texts(&body, text) {
                let method = operation.method.parse().expect("a method");
                let request = site
                    .request(method, &site.address(&operation.path))
                    .bearer_auth(site.key.expose())
                    .json(&body);
                sent += 1;
                if let Some(fault) = fault(&Answer::to(request).await) {
                    faults.push(format!("{} {body}: {fault}", operation.name()));
                }
            }
        }
    }
    // Doors, where anybody may send anything.
    for (path, field) in [
        ("/v1/auth/sign-in", "email"),
        ("/v1/auth/sign-in", "password"),
        ("/v1/auth/sign-up", "email"),
        ("/v1/auth/reset", "email"),
        ("/v1/auth/verify", "token"),
        ("/v1/auth/token", "tenant"),
        ("/v1/api-keys/leaks", "key"),
    ] {
        for text in TEXTS {
            let mut body = serde_json::json!({ "email": "a@example.com", "password": "x" });
            body[field] = text.into();
            let request = site.request(Method::POST, path).json(&body);
            sent += 1;
            if let Some(fault) = fault(&Answer::to(request).await) {
                faults.push(format!("{path} {field}={text:?}: {fault}"));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert!(sent > 120, "{sent}");
    site.node.abandon().await;
}

/// What ends in a header: the file's name of an export, the picture's type, the message's cookie.
#[tokio::test(flavor = "multi_thread")]
async fn headers_are_made_of_known_words() {
    let site = Site::new().await;
    let export = site
        .visit("/app/acme/audit/export", Some(&site.owner))
        .await;
    assert_eq!(export.status, 200);
    assert_eq!(
        export.header("content-disposition"),
        "attachment; filename=\"audit.jsonl\""
    );
    let name = "M\u{fc}ller\"; Path=/evil, \u{1f600}";
    let mut form = vec![
        ("slug", "mueller"),
        ("plan", ""),
        ("weight", "1"),
        ("owner", ""),
    ];
    form.push(("name", name));
    let cookie = Some(&*site.administrator);
    let request = site.browser(Method::POST, "/admin/tenants/new", cookie);
    let answer = Answer::to(request.form(&form)).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    assert_eq!(answer.header("location"), "/admin/tenants/mueller");
    let [flash] = answer.set_cookies()[..] else {
        panic!("one message: {:?}", answer.set_cookies());
    };
    let value = flash
        .split(';')
        .next()
        .and_then(|pair| pair.split_once('='));
    let (_, value) = value.expect("a pair");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".%".contains(&byte);
    assert!(value.bytes().all(plain), "{value}");
    // One that a browser sends back broken is shown as text, or not at all.
    for broken in [
        "success.%0d%0aX-Injected:%20yes",
        "success.%ff",
        "nonsense",
        "success.%00",
    ] {
        let cookie = format!("{}; freehold_flash={broken}", site.owner);
        let request = site
            .request(Method::GET, "/account")
            .header(header::COOKIE, cookie);
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{broken}");
        assert_eq!(fault(&answer), None, "{broken}");
    }
    site.node.stop().await;
}
