#!/usr/bin/env python3
"""Judges an OpenAI-compatible endpoint with the official OpenAI SDK for Python.

Environment:
  OPENAI_BASE_URL  the endpoint, as in http://127.0.0.1:4010/openai/v1
  OPENAI_API_KEY   a key that it accepts
  OPENAI_MODEL     a model that it serves (default: gpt-4o-mini)
  SANDBOX_URL      the sandbox's root, if the endpoint is the sandbox or stands before it: faults
                   are then injected, and what the sandbox received is compared with what was sent

Prints a line for each thing exercised; exits with 1 at the first failure, with 2 when the
environment is incomplete.
"""

import json
import os
import sys
import urllib.request

import openai
from openai import OpenAI, Stream

BUSINESS = "Bloom Dental"
PROMPT = f"You are the assistant of {BUSINESS}. Opening hours are nine to five."
QUESTION = "What are your opening hours?"
MESSAGES = [
    {"role": "system", "content": PROMPT},
    {"role": "user", "content": QUESTION},
]

try:
    BASE_URL = os.environ["OPENAI_BASE_URL"]
    API_KEY = os.environ["OPENAI_API_KEY"]
except KeyError as missing:
    print(f"needs {missing.args[0]} in the environment", file=sys.stderr)
    sys.exit(2)
MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
SANDBOX = os.environ.get("SANDBOX_URL")


class Failed(Exception):
    pass


def check(condition, what):
    # `assert` would vanish under `python -O`.
    if not condition:
        raise Failed(what)


def client(key=API_KEY, retries=0):
    # Strict validation makes the SDK refuse an answer that departs from its own types.
    return OpenAI(
        base_url=BASE_URL,
        api_key=key,
        max_retries=retries,
        timeout=20,
        _strict_response_validation=True,
    )


def expect_error(kind, call, **attributes):
    try:
        call()
    except kind as error:
        check(type(error) is kind, f"expected {kind.__name__}, got {type(error).__name__}")
        for name, wanted in attributes.items():
            got = getattr(error, name)
            check(got == wanted, f"{kind.__name__}.{name} is {got!r}, not {wanted!r}")
        return error
    raise Failed(f"expected {kind.__name__}, got an answer")


def sandbox(method, path, body=None):
    request = urllib.request.Request(
        f"{SANDBOX}/_sandbox/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def fault(times=1, **fault):
    sandbox("POST", "faults", {"provider": "openai", "fault": fault, "times": times})


def models():
    """models listed and read"""
    listed = [model.id for model in client().models.list()]
    check(MODEL in listed, f"{MODEL} is not among {listed}")
    check(client().models.retrieve(MODEL).id == MODEL, "the model's own page names another")


def completion():
    """chat completions"""
    answer = client().chat.completions.create(
        model=MODEL, messages=MESSAGES, temperature=0.2, max_completion_tokens=200, user="judge"
    )
    choice = answer.choices[0]
    check(choice.finish_reason == "stop", f"finished by {choice.finish_reason}")
    check(bool(choice.message.content), "the answer is empty")
    usage = answer.usage
    check(usage.prompt_tokens > 0 and usage.completion_tokens > 0, "tokens are not counted")
    check(
        usage.total_tokens == usage.prompt_tokens + usage.completion_tokens,
        "the tokens do not add up",
    )
    return choice.message.content


def content_parts():
    """content in parts, with an image"""
    parts = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    messages = [{"role": "developer", "content": PROMPT}, {"role": "user", "content": parts}]
    answer = client().chat.completions.create(model=MODEL, messages=messages)
    check(bool(answer.choices[0].message.content), "the answer is empty")


def stream():
    """chat completions streamed, with usage"""
    chunks = client().chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    check(isinstance(chunks, Stream), "the answer is not a stream")
    text, reasons, usage, count = "", [], None, 0
    for chunk in chunks:
        count += 1
        check(chunk.object == "chat.completion.chunk", f"a chunk is a {chunk.object}")
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
        usage = chunk.usage or usage
    check(count > 3, f"the stream has only {count} chunks")
    check(reasons == ["stop"], f"finished by {reasons}")
    check(bool(text), "the stream has no text")
    check(usage is not None and usage.total_tokens > 0, "usage is missing at the end")
    return text


def tools():
    """tool calls"""
    tool = {
        "type": "function",
        "function": {
            "name": "find_appointment",
            "description": "Finds a free appointment",
            "parameters": {
                "type": "object",
                "properties": {"wish": {"type": "string"}},
                "required": ["wish"],
            },
        },
    }
    messages = [{"role": "user", "content": "Is there a free appointment on Friday?"}]
    first = client().chat.completions.create(
        model=MODEL, messages=messages, tools=[tool], tool_choice="required"
    )
    check(first.choices[0].finish_reason == "tool_calls", "no tool was called")
    call = first.choices[0].message.tool_calls[0]
    check(call.function.name == "find_appointment", f"{call.function.name} was called")
    check("wish" in json.loads(call.function.arguments), "the arguments lack their field")
    messages.append(first.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "Friday at ten"})
    second = client().chat.completions.create(model=MODEL, messages=messages, tools=[tool])
    check(bool(second.choices[0].message.content), "the tool's result got no answer")


