"""Notebooks: what they see inside, and how they are run, checked and shown from outside."""
