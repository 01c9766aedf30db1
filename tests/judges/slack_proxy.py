#!/usr/bin/env python3
"""Judges the proxy with slack_sdk. See proxy_judge.py."""

import sys

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.web import SlackResponse

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for


def client(KEY=KEY):
    return WebClient(token=KEY, base_url=PROXY + "/")


def identity():
    """`auth.test`"""
    found = client().auth_test()
    check(isinstance(found, SlackResponse), f"a {type(found)}")
    check(found["team_id"] == "T0ACME01", f"the workspace is {found['team_id']}")


def messages():
    """`chat.postMessage`"""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*Grüße*"}}]
    sent = client().chat_postMessage(channel="C00000003", text="Grüße", blocks=blocks)
    check(sent["message"]["text"] == "Grüße", f"the text is {sent['message']['text']!r}")
    check(sent["channel"] == "C00000003", f"the channel is {sent['channel']}")


def pages():
    """`conversations.list` by cursor, the library turning the pages"""
    pages = [page["channels"] for page in client().conversations_list(limit=2)]
    names = [[channel["name"] for channel in page] for page in pages]
    check(names == [["general", "random"], ["support"]], f"the pages are {names}")


def errors():
    """errors as `SlackApiError`"""
    for call, error in [
        (lambda: client().chat_postMessage(channel="C0NOBODY", text="x"), "channel_not_found"),
        (lambda: client().conversations_list(cursor="nowhere"), "invalid_cursor"),
    ]:
        found = refused(SlackApiError, call).response["error"]
        check(found == error, f"refused as {found}")
    fault("auth.test", kind="unauthorized")
    found = refused(SlackApiError, client().auth_test).response
    check(found["error"] == "invalid_auth", f"refused as {found['error']}")
    found = refused(SlackApiError, client("not-a-key").auth_test).response
    check(found.status_code == 401, f"a wrong key got {found.status_code}")


def patience():
    """429 waited out by `RateLimitErrorRetryHandler`"""
    slack = client()
    slack.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    limited("chat.postMessage")
    send = lambda: slack.chat_postMessage(channel="C00000001", text="again")
    sent = waited_for("chat.postMessage", send, [429, 200])
    check(sent["message"]["text"] == "again", f"the text is {sent['message']['text']!r}")


if __name__ == "__main__":
    sys.exit(judge("slack_sdk", client, [identity, messages, pages, errors, patience]))
