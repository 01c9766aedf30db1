#!/usr/bin/env python3
"""Judges the proxy with SendGrid's library. See proxy_judge.py."""

import sys

from python_http_client.exceptions import (
    BadRequestsError,
    TooManyRequestsError,
    UnauthorizedError,
)
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import Mail

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused


def client(KEY=KEY):
    return SendGridAPIClient(KEY, host=PROXY)


def mail(text="Through the proxy"):
    return Mail("hello@acme.example", "ana@example.com", "Grüße", plain_text_content=text)


def scopes():
    """the key's scopes"""
    found = client().client.scopes.get().to_dict
    check("mail.send" in found["scopes"], f"found {found}")


def sending():
    """mail sent"""
    sent = client().send(mail())
    check(sent.status_code == 202, f"answered {sent.status_code}")
    check(bool(sent.headers["X-Message-Id"]), "the message has no id")


def errors():
    """`BadRequestsError`, `UnauthorizedError`"""
    lacking = mail().get()
    del lacking["from"]
    error = refused(BadRequestsError, lambda: client().client.mail.send.post(lacking))
    check(error.to_dict["errors"][0]["field"] == "from", f"refused for {error.body}")
    fault("mail/send", kind="unauthorized")
    refused(UnauthorizedError, lambda: client().send(mail()))
    refused(UnauthorizedError, lambda: client("not-a-key").send(mail()))


def impatience():
    """`TooManyRequestsError` with its `Retry-After`, as the library waits for nothing"""
    limited("mail/send")
    error = refused(TooManyRequestsError, lambda: client().send(mail()))
    wait = error.headers["Retry-After"]
    check(wait == "1", f"Retry-After is {wait}")


if __name__ == "__main__":
    sys.exit(judge("sendgrid", client, [scopes, sending, errors, impatience]))
