#!/usr/bin/env python3
"""Writes a small incident log with the quirks of real ones, for `mainstay import`.

    tests/quirky_log.py [--seed N] [--rows N] > log.csv
    mainstay import --mapping tests/quirky_log.yaml log.csv

The same seed gives the same bytes. The log begins with a ticket for each quirk
(see QUIRKS) and goes on with random ones until it has exactly that many rows,
which the script checks before it writes; --random leaves out the first part.
Rows of a ticket are in the order of time and stand together.
"""
import argparse
import csv
import random
import sys
from datetime import datetime, timedelta, timezone

COLUMNS = ["ticket", "at", "status", "detail", "impact", "product", "team", "owner", "site"]
WORKING, GIVEN, QUEUED = ("Taken", "Working"), ("Taken", "Given"), ("Queued", "Nobody")
OTHER, USER = ("Taken", "Waiting"), ("Taken", "Waiting - User")
SUPPLIER, RELEASE = ("Taken", "Waiting - Supplier"), ("Taken", "Waiting - Release")
SOLVED, PHONE, CLOSED, DROPPED = ("Done", "Solved"), ("Done", "On The Phone"), ("Done", "Closed"), ("Done", "Dropped")
UNMATCHED = ("Unmatched", "Unmatched")
HOLDS, DONE = (OTHER, USER, SUPPLIER, RELEASE), (SOLVED, PHONE, CLOSED)

PRODUCTS = ["PROD1", "PROD2", "Mail Relay", "- -", "S8"]
TEAMS = ["S8", "G97", "V13 2nd 3rd", "N36 2nd"]
OWNERS = ["Ann", "Jan Erik", "Jan-Erik", "Torbj\u00f6rn T", "K\u00c2re_OLD", "-", "\u2248ke"]
SITES = ["north", "south", ""]

# What each scripted ticket goes through.
SCRIPTS = [
    [WORKING, WORKING, WORKING, SOLVED, CLOSED],  # rows that change nothing
    [WORKING, USER, QUEUED, WORKING, SOLVED],  # a queue ends a hold
    [WORKING, SOLVED, UNMATCHED, WORKING, SOLVED],  # matches nothing, and is open
    [WORKING, SOLVED, CLOSED, WORKING, SOLVED, CLOSED],  # reopened when closed
    [WORKING, CLOSED, QUEUED, OTHER, SOLVED, SOLVED, CLOSED],  # closed at once, reopened into a queue
    [WORKING, SOLVED, QUEUED, WORKING, PHONE, WORKING, CLOSED],  # reopened twice
    [WORKING, USER, SUPPLIER, RELEASE, OTHER, SOLVED],  # the reason changes during a hold
    [USER, WORKING, SOLVED],  # begins held
    [GIVEN, WORKING, SOLVED],  # begins assigned
    [QUEUED, QUEUED, WORKING, SOLVED],  # begins in a queue, passed on to another
    [SOLVED],  # begins solved, and never changes
    [PHONE, CLOSED, WORKING, CLOSED],  # begins solved, reopened when closed
    [WORKING, DROPPED],  # was none
    [WORKING, USER, WORKING],  # still open
    [QUEUED, RELEASE],  # still held
    [WORKING, SOLVED, CLOSED, SOLVED, CLOSED],  # between the two there is neither resolution nor reopening
]

NEXT = {
    "open": [WORKING] * 5 + [GIVEN, QUEUED, QUEUED, UNMATCHED] + list(HOLDS) + [SOLVED, SOLVED, PHONE, CLOSED],
    "done": [CLOSED] * 5 + [SOLVED, SOLVED, PHONE, WORKING, QUEUED, USER, UNMATCHED],
    "first": [WORKING] * 6 + [QUEUED] * 4 + [USER, GIVEN, SOLVED, PHONE],
}

# Name to whether a step from one status (None before the first) to the next is one.
QUIRKS = {
    "repeats": lambda a, b: a == b == WORKING,
    "queue ends a hold": lambda a, b: a in HOLDS and b == QUEUED,
    "unmatched after solved": lambda a, b: a == SOLVED and b == UNMATCHED,
    "reopened": lambda a, b: a in DONE and b not in DONE,
    "reopened when closed": lambda a, b: a == CLOSED and b not in DONE,
    "another reason to hold": lambda a, b: a in HOLDS and b in HOLDS and a != b,
    "begins held": lambda a, b: a is None and b in HOLDS,
    "begins assigned": lambda a, b: a is None and b == GIVEN,
    "begins solved": lambda a, b: a is None and b in DONE,
    "dropped": lambda a, b: b == DROPPED,
}


def random_script(rng):
    """What a random ticket goes through: 1 to 14 statuses."""
    script = [rng.choice(NEXT["first"])]
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 13])):
        script.append(rng.choice(NEXT["done" if script[-1] in DONE else "open"]))
    if script[-1] not in DONE and rng.random() < 0.6:
        script.append(rng.choice([SOLVED, PHONE, CLOSED]))
    elif script[-1] not in DONE and rng.random() < 0.1:
        script.append(DROPPED)
    return script


def ticket(rng, number, script):
    """The rows of a ticket; the impact and the product never change."""
    impact = rng.choice(["Low", "Low", "Medium", "Medium", "Medium", "High", "Major"])
    product, team, owner = rng.choice(PRODUCTS), rng.choice(TEAMS), rng.choice(OWNERS)
    at = datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=rng.randrange(90 * 86_400))
    zone = timezone(timedelta(hours=rng.choice([1, 1, 1, 2, -5])))
    before = None
    for status in script:
        if before is not None:
            # Seconds, hours, and now and then more than a reopening window.
            at += timedelta(seconds=rng.choice([0, 1, 17, 3_600, 86_399, 86_400, 40 * 86_400]) + rng.randrange(600))
        if status == QUEUED or rng.random() < 0.15:
            team = rng.choice(TEAMS)
        if status == WORKING and before != WORKING or rng.random() < 0.1:
            owner = rng.choice(OWNERS)
        told = at.astimezone(zone).isoformat()
        yield [f"Q-{number}", told, *status, impact, product, team, owner, rng.choice(SITES)]
        before = status


def log(seed, rows, scripted):
    """Exactly so many rows."""
    rng = random.Random(seed)
    found = []
    scripts = list(SCRIPTS) if scripted else []
    number = 0
    while len(found) < rows:
        number += 1
        script = scripts.pop(0) if scripts else random_script(rng)
        found.extend(ticket(rng, number, script[: rows - len(found)]))
    return found


def quirks(rows):
    """How often each quirk is there."""
    counts = dict.fromkeys(QUIRKS, 0)
    before = (None, None)
    for row in rows:
        status = tuple(row[2:4])
        previous = before[1] if before[0] == row[0] else None
        for name, is_one in QUIRKS.items():
            counts[name] += bool(is_one(previous, status))
        before = (row[0], status)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--random", action="store_true", help="only random tickets")
    arguments = parser.parse_args()
    rows = log(arguments.seed, arguments.rows, not arguments.random)
    missing = [name for name, count in quirks(rows).items() if count == 0]
    if missing and not arguments.random and arguments.rows >= 200:
        sys.exit(f"the log lacks: {', '.join(missing)}")
    sys.stdout.reconfigure(encoding="utf-8", newline="")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)


if __name__ == "__main__":
    main()
