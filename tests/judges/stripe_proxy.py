#!/usr/bin/env python3
"""Judges the proxy with stripe. See proxy_judge.py."""

import sys

import stripe
from stripe import StripeClient

from proxy_judge import KEY, PROXY, check, fault, judge, limited, received, refused, waited_for


def client(KEY=KEY):
    return StripeClient(KEY, base_addresses={"api": PROXY})


def customers():
    """customers made and read, with metadata"""
    new = {"email": "ana@example.com", "name": "Ana Müller", "metadata": {"seat": "7 & 8"}}
    made = client().v1.customers.create(params=new)
    check(isinstance(made, stripe.Customer), f"a {type(made)}")
    found = client().v1.customers.retrieve(made.id)
    check(found.name == "Ana Müller", f"the name is {found.name}")
    check(found.metadata["seat"] == "7 & 8", f"the metadata is {found.metadata}")


def pages():
    """lists, the library turning the pages"""
    for number in range(4):
        client().v1.customers.create(params={"name": f"number {number}"})
    listed = client().v1.customers.list(params={"limit": 2})
    check(isinstance(listed, stripe.ListObject), f"a {type(listed)}")
    names = [customer.name for customer in listed.auto_paging_iter()]
    check(names[:4] == [f"number {n}" for n in (3, 2, 1, 0)], f"the customers are {names}")
    check(len(names) == 5, f"there are {len(names)}")


def idempotency():
    """idempotency keys, repeated and misused"""
    options = {"idempotency_key": "order-17"}
    create = client().v1.customers.create
    first = create(params={"name": "Once"}, options=options)
    second = create(params={"name": "Once"}, options=options)
    check(first.id == second.id, "the customer was made twice")
    replayed = second.last_response.headers.get("Idempotent-Replayed")
    check(replayed == "true", f"Idempotent-Replayed is {replayed}")
    misused = lambda: create(params={"name": "Twice"}, options=options)
    refused(stripe.IdempotencyError, misused)


def errors():
    """`InvalidRequestError`, `CardError`, `AuthenticationError`, `APIError`"""
    missing = lambda: client().v1.customers.retrieve("cus_nobody")
    error = refused(stripe.InvalidRequestError, missing)
    check(error.code == "resource_missing" and error.http_status == 404, f"refused as {error}")
    check(error.request_id.startswith("req_"), f"the request is {error.request_id}")
    payment = {
        "amount": 2000,
        "currency": "eur",
        "payment_method": "pm_card_chargeDeclined",
        "confirm": True,
    }
    declined = lambda: client().v1.payment_intents.create(params=payment)
    error = refused(stripe.CardError, declined)
    check(error.error.decline_code == "generic_decline", f"declined as {error.error}")
    taken = client().v1.payment_intents.create(params={**payment, "payment_method": "pm_card_visa"})
    check(taken.status == "succeeded", f"the payment is {taken.status}")
    fault("customers", kind="unauthorized")
    refused(stripe.AuthenticationError, client().v1.customers.list)
    error = refused(stripe.APIError, client("not-a-key").v1.customers.list)
    check(error.http_status == 401, f"a wrong key got {error.http_status}")


def patience():
    """429 of a call with an idempotency key waited out by the proxy, sent again with the same key"""
    limited("customers")
    create = lambda: client().v1.customers.create(params={"name": "again"})
    made = waited_for("customers", create, [429, 200])
    check(made.name == "again", f"the customer is {made.name}")
    keys = [dict(call["headers"]).get("idempotency-key") for call in received()[-2:]]
    check(keys[0] is not None and keys[0] == keys[1], f"the keys are {keys}")


if __name__ == "__main__":
    sys.exit(judge("stripe", client, [customers, pages, idempotency, errors, patience]))
