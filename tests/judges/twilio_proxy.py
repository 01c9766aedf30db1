#!/usr/bin/env python3
"""Judges the proxy with Twilio's library. See proxy_judge.py.

The library builds its addresses itself and takes no base URL, but it takes the HTTP client: this one
puts the proxy's address in the place of Twilio's and leaves everything else as it is. The account's
SID is the library's user, the Freehold key its password.

Environment, beside the common: FROM_NUMBER.
"""

import os
import sys

from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from proxy_judge import ACCOUNT as SID
from proxy_judge import KEY, PROXY, Failed, check, fault, judge, refused

FROM = os.environ["FROM_NUMBER"]
TWILIO = "https://api.twilio.com"


class ThroughProxy(TwilioHttpClient):
    def request(self, method, url, *arguments, **named):
        if not url.startswith(TWILIO):
            raise Failed(f"{url} is not of the API that is proxied")
        return super().request(method, PROXY + url[len(TWILIO):], *arguments, **named)


def client(KEY=KEY):
    return Client(SID, KEY, http_client=ThroughProxy(timeout=20))


def account():
    """the account"""
    found = client().api.v2010.accounts(SID).fetch()
    check(found.sid == SID, f"the account is {found.sid}")
    check(found.status == "active", f"its status is {found.status}")


def message():
    """messages sent"""
    sent = client().messages.create(to="+351911111111", from_=FROM, body="Through the proxy")
    check(sent.sid.startswith("SM"), f"the message is {sent.sid}")
    check(sent.body == "Through the proxy", f"its text is {sent.body!r}")


def errors():
    """errors as `TwilioException`"""
    send = lambda: client().messages.create(to="nobody", from_=FROM, body="x")
    error = refused(TwilioException, send)
    check(error.status == 400 and error.code == 21211, f"refused as {error.code}")
    fault("Accounts", kind="unauthorized")
    error = refused(TwilioException, client().api.v2010.accounts(SID).fetch)
    check(error.status == 401, f"the provider's refusal came as {error.status}")
    # The library knows problem documents (RFC 9457), and has an exception of its own for them.
    fetch = client("not-a-key").api.v2010.accounts(SID).fetch
    error = refused(TwilioException, fetch)
    check(error.status == 401, f"a wrong key got {error.status}")


if __name__ == "__main__":
    sys.exit(judge("twilio", client, [account, message, errors]))
