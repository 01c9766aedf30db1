"""What the judges of the proxy by providers' libraries have in common.

Environment: PROXY_URL, as in https://freehold.example/v1/proxy/slack, FREEHOLD_KEY, PROVIDER and
ACCOUNT (the tenant's, as the sandbox's record shows it) and SANDBOX_URL.

A judge is a `client`, as anybody would write it, and steps: functions whose docstring says what is
exercised. From both comes the library's row of the table in docs/proxy.md, which the judge prints.
"""

import inspect
import json
import os
import sys
import traceback
import urllib.request
from importlib.metadata import version

try:
    PROXY = os.environ["PROXY_URL"]
    KEY = os.environ["FREEHOLD_KEY"]
    PROVIDER = os.environ["PROVIDER"]
    ACCOUNT = os.environ["ACCOUNT"]
    SANDBOX = os.environ["SANDBOX_URL"]
except KeyError as missing:
    print(f"needs {missing.args[0]} in the environment", file=sys.stderr)
    sys.exit(2)


class Failed(Exception):
    pass


def check(condition, what):
    # `assert` would vanish under `python -O`.
    if not condition:
        raise Failed(what)


def refused(kind, call):
    """The error that the call ends with, which has to be of this class of the library's."""
    try:
        answer = call()
    except kind as error:
        return error
    raise Failed(f"expected {kind.__name__}, got {answer!r}")


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


def fault(path, **fault):
    """The next call whose path holds this goes wrong."""
    planned = {"provider": PROVIDER, "fault": fault, "times": 1, "scope": {"path": path}}
    sandbox("POST", "faults", planned)


def limited(path, code=429):
    """The provider asks, once, to wait a second."""
    fault(path, kind="status", code=code, retry_after=1)


def received():
    """What the provider was sent, oldest first."""
    return sandbox("GET", f"requests?provider={PROVIDER}")["data"]


def statuses(path, since):
    """How the provider answered the calls of this path after so many."""
    return [call["status"] for call in received()[since:] if call["path"].endswith(path)]


def waited_for(path, call, codes):
    """Makes a call that the provider answers with these codes, one after the other."""
    before = len(received())
    answer = call()
    seen = statuses(path, before)
    check(seen == codes, f"the provider answered {seen}, not {codes}")
    return answer


def written(client):
    """The statements of a function as the table shows them."""
    lines = inspect.getsource(client).splitlines()[1:]
    text = " ".join(line.strip() for line in lines)
    return text.replace("return ", "").replace("( ", "(").replace(", )", ")")


def row(library, client, steps):
    exercised = "; ".join(" ".join(step.__doc__.split()) for step in steps)
    return f"| `{library}` {version(library)} | `{written(client)}` | {exercised} |"


def judge(library, client, steps):
    print(f"{library} {version(library)} through {PROXY}")
    for step in steps:
        try:
            step()
        except Exception:
            # Whatever the library raises that the step does not expect.
            print(f"failed  {step.__name__}: {traceback.format_exc()}", file=sys.stderr)
            return 1
        print(f"ok      {step.__name__}")
    strangers = {call["account"] for call in received() if call["account"] != ACCOUNT}
    if strangers:
        print(f"the provider saw the accounts {strangers}", file=sys.stderr)
        return 1
    print(f"row {row(library, client, steps)}")
    return 0
