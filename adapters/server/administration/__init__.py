"""The administrator's verbs: each a request that is a value, a function that carries it out, and a result.

The `penfold` command and the control channel of a running server reach the same verbs; nothing here knows which.
"""
