//! GitHub's REST API: the user, one repository and its issues (docs.github.com/en/rest: users,
//! repos, issues, using-the-rest-api/using-pagination-in-the-rest-api, and troubleshooting).
//! Answers name the API's own address, which clients are meant to follow.

use http::{Method, header};
use serde_json::{Value, json};

use super::desk::{Desk, now, settled};
use crate::{
    call::Answer,
    shape::{self, Field, Kind, Problem, optional, required},
};

static NEW_ISSUE: &[Field] = &[
    required(
        "title",
        Kind::Either(&[Kind::AnyText, Kind::Integer(0, i64::MAX)]),
    ),
    optional("body", Kind::AnyText),
    optional("assignees", Kind::List(&Kind::AnyText)),
    optional("labels", Kind::List(&Kind::AnyText)),
    optional("milestone", Kind::Integer(1, i64::MAX)),
];

static CHANGED_ISSUE: &[Field] = &[
    optional("title", Kind::AnyText),
    optional("body", Kind::AnyText),
    optional("state", Kind::Choice(&["open", "closed"])),
    optional(
        "state_reason",
        Kind::Choice(&["completed", "not_planned", "duplicate", "reopened"]),
    ),
    optional("assignees", Kind::List(&Kind::AnyText)),
    optional("labels", Kind::List(&Kind::AnyText)),
];

const LIST: &[&str] = &[
    "assignee",
    "creator",
    "direction",
    "labels",
    "mentioned",
    "milestone",
    "page",
    "per_page",
    "since",
    "sort",
    "state",
];

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    // "Requests with no User-Agent header will be rejected" (using-the-rest-api/getting-started).
    if desk.call.header(&header::USER_AGENT).is_none() {
        let text = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Some(Answer::bytes(403, "text/html", text.into()));
    }
    let own = desk.account.says("repository");
    let method = &desk.call.method;
    match desk.call.segments()[..] {
        ["user"] if method == Method::GET => settled(user(desk)),
        ["repos", owner, name, ..] if format!("{owner}/{name}") != own => Some(not_found()),
        ["repos", _, _] if method == Method::GET => settled(repository(desk)),
        ["repos", _, _, "issues"] if method == Method::GET => settled(issues(desk)),
        ["repos", _, _, "issues"] if method == Method::POST => settled(open(desk)),
        ["repos", _, _, "issues", number] if method == Method::GET => settled(issue(desk, number)),
        ["repos", _, _, "issues", number] if method == Method::PATCH => settled(edit(desk, number)),
        _ => None,
    }
}

fn not_found() -> Answer {
    Answer::json(
        404,
        &json!({
            "message": "Not Found",
            "documentation_url": "https://docs.github.com/rest",
            "status": "404",
        }),
    )
}

fn login<'a>(desk: &'a Desk<'_>) -> &'a str {
    let repository = desk.account.says("repository");
    repository
        .split_once('/')
        .map_or("octocat", |(owner, _)| owner)
}

fn person(desk: &Desk<'_>) -> Value {
    let (login, base) = (login(desk), desk.own_url());
    json!({
        "login": login,
        "id": 1,
        "node_id": "MDQ6VXNlcjE=",
        "url": format!("{base}/users/{login}"),
        "html_url": format!("https://github.com/{login}"),
        "repos_url": format!("{base}/users/{login}/repos"),
        "events_url": format!("{base}/users/{login}/events{{/privacy}}"),
        "type": "User",
        "site_admin": false,
    })
}

fn user(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let mut user = person(desk);
    user["name"] = json!("Sandbox");
    user["public_repos"] = json!(1);
    user["created_at"] = json!("2008-01-14T04:33:35Z");
    Ok(Answer::json(200, &user))
}

fn repository_url(desk: &Desk<'_>) -> String {
    format!(
        "{}/repos/{}",
        desk.own_url(),
        desk.account.says("repository")
    )
}

