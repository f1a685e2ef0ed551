"""`callboard watch`: the feed in a terminal, a line a fact, resumed wherever it was cut."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import aclosing
from typing import Any

from daemon.cli import FAILED, OK, REFUSED, UNREACHABLE
from daemon.cli.client import Subparsers, add_client_arguments, address_of, token
from daemon.cli.looking import fact_line


def add_parser(subparsers: Subparsers) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "watch",
        help="follow what is recorded, as it happens",
        description="Follows the feed until Ctrl-C, or for so many facts. Cut, it resumes behind the last one it saw.",
    )
    add_client_arguments(parser)
    parser.add_argument("--subject", action="append", default=[], help="e.g. orders; may be repeated (all)")
    parser.add_argument("--after", type=int, metavar="SEQ", help="begin behind this sequence (now)")
    parser.add_argument("--count", type=int, metavar="N", help="leave after so many facts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 after Ctrl-C or `--count`; 3 where no daemon answers at first; 4 where it lets nobody in."""
    import trio

    from daemon.feed_client import FeedRefused, OtherJournal

    try:
        trio.run(_follow, args)
    except (FeedRefused, OtherJournal) as error:
        print(f"callboard watch: {error}", file=sys.stderr)
        return REFUSED if isinstance(error, FeedRefused) else FAILED
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Whoever read has enough.
        sys.stderr.close()
    except TimeoutError:
        print(f"callboard watch: no daemon at {address_of(args)}", file=sys.stderr)
        return UNREACHABLE
    return OK


async def _follow(args: argparse.Namespace) -> None:
    import trio

    from daemon.feed_client import FeedClient

    client = FeedClient(address_of(args), token(), after=args.after, subjects=args.subject)
    left = args.count
    with trio.CancelScope(deadline=trio.current_time() + args.timeout) as first:
        async with aclosing(client.frames()) as frames:
            async for frame in frames:
                # It was reached: from now on a cut is no reason to give up.
                first.deadline = float("inf")
                if frame["type"] == "fact":
                    _say(frame, args.json)
                    left = None if left is None else left - 1
                elif frame["type"] == "hello" and client.resumed:
                    print(f"resumed behind {frame['after']}", file=sys.stderr, flush=True)
                if left is not None and left <= 0:
                    return
    if first.cancelled_caught:
        raise TimeoutError


def _say(fact: dict[str, Any], machine: bool) -> None:
    print(json.dumps(fact) if machine else fact_line(fact), flush=True)
