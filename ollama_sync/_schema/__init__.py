"""The schema room: Python types to JSON schema, and checked replies back to objects. Pure; runs on any thread.

Nothing is imported here: `structured` is slow to import, and most programs never need it.
"""