def errors():
    """`AuthenticationError`, `BadRequestError`, `NotFoundError`"""
    create = client().chat.completions.create
    expect_error(
        openai.AuthenticationError,
        lambda: client("sk-not-a-key-that-is-known").chat.completions.create(
            model=MODEL, messages=MESSAGES
        ),
        status_code=401,
    )
    bad = expect_error(
        openai.BadRequestError,
        lambda: create(model=MODEL, messages=MESSAGES, extra_body={"max_token": 5}),
        status_code=400,
        type="invalid_request_error",
    )
    check("max_token" in bad.message, f"the error does not name the argument: {bad.message}")
    expect_error(
        openai.BadRequestError,
        lambda: create(model=MODEL, messages=MESSAGES, temperature=2.5),
        param="temperature",
    )
    expect_error(
        openai.BadRequestError,
        lambda: create(model=MODEL, messages=[{"role": "user", "content": 5}]),
        param="messages[0].content",
    )
    expect_error(
        openai.NotFoundError,
        lambda: create(model="no-such-model", messages=MESSAGES),
        code="model_not_found",
    )


def faults():
    create = client().chat.completions.create
    ask = lambda: create(model=MODEL, messages=MESSAGES)
    fault(kind="status", code=429, retry_after=1)
    limited = expect_error(openai.RateLimitError, ask, code="rate_limit_exceeded")
    check(limited.response.headers.get("retry-after") == "1", "retry-after is missing")
    fault(kind="unauthorized")
    expect_error(openai.AuthenticationError, ask, code="invalid_api_key")
    fault(kind="server_error")
    expect_error(openai.InternalServerError, ask, status_code=500)
    fault(kind="half_answer")
    expect_error(openai.APIConnectionError, ask)
    fault(kind="half_answer")
    cut = create(model=MODEL, messages=MESSAGES, stream=True)
    expect_error(openai.APIConnectionError, lambda: list(cut))
    fault(kind="status", code=429, retry_after=1)
    retried = client(retries=1).chat.completions.create(model=MODEL, messages=MESSAGES)
    check(bool(retried.choices[0].message.content), "the SDK's own retry got no answer")


def request_shape():
    before = max((r["sequence"] for r in sandbox("GET", "requests")["data"]), default=0)
    sent = {
        "model": MODEL,
        "messages": MESSAGES,
        "frequency_penalty": 0.1,
        "logit_bias": {"50256": -100},
        "logprobs": True,
        "max_completion_tokens": 50,
        "metadata": {"judge": "openai_sdk"},
        "n": 1,
        "parallel_tool_calls": True,
        "presence_penalty": 0.1,
        "prompt_cache_key": "judge",
        "reasoning_effort": "low",
        "response_format": {"type": "text"},
        "safety_identifier": "judge",
        "seed": 7,
        "service_tier": "auto",
        "stop": ["\n\n"],
        "store": False,
        "temperature": 0.5,
        "tool_choice": "none",
        "tools": [{"type": "function", "function": {"name": "noop", "parameters": {}}}],
        "top_logprobs": 2,
        "top_p": 0.9,
        "user": "judge",
        "verbosity": "low",
    }
    client().chat.completions.create(**sent)
    received = sandbox("GET", f"requests?provider=openai&after={before}")["data"]
    check(len(received) == 1, f"{len(received)} requests arrived")
    request = received[0]
    check(request["path"] == "v1/chat/completions", f"the path is {request['path']}")
    check(request["body"] == sent, f"the body is {request['body']}")
    check(API_KEY not in json.dumps(received), "the key stays in the record")


def main():
    print(f"openai {openai.__version__} against {BASE_URL}, model {MODEL}")
    steps = [models, completion, content_parts, stream, tools, errors]
    if SANDBOX:
        steps += [faults, request_shape]
    for step in steps:
        try:
            step()
        except (Failed, openai.OpenAIError) as failure:
            print(f"failed  {step.__name__}: {failure}", file=sys.stderr)
            return 1
        print(f"ok      {step.__name__}")
    if not SANDBOX:
        print("skipped faults, request_shape: need SANDBOX_URL")
    return 0


if __name__ == "__main__":
    sys.exit(main())
