#!/usr/bin/env python3
"""Judges the proxy with PyGithub. See proxy_judge.py.

GitHub has no official library for Python; PyGithub is the one that most people use. It follows the
addresses in GitHub's answers, and refuses those that do not lead to its base URL.
"""

import sys

import github
from github import Auth, Github, GithubException

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for

REPOSITORY = "acme/site"


def client(KEY=KEY):
    return Github(base_url=PROXY, auth=Auth.Token(KEY))


def identity():
    """the user"""
    user = client().get_user()
    check(user.login == "acme", f"the user is {user.login}")


def repository():
    """a repository"""
    found = client().get_repo(REPOSITORY)
    check(found.full_name == REPOSITORY, f"the repository is {found.full_name}")
    check(found.default_branch == "main", f"its branch is {found.default_branch}")
    check(found.owner.login == "acme", f"its owner is {found.owner.login}")
    check(found.url == f"{PROXY}/repos/{REPOSITORY}", f"its address is {found.url}")
    check(not found.homepage.startswith(PROXY), "what the user wrote was changed")
    check(not found.description.startswith(PROXY), "what the user wrote was changed")


def issues():
    """issues opened, changed and closed by the addresses in GitHub's answers"""
    repository = client().get_repo(REPOSITORY)
    issue = repository.create_issue(title="Grüße", body="Through the proxy")
    check(issue.number == 1 and issue.title == "Grüße", f"{issue.number} is {issue.title!r}")
    issue.edit(title="Regards", state="closed")
    again = repository.get_issue(1)
    check((again.title, again.state) == ("Regards", "closed"), f"it is {again}, {again.state}")


def pages():
    """lists by `Link`, the library turning the pages"""
    repository = client().get_repo(REPOSITORY)
    for number in range(2, 7):
        repository.create_issue(title=f"number {number}")
    found = Github(base_url=PROXY, auth=Auth.Token(KEY), per_page=2).get_repo(REPOSITORY)
    issues = found.get_issues(state="open")
    numbers = [issue.number for issue in issues]
    check(numbers == [6, 5, 4, 3, 2], f"the issues are {numbers}")


def errors():
    """`UnknownObjectException`, `BadCredentialsException`, `GithubException` with its fields"""
    refused(github.UnknownObjectException, lambda: client().get_repo("acme/nothing").id)
    repository = client().get_repo(REPOSITORY)
    error = refused(GithubException, lambda: repository.create_issue(title=""))
    check(error.status == 422, f"refused as {error.status}")
    check(error.data["errors"][0]["field"] == "title", f"refused for {error.data}")
    fault("user", kind="unauthorized")
    refused(github.BadCredentialsException, lambda: client().get_user().login)
    error = refused(GithubException, lambda: client("not-a-key").get_user().login)
    check(error.status == 401, f"a wrong key got {error.status}")


def patience():
    """403 with `Retry-After` waited out by `GithubRetry`"""
    repository = client().get_repo(REPOSITORY)
    limited("issues", code=403)
    path = f"repos/{REPOSITORY}/issues"
    issue = waited_for(path, lambda: repository.create_issue(title="again"), [403, 201])
    check(issue.title == "again", f"the issue is {issue.title!r}")


if __name__ == "__main__":
    steps = [identity, repository, issues, pages, errors, patience]
    sys.exit(judge("PyGithub", client, steps))
