"""The observation room: statistics, hooks and the log are told here what becomes of each call.

Runs on the hub, except for the start of a call, which is told on the thread of its caller.
"""
