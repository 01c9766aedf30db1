#!/usr/bin/env python3
"""Judges the proxy with the official Twilio library for Python.

The library builds its addresses itself and takes no base URL, but it takes the HTTP client: this one
puts the proxy's address in the place of Twilio's and leaves everything else as it is. The account's
SID is the library's user, the Freehold key its password.

Environment: PROXY_URL, FREEHOLD_KEY, ACCOUNT_SID, FROM_NUMBER.

Prints a line for each thing exercised; exits with 1 at the first failure.
"""

import os
import sys

import twilio
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

PROXY = os.environ["PROXY_URL"]
KEY = os.environ["FREEHOLD_KEY"]
SID = os.environ["ACCOUNT_SID"]
FROM = os.environ["FROM_NUMBER"]
TWILIO = "https://api.twilio.com"


class Failed(Exception):
    pass


class ThroughProxy(TwilioHttpClient):
    def request(self, method, url, *arguments, **named):
        if not url.startswith(TWILIO):
            raise Failed(f"{url} is not of the API that is proxied")
        return super().request(method, PROXY + url[len(TWILIO):], *arguments, **named)


def check(condition, what):
    if not condition:
        raise Failed(what)


def client(key=KEY):
    return Client(SID, key, http_client=ThroughProxy(timeout=20))


def account():
    found = client().api.v2010.accounts(SID).fetch()
    check(found.sid == SID, f"the account is {found.sid}")
    check(found.status == "active", f"its status is {found.status}")


def message():
    sent = client().messages.create(to="+351911111111", from_=FROM, body="Through the proxy")
    check(sent.sid.startswith("SM"), f"the message is {sent.sid}")
    check(sent.body == "Through the proxy", f"its text is {sent.body!r}")


def errors():
    try:
        client().messages.create(to="nobody", from_=FROM, body="x")
    except TwilioException as error:
        check(error.status == 400 and error.code == 21211, f"refused as {error.code}")
    else:
        raise Failed("a message to nobody was taken")
    try:
        client("not-a-key").api.v2010.accounts(SID).fetch()
    except TwilioException as error:
        # The library knows problem documents (RFC 9457), and has an exception of its own for them.
        check(error.status == 401, f"refused as {error.status}")
    else:
        raise Failed("a wrong key was taken")


def main():
    print(f"twilio {twilio.__version__} through {PROXY}")
    for step in (account, message, errors):
        try:
            step()
        except (Failed, TwilioException) as failure:
            print(f"failed  {step.__name__}: {failure}", file=sys.stderr)
            return 1
        print(f"ok      {step.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
