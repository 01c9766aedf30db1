#!/usr/bin/env python3
"""Judges the proxy with Vapi's library. See proxy_judge.py."""

import sys

from vapi import Assistant, Call, CreateCustomerDto, Vapi
from vapi.core.api_error import ApiError

from proxy_judge import KEY, PROXY, check, fault, judge, limited, refused, waited_for

ASSISTANT = "8a9b0c1d-2e3f-4a5b-8c6d-7e8f9a0b1c2d"
PHONE = "1f2e3d4c-5b6a-4978-8695-a4b3c2d1e0f9"


def client(KEY=KEY):
    return Vapi(token=KEY, base_url=PROXY)


def call(vapi, number="+351911111111"):
    return vapi.calls.create(
        assistant_id=ASSISTANT,
        phone_number_id=PHONE,
        customer=CreateCustomerDto(number=number),
    )


def assistants():
    """assistants listed"""
    found = client().assistants.list(limit=10)
    check(len(found) == 1 and isinstance(found[0], Assistant), f"found {found}")
    check(found[0].id == ASSISTANT, f"the assistant is {found[0].id}")
    check(found[0].model.model == "gpt-4o-mini", f"its model is {found[0].model}")


def calls():
    """calls made and read"""
    made = call(client())
    check(isinstance(made, Call) and made.status == "queued", f"the call is {made}")
    found = client().calls.get(made.id)
    check(found.customer.number == "+351911111111", f"it goes to {found.customer}")
    check(found.assistant_id == ASSISTANT, f"it is {found.assistant_id}'s")


def errors():
    """errors as `ApiError` with status and body"""
    error = refused(ApiError, lambda: call(client(), "nobody"))
    check(error.status_code == 400, f"refused as {error.status_code}")
    said = error.body["message"] if isinstance(error.body, dict) else error.body.message
    check("E.164" in str(said), f"refused for {said}")
    fault("assistant", kind="unauthorized")
    error = refused(ApiError, lambda: client().assistants.list())
    check(error.status_code == 401, f"refused as {error.status_code}")
    error = refused(ApiError, lambda: client("not-a-key").assistants.list())
    check(error.status_code == 401, f"a wrong key got {error.status_code}")


def patience():
    """429 of a `POST` waited out by the library"""
    limited("call")
    made = waited_for("call", lambda: call(client()), [429, 201])
    check(made.status == "queued", f"the call is {made.status}")


if __name__ == "__main__":
    sys.exit(judge("vapi_server_sdk", client, [assistants, calls, errors, patience]))
