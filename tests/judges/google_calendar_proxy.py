#!/usr/bin/env python3
"""Judges the proxy with Google's API client. See proxy_judge.py.

The client builds itself from the discovery document that comes with it.
"""

import sys

from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for


def client(KEY=KEY):
    return build(
        "calendar",
        "v3",
        credentials=Credentials(KEY),
        client_options={"api_endpoint": PROXY},
    )


def event(summary):
    start, end = "2026-03-02T09:00:00+01:00", "2026-03-02T10:00:00+01:00"
    return {"summary": summary, "start": {"dateTime": start}, "end": {"dateTime": end}}


def insert(summary, **more):
    new = {"calendarId": "primary", "body": event(summary), **more}
    return client().events().insert(**new)


def events():
    """events inserted and read, by `primary` and by the calendar's address"""
    made = insert("Grüße", sendUpdates="none").execute()
    check(made["kind"] == "calendar#event", f"a {made['kind']}")
    for calendar in ("primary", "ana@example.com"):
        found = client().events().get(calendarId=calendar, eventId=made["id"]).execute()
        check(found["summary"] == "Grüße", f"the summary is {found['summary']!r}")


def pages():
    """lists by `list_next`"""
    for number in range(4):
        insert(f"number {number}").execute()
    calendar, names = client(), []
    request = calendar.events().list(calendarId="primary", maxResults=2, singleEvents=True)
    while request is not None:
        page = request.execute()
        check(len(page["items"]) <= 2, f"a page has {len(page['items'])}")
        names += [item["summary"] for item in page["items"]]
        request = calendar.events().list_next(request, page)
    expected = ["Grüße"] + [f"number {number}" for number in range(4)]
    check(names == expected, f"the events are {names}")


def errors():
    """`HttpError` with its reason and details"""
    missing = client().events().get(calendarId="primary", eventId="nothing")
    error = refused(HttpError, missing.execute)
    check(error.status_code == 404 and error.reason == "Not Found", f"refused as {error}")
    lacking = {"summary": "x", "start": {"date": "2026-03-02"}}
    request = client().events().insert(calendarId="primary", body=lacking)
    error = refused(HttpError, request.execute)
    check(error.status_code == 400, f"refused as {error.status_code}")
    check(error.error_details[0]["reason"] == "required", f"refused for {error.error_details}")
    # The client takes 401 for an access token that has run out, and would get a new one.
    listed = client("not-a-key").events().list(calendarId="primary")
    refused(RefreshError, listed.execute)
    fault("events", kind="unauthorized")
    refused(RefreshError, client().events().list(calendarId="primary").execute)


def patience():
    """429 of a `GET` waited out by the proxy, of a `POST` by the library's `num_retries`"""
    limited("events")
    path = "calendars/primary/events"
    listed = client().events().list(calendarId="primary")
    waited_for(path, listed.execute, [429, 200])
    limited("events")
    made = waited_for(path, lambda: insert("again").execute(num_retries=8), [429, 200])
    check(made["summary"] == "again", f"the summary is {made['summary']!r}")


if __name__ == "__main__":
    steps = [events, pages, errors, patience]
    sys.exit(judge("google-api-python-client", client, steps))
