"""The commands about the account of ollama.com: whoami, signin, signout.

Runs on the main thread. A server signs in by its own key, which its owner confirms in a browser: no password passes here.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ollama_sync.cli._streams import print_json, show
from ollama_sync.errors import ResponseError

if TYPE_CHECKING:
    from ollama_sync import Client


def run_whoami(client: Client, args: argparse.Namespace) -> None:
    """Print whose account it is."""
    reply = client.whoami()
    if args.as_json:
        print_json(reply)
    else:
        show(f"{reply.name or '-'}{f' <{reply.email}>' if reply.email else ''}")


def run_signin(client: Client, args: argparse.Namespace) -> None:
    """Print where to confirm the server's key, or who is signed in already."""
    try:
        reply = client.whoami()
    except ResponseError as error:
        if not error.signin_url:
            raise
        show(f"Open this page in a browser to sign the server in:\n\n    {error.signin_url}\n")
        return
    if args.as_json:
        print_json(reply)
    else:
        show(f"signed in as '{reply.name}'")


def run_signout(client: Client, args: argparse.Namespace) -> None:
    """Sign the server out."""
    reply = client.signout()
    if args.as_json:
        print_json(reply)
    else:
        show("signed out")
