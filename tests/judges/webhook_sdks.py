#!/usr/bin/env python3
"""Judges Freehold's webhook endpoints with the providers' own libraries for Python.

Each library signs webhooks and, for the signed ones, confirms that it would accept them itself.
They are sent to a running server, which has to accept what the library accepts and to refuse the
same with a byte changed, with another secret, at another tenant, or out of time.

Environment:
  JUDGED_URL       the server, as in http://127.0.0.1:8080: the public URL that it is configured with
  JUDGED_ACCOUNTS  a JSON file that says what the server has been told:
    {"tenant": "acme",         the slug of the tenant whose accounts these are
     "other_tenant": "globex", the slug of one with accounts and secrets of its own
     "accounts": {"twilio": {"secrets": {"current": "…", "previous": "…"}, "account_sid": "AC…"}, …}}
    with the accounts twilio, resend, standard_webhooks, stripe, slack (and its team_id).

Prints a line for each thing exercised, and for each provider how many different events were
accepted, as in `accepted twilio 5`: so many the server has to have stored. Exits with 1 when
something fails, with 2 when the environment is incomplete.
"""

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timezone

import standardwebhooks
import stripe
import svix.webhooks
from slack_sdk.signature import Clock, SignatureVerifier
from twilio.request_validator import RequestValidator

# Every provider's window is five minutes.
WINDOW = 300
SLACK_SKEW = 10


class Failed(Exception):
    pass


def check(condition, what):
    # `assert` would vanish under `python -O`.
    if not condition:
        raise Failed(what)


def text():
    """Something that is hard to encode, and different each time."""
    return f"Grüße, 你好 👋 a+b=c & 100% “ok” {uuid.uuid4()}"


class Svix:
    """Resend signs with Svix, by Svix's library."""

    provider = "resend"
    prefix = "svix"
    library = svix.webhooks.Webhook
    content_type = "application/json"
    timed = True

    def __init__(self, account):
        del account

    def event(self):
        event = {"type": "email.received", "data": {"email_id": str(uuid.uuid4()), "subject": text()}}
        return json.dumps(event, ensure_ascii=False)

    def sign(self, secret, url, body, at):
        identifier = f"msg_{uuid.uuid4().hex}"
        moment = datetime.fromtimestamp(at, timezone.utc)
        return {
            f"{self.prefix}-id": identifier,
            f"{self.prefix}-timestamp": str(at),
            f"{self.prefix}-signature": self.library(secret).sign(identifier, moment, body),
        }

    def accepts(self, secret, url, body, headers):
        # Raises where it does not.
        self.library(secret).verify(body, headers)
        return True

    def shift(self, headers, seconds):
        name = f"{self.prefix}-timestamp"
        return headers | {name: str(int(headers[name]) + seconds)}


class StandardWebhooks(Svix):
    provider = "standard_webhooks"
    prefix = "webhook"
    library = standardwebhooks.Webhook


class Stripe:
    provider = "stripe"
    content_type = "application/json; charset=utf-8"
    timed = True

    def __init__(self, account):
        del account

    def event(self):
        # Stripe sends its events pretty-printed, which a parser that writes them anew would undo.
        event = {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "type": "customer.updated",
            "data": {"object": {"id": "cus_1", "object": "customer", "name": text()}},
        }
        return json.dumps(event, indent=2, ensure_ascii=False)

    def sign(self, secret, url, body, at):
        header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=at)
        return {"stripe-signature": header}

    def accepts(self, secret, url, body, headers):
        return stripe.Webhook.construct_event(body, headers["stripe-signature"], secret).id != ""

    def shift(self, headers, seconds):
        stamp, signature = headers["stripe-signature"].split(",", 1)
        return {"stripe-signature": f"t={int(stamp[2:]) + seconds},{signature}"}


