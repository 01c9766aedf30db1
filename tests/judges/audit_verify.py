#!/usr/bin/env python3
"""Verifies an exported audit log of Freehold's, and checkpoints of it, from docs/audit.md alone.

  audit_verify.py EXPORT [CHECKPOINTS VKEY]
  audit_verify.py --hash PREVIOUS < ENTRY

The first form prints the log's name, its length and the hash that it ends in, and exits with 1 at
the first thing that is wrong. The second prints the hash of one entry, a line of JSON, linked to a
previous hash in hexadecimal. Needs the package `cryptography` for checkpoints and nothing else.
"""

import base64
import hashlib
import json
import struct
import sys

FIELDS = ["log", "id", "at", "actor", "action", "target", "detail", "ip", "user_agent", "correlation_id"]
GENESIS = bytes(32)


class Wrong(Exception):
    pass


def check(condition, what):
    # `assert` would vanish under `python -O`.
    if not condition:
        raise Wrong(what)


def content_hash(entry):
    hashed = hashlib.sha256(b"freehold-audit-entry-v1")
    for name in FIELDS:
        value = entry[name]
        if value is None:
            hashed.update(b"\xff\xff\xff\xff")
        else:
            value = value.encode("utf-8")
            hashed.update(struct.pack(">I", len(value)) + value)
    return hashed.digest()


def entry_hash(entry, previous):
    place = struct.pack(">q", entry["seq"])
    return hashlib.sha256(b"freehold-audit-chain-v1" + previous + place + content_hash(entry)).digest()


def verifier(vkey):
    """Name, key id and public key of a verifier key, `<name>+<id>+<base64 of type and key>`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, key_id, data = vkey.strip().split("+", 2)
    data = base64.b64decode(data, validate=True)
    check(data[0] == 1 and len(data) == 33, "the key is not an Ed25519 key")
    computed = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    check(computed.hex() == key_id, "the key id is not that of the key")
    return name, computed, Ed25519PublicKey.from_public_bytes(data[1:])


def checkpoints(path, vkey, log):
    """Size and hash of every checkpoint in the file that is of this log, signatures verified."""
    from cryptography.exceptions import InvalidSignature

    name, key_id, public = verifier(vkey)
    found = {}
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    while lines and lines != [""]:
        end = lines.index("")
        text = "\n".join(lines[:end]) + "\n"
        rest = lines[end + 1 :]
        signatures = []
        while rest and rest[0].startswith("\u2014 "):
            signatures.append(rest.pop(0)[2:].split(" "))
        lines = rest
        origin, size, root = text.rstrip("\n").split("\n")
        for signer, signature in signatures:
            signature = base64.b64decode(signature, validate=True)
            if signer != name or signature[:4] != key_id:
                continue
            try:
                public.verify(signature[4:], text.encode("utf-8"))
            except InvalidSignature:
                raise Wrong(f"the checkpoint of {origin} at {size} has a bad signature") from None
            if origin == f"{name}/{log}":
                found[int(size)] = base64.b64decode(root, validate=True)
    return found


def verify(export, notes, vkey):
    previous, seq, log, signed, agreed = GENESIS, 0, None, {}, 0
    with open(export, encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if log is None:
                log = entry["log"]
                signed = checkpoints(notes, vkey, log) if notes else {}
            seq += 1
            check(entry["log"] == log, f"entry {seq} belongs to {entry['log']}")
            check(entry["seq"] == seq, f"entry {entry['seq']} stands where {seq} should")
            previous = entry_hash(entry, previous)
            check(previous.hex() == entry["hash"], f"entry {seq} was changed")
            if seq in signed:
                check(signed[seq] == previous, f"the checkpoint at {seq} is of something else")
                agreed += 1
    newest = max(signed, default=0)
    check(newest <= seq, f"entries {seq + 1} to {newest} are missing at the end")
    return log, seq, previous, agreed


def main(arguments):
    if arguments[:1] == ["--hash"]:
        print(entry_hash(json.load(sys.stdin), bytes.fromhex(arguments[1])).hex())
        return 0
    export, notes, vkey = (arguments + [None, None])[:3]
    try:
        log, seq, head, agreed = verify(export, notes, vkey)
    except Wrong as wrong:
        print(wrong)
        return 1
    print(log, seq, head.hex(), agreed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
