"""The paper's claims, and what the results say of them.

``claim`` reads ``claims.yaml``; rules (``rules``, ``contrast``, ``linear``, ``checks``) turn
``evidence`` into findings, ``verdict`` these into verdicts, ``ledger`` those into tables and text.
"""
