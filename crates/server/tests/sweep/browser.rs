//! A browser of the sweep: what it gets at an address, with somebody's cookie or none.

use reqwest::{Client, Method, header};

use crate::{common, routes::METHODS};

#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    url: String,
    cookie: Option<String>,
}

/// What a browser got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    /// Where it is sent; empty where it is sent nowhere.
    pub to: String,
    pub text: String,
}

impl Got {
    /// The permission that a refusal names.
    pub fn missing(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once("permission `")?;
        rest.split('`').next().filter(|name| name.contains(':'))
    }

    /// As it stands in a reviewed list: the status, and what was missing or where it led.
    pub fn line(&self) -> String {
        let detail = match self.status {
            403 => self.missing().unwrap_or("unnamed"),
            303 => self.to.split('?').next().unwrap_or_default(),
            _ => "",
        };
        format!("{} {detail}", self.status).trim_end().to_owned()
    }
}

impl Browser {
    pub fn new(url: &str, cookie: Option<String>) -> Self {
        Self {
            client: common::client(),
            url: url.to_owned(),
            cookie,
        }
    }

    /// The same browser at another address of the same server.
    pub fn at(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    pub async fn ask(&self, method: &str, path: &str) -> Got {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let takes_form = method == Method::POST;
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin");
        // So much of a form that handlers get to look at what the path names.
        if takes_form {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body("name=x");
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let answer = request.send().await.expect("the server answers");
        let to = answer.headers().get(header::LOCATION);
        let to = to.map_or("", |to| to.to_str().expect("text")).to_owned();
        Got {
            status: answer.status().as_u16(),
            to,
            text: answer.text().await.expect("the answer is whole"),
        }
    }
}

/// Every method that each of these paths takes.
pub async fn visits(
    browser: &Browser,
    paths: Vec<&String>,
    address: impl Fn(&str) -> String,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in paths {
        for method in METHODS {
            if browser.ask(method, &address(path)).await.status != 405 {
                found.push((method.to_owned(), path.clone()));
            }
        }
    }
    found
}
