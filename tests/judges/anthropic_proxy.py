#!/usr/bin/env python3
"""Judges the proxy with Anthropic's library. See proxy_judge.py."""

import sys

import anthropic
from anthropic import Anthropic
from anthropic.types import Message

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for

MODEL = "claude-sandbox"
ANSWER = "We are open from nine to five."
ASKED = {
    "model": MODEL,
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "When are you open?"}],
}


def client(KEY=KEY):
    return Anthropic(api_key=KEY, base_url=PROXY)


def models():
    """models listed"""
    found = [model.id for model in client().models.list()]
    check(found == [MODEL], f"the models are {found}")


def messages():
    """messages"""
    found = client().messages.create(**ASKED)
    check(isinstance(found, Message), f"a {type(found)}")
    check(found.content[0].text == ANSWER, f"the answer is {found.content}")
    check(found.usage.output_tokens > 0, "tokens are not counted")


def streams():
    """messages streamed"""
    with client().messages.stream(**ASKED) as stream:
        pieces = list(stream.text_stream)
        whole = stream.get_final_message()
    check(len(pieces) > 3 and "".join(pieces) == ANSWER, f"the pieces are {pieces}")
    check(whole.stop_reason == "end_turn", f"it ended by {whole.stop_reason}")


def versions():
    """the API's older version, asked for by header"""
    older = {"anthropic-version": "2023-06-01"}
    cool = {**ASKED, "extra_body": {"temperature": 0.2}, "extra_headers": older}
    found = client().messages.create(**cool)
    check(found.content[0].text == ANSWER, f"the answer is {found.content}")


def errors():
    """`NotFoundError`, `BadRequestError`, `AuthenticationError`"""
    unknown = {**ASKED, "model": "nothing"}
    error = refused(anthropic.NotFoundError, lambda: client().messages.create(**unknown))
    check(error.body["error"]["type"] == "not_found_error", f"refused as {error.body}")
    cool = {**ASKED, "extra_body": {"temperature": 0.2}}
    refused(anthropic.BadRequestError, lambda: client().messages.create(**cool))
    fault("models", kind="unauthorized")
    refused(anthropic.AuthenticationError, lambda: client().models.list())
    refused(anthropic.AuthenticationError, lambda: client("not-a-key").models.list())


def patience():
    """429 of a `POST` waited out by the library"""
    limited("messages")
    ask = lambda: client().messages.create(**ASKED)
    found = waited_for("v1/messages", ask, [429, 200])
    check(found.content[0].text == ANSWER, f"the answer is {found.content}")


if __name__ == "__main__":
    sys.exit(judge("anthropic", client, [models, messages, streams, versions, errors, patience]))