fn repository(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let full_name = desk.account.says("repository");
    let url = repository_url(desk);
    let name = full_name.split_once('/').map_or("", |(_, name)| name);
    Ok(Answer::json(
        200,
        &json!({
            "id": 1_296_269,
            "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5",
            "name": name,
            "full_name": full_name,
            "owner": person(desk),
            "private": true,
            // Users write addresses as well, and mean them.
            "description": format!("{url} is its address"),
            "homepage": url,
            "url": url,
            "html_url": format!("https://github.com/{full_name}"),
            "issues_url": format!("{url}/issues{{/number}}"),
            "default_branch": "main",
            "has_issues": true,
            "open_issues_count": desk.kept("issues").len(),
        }),
    ))
}

/// 422 as the troubleshooting page shows it.
fn invalid(violation: &shape::Violation) -> Answer {
    let code = match violation.problem {
        Problem::Missing => "missing_field",
        _ => "invalid",
    };
    Answer::json(
        422,
        &json!({
            "message": "Validation Failed",
            "errors": [{ "resource": "Issue", "code": code, "field": violation.path }],
            "documentation_url": "https://docs.github.com/rest/issues/issues",
            "status": "422",
        }),
    )
}

fn body(desk: &Desk<'_>, fields: &'static [Field]) -> Result<Value, Answer> {
    let problem = || {
        let body = json!({ "message": "Problems parsing JSON", "status": "400" });
        Answer::json(400, &body)
    };
    let body = desk.call.json().ok_or_else(problem)?;
    shape::check(&body, &Kind::Object(fields), "").map_err(|found| invalid(&found))?;
    Ok(body)
}

fn open(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let new = body(desk, NEW_ISSUE)?;
    if new["title"] == "" {
        return Err(invalid(&shape::Violation::new("title", Problem::Missing)));
    }
    let number = desk.kept("issues").len() + 1;
    let url = repository_url(desk);
    let full_name = desk.account.says("repository");
    let issue = json!({
        "id": 1000 + number,
        "number": number,
        "title": new["title"],
        "body": new["body"],
        "state": "open",
        "user": person(desk),
        "labels": [],
        "assignees": [],
        "comments": 0,
        "url": format!("{url}/issues/{number}"),
        "repository_url": url,
        "comments_url": format!("{url}/issues/{number}/comments"),
        "html_url": format!("https://github.com/{full_name}/issues/{number}"),
        "created_at": now(),
        "updated_at": now(),
    });
    desk.keep("issues", &issue);
    let at = issue["url"].as_str().unwrap_or_default();
    Ok(Answer::json(201, &issue).with(header::LOCATION, at))
}

/// Newest first, a page at a time; `Link` leads to the next.
fn issues(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(LIST)?;
    let refused = |field: &str| invalid(&shape::Violation::new(field, Problem::Unknown));
    let size = desk
        .number("per_page", 30, (1, 100))
        .ok_or_else(|| refused("per_page"))?;
    let page = desk
        .number("page", 1, (1, usize::MAX / 100))
        .ok_or_else(|| refused("page"))?;
    let state = desk.call.parameter("state").unwrap_or("open");
    let mut all = desk.kept("issues");
    all.retain(|issue| state == "all" || issue["state"] == state);
    all.reverse();
    let found: Vec<&Value> = all.iter().skip((page - 1) * size).take(size).collect();
    let answer = Answer::json(200, &json!(found));
    if page * size >= all.len() {
        return Ok(answer);
    }
    let url = repository_url(desk);
    let at = |page| format!("{url}/issues?state={state}&per_page={size}&page={page}");
    let last = all.len().div_ceil(size);
    let link = format!(
        "<{}>; rel=\"next\", <{}>; rel=\"last\"",
        at(page + 1),
        at(last)
    );
    Ok(answer.with(header::LINK, &link))
}

fn issue(desk: &Desk<'_>, number: &str) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let found = desk.find("issues", "number", number);
    found
        .map(|issue| Answer::json(200, &issue))
        .ok_or_else(not_found)
}

fn edit(desk: &Desk<'_>, number: &str) -> Result<Answer, Answer> {
    desk.parameters(&[])?;
    let changes = body(desk, CHANGED_ISSUE)?;
    let changed = desk.change("issues", "number", number, |issue| {
        for (name, value) in changes.as_object().into_iter().flatten() {
            issue[name] = value.clone();
        }
        issue["updated_at"] = json!(now());
    });
    changed
        .map(|issue| Answer::json(200, &issue))
        .ok_or_else(not_found)
}
