#!/usr/bin/env python3
"""Recomputes metrics from exported events alone, for comparison with QueryMetrics.

    mainstay watch --json --from earliest > events.jsonl     (end it when it has caught up)
    tests/oracle.py events.jsonl '{"metric": "time_to_resolve", "groupBy": ["team"],
                                   "interval": {"endTime": "2012-06-01T00:00:00Z"}}'

A question is a QueryMetricsRequest in canonical JSON, as an argument or as a
line of the standard input; the answer is a line with the QueryMetricsResponse,
without its cursor. Windows must be closed: an oracle does not know what time
it is. Shares no code with the suite; integers only.
"""
import json
import re
import sys
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
OPEN = {"NEW", "IN_PROGRESS", "ON_HOLD", "MITIGATED"}
DONE = {"RESOLVED", "CLOSED"}
MONTH = 30 * 86_400 * 10**6
VARIANTS = {"time_to_resolve": ["gross_last", "gross_first", "net_of_holds"], "reopen_rate": [""], "backlog_age": [""]}


def micros(text):
    """Microseconds since the epoch of an RFC 3339 time."""
    whole, fraction, zone = re.fullmatch(r"([^.]*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text).groups()
    since = datetime.fromisoformat(whole + zone.replace("Z", "+00:00")) - EPOCH
    return (since.days * 86_400 + since.seconds) * 10**6 + int((fraction or "").ljust(6, "0")[:6])


def rfc3339(us):
    """The time as canonical JSON writes it."""
    text = (EPOCH + timedelta(seconds=us // 10**6)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    part = us % 10**6
    return text + (f".{part:06d}".removesuffix("000") if part else "") + "Z"


def word(incident, field, prefix=""):
    """A reference's slug or an enum's short name; empty when it is not there."""
    return incident.get(field, "").rpartition("/")[2].removeprefix(prefix).replace("UNSPECIFIED", "")


def histories(lines):
    """Per incident, in the order of the log: (time, state, {dimension: value})."""
    found = {}
    for line in lines:
        event = json.loads(line)["event"]
        incident = event["data"].get("incident")
        if event["source"] != "incident" or incident is None or "/comments/" in event["subject"]:
            continue
        dimensions = {
            "service": word(incident, "service"),
            "team": word(incident, "team"),
            "impact": word(incident, "impact", "IMPACT_"),
        }
        state = word(incident, "state", "INCIDENT_STATE_")
        found.setdefault(event["subject"], []).append((micros(event["occurTime"]), state, dimensions))
    return list(found.values())


def resolutions(history):
    """Places of the steps from open, or from nothing, into done."""
    return [
        place
        for place, (_, state, _) in enumerate(history)
        if state in DONE and (place == 0 or history[place - 1][1] in OPEN)
    ]


def held(history, end):
    """Time on hold before an instant."""
    ends = [later[0] for later in history[1:]] + [end]
    return sum(
        max(0, min(until, end) - since)
        for (since, state, _), until in zip(history, ends)
        if state == "ON_HOLD" and since < end
    )


def time_to_resolve(history, start, end, variant):
    history = [point for point in history if point[0] < end]
    places = resolutions(history)
    if not places or history[-1][1] not in DONE:
        return None
    created, first, last = history[0][0], history[places[0]][0], history[places[-1]][0]
    if last < start:
        return None
    value = {"gross_last": last - created, "gross_first": first - created, "net_of_holds": last - created - held(history, last)}
    return history[-1][2], value[variant]


def reopen_rate(history, start, end, _):
    history = [point for point in history if point[0] < end]
    places = resolutions(history)
    if not places or history[places[0]][0] < start:
        return None
    first = history[places[0]][0]
    again = [
        point[0]
        for before, point in zip(history[places[0]:], history[places[0] + 1:])
        if before[1] in DONE and point[1] in OPEN
    ]
    counts = any(at <= first + MONTH for at in again)
    return history[-1][2], (int(counts), 1, int(not again and end <= first + MONTH))


def backlog_age(history, instant):
    history = [point for point in history if point[0] <= instant]
    if not history or history[-1][1] not in OPEN:
        return None
    return history[-1][2], instant - history[0][0]


def rounded(number, by):
    """number / by, half away from zero; what is rounded here is never negative."""
    return (2 * number + by) // (2 * by)


def distribution(values):
    values = sorted(values)
    n = len(values)
    if n == 0:
        return {}
    rank = lambda percent: str(rounded(values[(percent * n + 99) // 100 - 1], 1000))
    figures = {f"p{percent}Ms": rank(percent) for percent in (50, 75, 90, 95)}
    return {"n": str(n), "meanMs": str(rounded(sum(values), 1000 * n)), **figures, "maxMs": rank(100)}


def ratio(parts):
    sums = [sum(column) for column in zip(*parts)] or [0, 0, 0]
    names = ["numerator", "denominator", "nProvisional"]
    return {name: str(number) for name, number in zip(names, sums) if number}


def answer(log, question):
    metric = question["metric"]
    variant = question.get("variant") or VARIANTS[metric][0]
    by = question.get("groupBy", [])
    said = {"metric": metric, **({"variant": variant} if variant else {})}
    if metric == "backlog_age":
        instant = micros(question["asOf"])
        said["asOf"] = rfc3339(instant)
        members = [backlog_age(history, instant) for history in log]
    else:
        asked = question["interval"]
        start = micros(asked["startTime"]) if "startTime" in asked else -(10**30)
        end = micros(asked["endTime"])
        said["interval"] = {name: rfc3339(micros(text)) for name, text in asked.items()}
        compute = time_to_resolve if metric == "time_to_resolve" else reopen_rate
        members = [compute(history, start, end, variant) for history in log]
    groups = {} if by else {(): []}
    for dimensions, value in filter(None, members):
        groups.setdefault(tuple(dimensions[name] for name in by), []).append(value)
    kind, figure = ("ratio", ratio) if metric == "reopen_rate" else ("distribution", distribution)
    said["groups"] = [
        {**({"keys": list(keys)} if keys else {}), kind: figure(groups[keys])}
        for keys in sorted(groups, key=lambda keys: [key.encode() for key in keys])
    ]
    return {name: value for name, value in said.items() if value != []}


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        log = histories(lines)
    for question in sys.argv[2:] or sys.stdin:
        print(json.dumps(answer(log, json.loads(question))), flush=True)


if __name__ == "__main__":
    main()