class Slack:
    provider = "slack"
    content_type = "application/json"
    timed = True

    def __init__(self, account):
        self.team = account["team_id"]

    def event(self):
        event = {
            "type": "event_callback",
            "team_id": self.team,
            "event_id": f"Ev{uuid.uuid4().hex.upper()}",
            "event": {"type": "message", "channel": "C1", "user": "U1", "text": text()},
        }
        return json.dumps(event, ensure_ascii=False)

    def sign(self, secret, url, body, at):
        verifier = SignatureVerifier(secret)
        return {
            "x-slack-request-timestamp": str(at),
            "x-slack-signature": verifier.generate_signature(timestamp=str(at), body=body),
        }

    def accepts(self, secret, url, body, headers):
        return SignatureVerifier(secret, Clock()).is_valid_request(body, headers)

    def shift(self, headers, seconds):
        name = "x-slack-request-timestamp"
        return headers | {name: str(int(headers[name]) + seconds)}


class Twilio:
    """Form posts, which is what messages and calls are."""

    provider = "twilio"
    content_type = "application/x-www-form-urlencoded; charset=UTF-8"
    timed = False

    def __init__(self, account):
        self.account = account["account_sid"]

    def event(self):
        return urllib.parse.urlencode(
            [
                ("ToCountry", "US"),
                ("MessageSid", f"SM{uuid.uuid4().hex}"),
                ("SmsStatus", "received"),
                ("Body", text()),
                ("FromCity", ""),
                ("AccountSid", self.account),
                ("From", "whatsapp:+15550001111"),
                ("To", "whatsapp:+15550002222"),
            ]
        )

    def sign(self, secret, url, body, at):
        parameters = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        signature = RequestValidator(secret).compute_signature(url, parameters)
        return {"x-twilio-signature": signature}

    def accepts(self, secret, url, body, headers):
        parameters = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        return RequestValidator(secret).validate(url, parameters, headers["x-twilio-signature"])


class TwilioJson(Twilio):
    """Bodies that are no form: their hash stands in the URL, which is what is signed."""

    content_type = "application/json"

    def event(self):
        event = {"AccountSid": self.account, "MessageSid": f"SM{uuid.uuid4().hex}", "Body": text()}
        return json.dumps(event, ensure_ascii=False)

    def url(self, url, body):
        return f"{url}?bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"

    def sign(self, secret, url, body, at):
        return {"x-twilio-signature": RequestValidator(secret).compute_signature(url, {})}

    def accepts(self, secret, url, body, headers):
        return RequestValidator(secret).validate(url, body, headers["x-twilio-signature"])


JUDGES = [Twilio, TwilioJson, Svix, StandardWebhooks, Stripe, Slack]


def post(url, content_type, body, headers):
    request = urllib.request.Request(
        url, data=body.encode(), headers={"content-type": content_type} | headers
    )
    # Not through a proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def spoil(signature):
    """The signature with its last significant character changed."""
    end = len(signature.rstrip("="))
    place = end - 2
    other = "0" if signature[place] != "0" else "1"
    return signature[:place] + other + signature[place + 1 :]


