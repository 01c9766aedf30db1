"""PyJWT as the judge of access tokens: it fetches the published keys and checks what it is given.

JUDGED_URL    the server, which is also the issuer
JUDGED_TOKENS a JSON file: {"good": [token, …], "bad": [token, …]}

Prints a line for each good token, with the kid that checked it; ends with an error when a good one
is refused or a bad one taken.
"""

import base64
import hashlib
import json
import os
import sys
import urllib.request

import jwt

url = os.environ["JUDGED_URL"]
with open(os.environ["JUDGED_TOKENS"], encoding="utf-8") as file:
    told = json.load(file)

with urllib.request.urlopen(f"{url}/.well-known/jwks.json", timeout=20) as answer:
    assert answer.headers["Content-Type"] == "application/jwk-set+json", answer.headers
    assert answer.headers["Cache-Control"] == "public, max-age=300", answer.headers
    published = json.load(answer)

# RFC 7638 §3: the SHA-256 of the required members, in order and without blanks.
for key in published["keys"]:
    assert set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"}, key
    members = {name: key[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == key["kid"], key

keys = jwt.PyJWKClient(f"{url}/.well-known/jwks.json")


def check(token):
    key = keys.get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        issuer=url,
        audience=f"{url}/v1",
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
    )
    return key.key_id, claims


for token in told["good"]:
    kid, claims = check(token)
    header = jwt.get_unverified_header(token)
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": kid}, header
    assert claims["exp"] - claims["iat"] == 600, claims
    assert claims["sub"].startswith("usr_") and claims["sid"].startswith("ses_"), claims
    assert claims["tenant"].startswith("ten_") and claims["role"] == "viewer", claims
    print("good", kid)

for token in told["bad"]:
    try:
        check(token)
    except jwt.PyJWTError:
        continue
    sys.exit(f"taken, and should not be: {token}")
