"""The verbs of the API, by family. Each is a function whose first parameter is the client; `Client` names it as a method.

So `Client` stays a page that lists what there is, and no family needs a base class. Runs on the caller's thread.
"""
