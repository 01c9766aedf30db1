//! Requests that are too large, too deep or too many-headed: refused clearly, and survived.

use http::{Method, header};
use kernel::extract::{BODY_LIMIT, FORM_LIMIT};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::site::{Answer, Site};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread")]
async fn forms_are_small() {
    let site = Site::new().await;
    let filler = |length: usize| format!("name={}", "x".repeat(length - "name=".len()));
    let send = async |path: &str, cookie: Option<&str>, kind: &str, body: String| {
        let request = site.browser(Method::POST, path, cookie);
        Answer::to(request.header(header::CONTENT_TYPE, kind).body(body)).await
    };
    let (owner, administrator) = (Some(&*site.owner), Some(&*site.administrator));
    for (path, cookie) in [
        ("/sign-in", None),
        ("/forgot", None),
        ("/account/name", owner),
        ("/app/acme/roles", owner),
        ("/admin/tenants/new", administrator),
    ] {
        let answer = send(path, cookie, FORM, filler(FORM_LIMIT + 1)).await;
        assert_eq!(answer.status, 413, "{path}");
        assert!(
            answer.is_page() && answer.text.contains("body_too_large"),
            "{path}"
        );
        assert!(
            answer.text.contains(&format!("{FORM_LIMIT} bytes")),
            "{path}"
        );
        let answer = send(path, cookie, FORM, filler(FORM_LIMIT)).await;
        assert_ne!(answer.status, 413, "{path}");
    }
    // To a program as to browsers.
    let request = site.request(Method::POST, "/sign-in");
    let request = request.header(header::CONTENT_TYPE, FORM);
    let answer = Answer::to(request.body(filler(FORM_LIMIT + 1))).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (413, "body_too_large")
    );

    // The form with a picture takes a larger one, and has an end as well.
    let upload = |length: usize| {
        format!(
            "--end\r\ncontent-disposition: form-data; name=\"logo\"; filename=\"x.png\"\r\n\r\n{}\r\n--end--\r\n",
            "x".repeat(length)
        )
    };
    let kind = "multipart/form-data; boundary=end";
    let answer = send("/app/acme/branding", owner, kind, upload(2 * FORM_LIMIT)).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    let answer = send("/app/acme/branding", owner, kind, upload(BODY_LIMIT)).await;
    assert_eq!(answer.status, 413, "{}", answer.text);

    let mut full = 0;
    // Every form, those of staff last: one of theirs, which has no field, disables the owner.
    let mut paths = site.paths();
    paths.sort_by_key(|path| path.starts_with("/admin"));
    for path in paths {
        let cookie = match path.starts_with("/admin") {
            true => administrator,
            false => owner,
        };
        if path.starts_with("/hooks/") || path.ends_with("/sign-out") {
            continue;
        }
        let request = site
            .browser(Method::POST, &site.address(&path), cookie)
            .header(header::CONTENT_TYPE, FORM)
            .body(filler(FORM_LIMIT + 1));
        let Some(answer) = Answer::attempt(request).await else {
            continue;
        };
        full += usize::from(answer.status == 413);
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.text);
        assert_ne!(answer.status, 200, "{path} takes what is too large");
    }
    assert!(full > 25, "{full} forms are refused");
    site.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_long_json_is_refused() {
    let site = Site::new().await;
    let send = async |method: Method, path: &str, body: String| {
        let request = site.request(method, path).bearer_auth(site.key.expose());
        Answer::to(request.header(header::CONTENT_TYPE, JSON).body(body)).await
    };
    let depth = 100_000;
    let deep = [
        format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        format!("{}0{}", r#"{"a":"#.repeat(depth), "}".repeat(depth)),
        "[".repeat(depth),
        format!(r#"{{"name":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)),
        format!("[{}0]", "0,".repeat(depth)),
        format!(r#"{{"name":"{}","model":"x"}}"#, "x".repeat(BODY_LIMIT / 2)),
        format!("1{}", "0".repeat(depth)),
        "\"\\ud800\"".to_owned(),
    ];
    for body in deep {
        for (method, path) in [
            (Method::POST, "/v1/agents"),
            (Method::PUT, "/v1/config"),
            (Method::POST, "/v1/messages"),
            (Method::POST, "/v1/auth/sign-in"),
        ] {
            let answer = send(method.clone(), path, body.clone()).await;
            let start = &body[..body.len().min(20)];
            assert_eq!(
                answer.status, 422,
                "{method} {path} {start}: {}",
                answer.text
            );
            assert_eq!(answer.code(), "invalid_request", "{method} {path} {start}");
        }
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(BODY_LIMIT));
    let answer = send(Method::POST, "/v1/agents", large).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.code()),
        (413, "body_too_large")
    );
    site.node.stop().await;
}

/// Sends bytes, and reads the status line of what comes back, if anything does.
async fn raw(site: &Site, request: &[u8]) -> String {
    let address = site.node.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the server listens");
    // The server may have answered and closed before everything is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    text.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_an_end() {
    let site = Site::new().await;
    let head = |lines: &str| {
        format!("GET /sign-in HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n")
    };
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let cookies = format!("cookie: {}\r\n", "freehold_session=x; ".repeat(400));
    let long = format!("cookie: {}\r\n", "x".repeat(2 * 1024 * 1024));
    for (what, request, expected) in [
        ("many headers", head(&many), &["431"][..]),
        ("many cookies", head(&cookies), &["200"]),
        ("a long header", head(&long), &["431", ""]),
        ("a header without a name", head(": x\r\n"), &["400"]),
        ("a folded header", head("x: y\r\n z\r\n"), &["400", "200"]),
        (
            "two lengths",
            head("content-length: 1\r\ncontent-length: 2\r\n"),
            &["400"],
        ),
        (
            "a length and chunks",
            head("content-length: 1\r\ntransfer-encoding: chunked\r\n"),
            &["400", "200"],
        ),
        (
            "a long path",
            format!(
                "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
                "x".repeat(70_000)
            ),
            &["414", "404"],
        ),
    ] {
        let line = raw(&site, request.as_bytes()).await;
        let status = line.split(' ').nth(1).unwrap_or_default();
        assert!(expected.contains(&status), "{what}: {line:?}");
        let answer = site.visit("/account", Some(&site.owner)).await;
        assert_eq!(answer.status, 200, "after {what}");
    }
    // A body whose length is not said beforehand is counted as it comes.
    let chunk = format!("{:x}\r\n{}\r\n", 40_000, "x".repeat(40_000));
    let chunked = format!(
        "POST /sign-in HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {FORM}\r\n\
         transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(2)
    );
    let line = raw(&site, chunked.as_bytes()).await;
    assert!(line.starts_with("HTTP/1.1 413"), "{line:?}");
    site.node.stop().await;
}
