"""Notebooks: what they see inside, and how they are run, checked and shown from outside."""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # nbformat need not check web addresses: saves seconds of each start
