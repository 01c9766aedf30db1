#!/usr/bin/env python3
"""Judges the proxy with Resend's library. See proxy_judge.py."""

import sys

import resend
from resend.exceptions import MissingRequiredFieldsError, InvalidApiKeyError, ResendError

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for


def client(KEY=KEY):
    resend.api_url, resend.api_key = PROXY, KEY


def mail(subject="Grüße"):
    return {
        "from": "Acme <hello@acme.example>",
        "to": ["ana@example.com"],
        "subject": subject,
        "text": "Through the proxy",
    }


def emails():
    """mail sent and read"""
    client()
    sent = resend.Emails.send(mail())
    found = resend.Emails.get(sent["id"])
    check(found["subject"] == "Grüße", f"the subject is {found['subject']!r}")
    check(found["to"] == ["ana@example.com"], f"it goes to {found['to']}")


def idempotency():
    """idempotency keys"""
    client()
    options = {"idempotency_key": "welcome/17"}
    first = resend.Emails.send(mail("Once"), options)
    second = resend.Emails.send(mail("Once"), options)
    check(first["id"] == second["id"], "the mail was sent twice")


def errors():
    """`MissingRequiredFieldsError`, `InvalidApiKeyError`, `ResendError`"""
    client()
    lacking = {key: value for key, value in mail().items() if key != "subject"}
    refused(MissingRequiredFieldsError, lambda: resend.Emails.send(lacking))
    fault("emails", kind="unauthorized")
    refused(InvalidApiKeyError, lambda: resend.Emails.send(mail()))
    client("not-a-key")
    error = refused(ResendError, lambda: resend.Emails.send(mail()))
    check(str(error.code) == "401", f"a wrong key got {error.code}")


def patience():
    """429 of a call with an idempotency key waited out by the proxy"""
    client()
    limited("emails")
    send = lambda: resend.Emails.send(mail("again"), {"idempotency_key": "welcome/18"})
    sent = waited_for("emails", send, [429, 200])
    check(resend.Emails.get(sent["id"])["subject"] == "again", "another mail was sent")


if __name__ == "__main__":
    sys.exit(judge("resend", client, [emails, idempotency, errors, patience]))
