//! Bodies go through as they come, in both directions, and are never held as a whole. Proved by who
//! waits for whom, not by clocks: each test would stand still if anything were held back.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use futures_util::{Stream, StreamExt, stream};
use http::Method;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::{
    common::{DEADLINE, TestNode},
    provider::{PROXY, node, request, serve},
};

type Chunk = Result<Bytes, Infallible>;

fn each(chunks: mpsc::Receiver<Chunk>) -> impl Stream<Item = Chunk> + Send + 'static {
    stream::unfold(chunks, |mut chunks| async move {
        Some((chunks.recv().await?, chunks))
    })
}

fn streamed(chunks: mpsc::Receiver<Chunk>) -> Body {
    Body::from_stream(each(chunks))
}

async fn in_time<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(DEADLINE, what).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_events_first_chunk_arrives_before_the_last_is_sent() {
    let (send, chunks) = mpsc::channel(1);
    let chunks = std::sync::Arc::new(std::sync::Mutex::new(Some(chunks)));
    let router = Router::new().fallback(async move |_: Request| {
        let chunks = chunks.lock().expect("not poisoned").take();
        let mut answer = Response::new(streamed(chunks.expect("one request")));
        let events = http::HeaderValue::from_static("text/event-stream");
        answer.headers_mut().insert("content-type", events);
        answer
    });
    let address = serve(router).await;
    let (node, _, key) = node(&format!("http://{address}")).await;
    let path = format!("{PROXY}/chat/completions");
    let asked = request(&node, Method::POST, &path, &key).json(&json!({ "stream": true }));
    let mut answer = in_time(asked.send()).await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for number in 0..5 {
        // What was sent is seen before the next is.
        let event = format!("data: {number}\n\n");
        send.send(Ok(event.clone().into())).await.expect("is sent");
        let mut seen = String::new();
        while seen.len() < event.len() {
            let chunk = in_time(answer.chunk()).await.expect("is read");
            seen += std::str::from_utf8(&chunk.expect("not the end")).expect("text");
        }
        assert_eq!(seen, event);
    }
    drop(send);
    assert_eq!(in_time(answer.chunk()).await.expect("is read"), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_go_through_while_the_last_is_still_to_come() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 800;
    // Begins its answer with the first bytes of the request, and ends it with their number.
    let router = Router::new().fallback(async |request: Request| {
        let (send, chunks) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut body = request.into_body().into_data_stream();
            let mut count = 0;
            while let Some(Ok(chunk)) = body.next().await {
                if count == 0 {
                    send.send(Ok(Bytes::from_static(b"begun "))).await.ok();
                }
                count += chunk.len();
            }
            send.send(Ok(count.to_string().into())).await.ok();
        });
        Response::new(streamed(chunks))
    });
    let address = serve(router).await;
    let (node, _, key) = node(&format!("http://{address}")).await;
    let (go_on, begun) = oneshot::channel::<()>();
    // Of a channel for one chunk, so that no more is made than is taken.
    let (send, chunks) = mpsc::channel::<Chunk>(1);
    tokio::spawn(async move {
        for _ in 1..CHUNKS {
            if send.send(Ok(vec![b'x'; CHUNK].into())).await.is_err() {
                return;
            }
        }
        if begun.await.is_ok() {
            send.send(Ok(vec![b'y'; CHUNK].into())).await.ok();
        }
    });
    let upload = request(&node, Method::POST, &format!("{PROXY}/files"), &key)
        .header("content-length", CHUNK * CHUNKS)
        .body(reqwest::Body::wrap_stream(each(chunks)));
    let mut answer = in_time(upload.send()).await.expect("an answer");
    let first = in_time(answer.chunk()).await.expect("is read");
    assert_eq!(first.as_deref(), Some(&b"begun "[..]));
    go_on.send(()).expect("the last chunk is still to come");
    let rest = in_time(answer.text()).await.expect("is read");
    assert_eq!(rest, (CHUNK * CHUNKS).to_string());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_ends_the_providers_work() {
    let (send, chunks) = mpsc::channel(1);
    let chunks = std::sync::Arc::new(std::sync::Mutex::new(Some(chunks)));
    let router = Router::new().fallback(async move |_: Request| {
        let chunks = chunks.lock().expect("not poisoned").take();
        Response::new(streamed(chunks.expect("one request")))
    });
    let address = serve(router).await;
    let (node, _, key) = node(&format!("http://{address}")).await;
    let asked = request(&node, Method::GET, &format!("{PROXY}/endless"), &key);
    send.send(Ok(Bytes::from_static(b"x")))
        .await
        .expect("is sent");
    let mut answer = in_time(asked.send()).await.expect("an answer");
    in_time(answer.chunk()).await.expect("is read");
    drop(answer);
    // The channel closes when the provider's answer is dropped.
    let sends = async {
        while send.send(Ok(vec![b'x'; 1 << 16].into())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    in_time(sends).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandboxs_completions_stream_through() {
    let node = TestNode::start().await;
    node.tenant("acme").await;
    let key = node.api_key("acme", &["proxy:use"]).await;
    let asked = request(
        &node,
        Method::POST,
        &format!("{PROXY}/chat/completions"),
        &key,
    );
    let answer = asked
        .json(&json!({ "model": "gpt-4o-mini", "stream": true,
            "messages": [{ "role": "user", "content": "Are you open?" }] }))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("is whole");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.matches("data: {").count() > 3, "{text}");
    node.stop().await;
}
