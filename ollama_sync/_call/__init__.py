"""The call room: the life of one call, from the first attempt to the one end that it has.

Joins hub, transport, wire and policies. Runs on the hub, except for the few methods that say otherwise.
"""
