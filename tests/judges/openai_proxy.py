#!/usr/bin/env python3
"""Judges the proxy with OpenAI's library. See proxy_judge.py.

The steps are those of openai_sdk.py, whose client validates strictly as well.
"""

import os
import sys

import openai
from openai import OpenAI

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for

os.environ.update(OPENAI_BASE_URL=PROXY, OPENAI_API_KEY=KEY)

import openai_sdk as steps  # noqa: E402, because it reads the environment


def client(KEY=KEY):
    return OpenAI(api_key=KEY, base_url=PROXY)


def patience():
    """429 of a `POST` waited out by the library"""
    limited("chat/completions")
    create = client().chat.completions.create
    ask = lambda: create(model=steps.MODEL, messages=steps.MESSAGES)
    found = waited_for("chat/completions", ask, [429, 200])
    check(bool(found.choices[0].message.content), "the answer is empty")


def errors():
    steps.errors()
    fault("models", kind="unauthorized")
    refused(openai.AuthenticationError, lambda: client().models.list())


errors.__doc__ = steps.errors.__doc__

STEPS = [
    steps.models,
    steps.completion,
    steps.content_parts,
    steps.stream,
    steps.tools,
    errors,
    patience,
]

if __name__ == "__main__":
    sys.exit(judge("openai", client, STEPS))
