"""Runs one of the scripts beside it: main.py <script> <base URL> <mailbox URL> <file of accounts>."""

import importlib
import json
import pathlib
import sys

script, base, mailbox, accounts = sys.argv[1:]
importlib.import_module(script).run(base, mailbox, json.loads(pathlib.Path(accounts).read_text()))