class Judge:
    def __init__(self, kind, server, config):
        account = config["accounts"][kind.provider]
        self.kind = kind(account)
        self.secrets = account["secrets"]
        self.here = f"{server}/hooks/{config['tenant']}/{kind.provider}"
        self.elsewhere = f"{server}/hooks/{config['other_tenant']}/{kind.provider}"
        self.accepted = 0

    def url(self, body, base=None):
        base = base or self.here
        return self.kind.url(base, body) if hasattr(self.kind, "url") else base

    def signed(self, slot="current", at=None):
        body = self.kind.event()
        at = int(time.time()) if at is None else at
        headers = self.kind.sign(self.secrets[slot], self.url(body), body, at)
        return body, headers

    def send(self, body, headers, url=None):
        return post(url or self.url(body), self.kind.content_type, body, headers)

    def refuse(self, what, body, headers, url=None):
        status = self.send(body, headers, url)
        check(status == 401, f"{what} was answered {status}, not 401")

    def accept(self, what, body, headers):
        status = self.send(body, headers)
        check(200 <= status < 300, f"{what} was answered {status}")

    def signatures(self):
        for slot, secret in self.secrets.items():
            body, headers = self.signed(slot)
            check(
                self.kind.accepts(secret, self.url(body), body, headers),
                "the library refuses what it signed",
            )
            self.accept(f"an event signed with the {slot} secret", body, headers)
            self.accepted += 1

    def repeats(self):
        body, headers = self.signed()
        for attempt in ("first", "second", "third"):
            self.accept(f"the {attempt} delivery of one event", body, headers)
        self.accepted += 1

    def tampering(self):
        body, headers = self.signed()
        # A digit of the last UUID, so that the body stays well-formed.
        place = next(i for i in range(len(body) - 1, 0, -1) if body[i].isdigit())
        changed = body[:place] + str((int(body[place]) + 1) % 10) + body[place + 1 :]
        self.refuse("a changed body", changed, headers, self.url(body))
        self.refuse("a body with its own URL", changed, headers)
        name = next(name for name in headers if name.endswith("signature"))
        self.refuse("a changed signature", body, headers | {name: spoil(headers[name])})
        without = {key: value for key, value in headers.items() if key != name}
        self.refuse("no signature", body, without)
        self.refuse("an empty signature", body, headers | {name: ""})
        self.accept("the event as it was signed", body, headers)
        self.accepted += 1

    def secrecy(self):
        body = self.kind.event()
        # Of the form that secrets have, and not the tenant's.
        other = "whsec_" + "b3RoZXIgc2VjcmV0IG9mIG5vYm9keSdz"
        headers = self.kind.sign(other, self.url(body), body, int(time.time()))
        self.refuse("another secret", body, headers)

    def tenants(self):
        body, headers = self.signed()
        self.refuse("an event of another tenant", body, headers, self.url(body, self.elsewhere))
        # Signed for that very URL, but with this tenant's secret.
        url = self.url(body, self.elsewhere)
        headers = self.kind.sign(self.secrets["current"], url, body, int(time.time()))
        self.refuse("the secret of another tenant", body, headers, url)

    def times(self):
        now = int(time.time())
        for seconds in (-WINDOW - SLACK_SKEW, WINDOW + SLACK_SKEW):
            body, headers = self.signed(at=now + seconds)
            self.refuse(f"an event signed at {seconds:+} s", body, headers)
        for seconds in (-WINDOW + SLACK_SKEW, WINDOW - SLACK_SKEW):
            body, headers = self.signed(at=now + seconds)
            self.accept(f"an event signed at {seconds:+} s", body, headers)
            self.accepted += 1
        body, headers = self.signed()
        self.refuse("a changed timestamp", body, self.kind.shift(headers, 1))

    def run(self):
        steps = [self.signatures, self.repeats, self.tampering, self.secrecy, self.tenants]
        if self.kind.timed:
            steps.append(self.times)
        for step in steps:
            name = f"{type(self.kind).__name__} {step.__name__}"
            try:
                step()
            except Exception as failure:
                raise Failed(f"{name}: {failure}") from failure
            print(f"ok      {name}")


def main():
    try:
        server = os.environ["JUDGED_URL"].rstrip("/")
        path = os.environ["JUDGED_ACCOUNTS"]
    except KeyError as missing:
        print(f"needs {missing.args[0]} in the environment", file=sys.stderr)
        return 2
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    accepted = {}
    for kind in JUDGES:
        judge = Judge(kind, server, config)
        try:
            judge.run()
        except Failed as failure:
            print(f"failed  {failure}", file=sys.stderr)
            return 1
        accepted[kind.provider] = accepted.get(kind.provider, 0) + judge.accepted
    for provider, count in accepted.items():
        print(f"accepted {provider} {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
