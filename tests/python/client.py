"""A client that was made from the image alone: creates, watches over a restart
of the server, meets a stale etag, pages and filters.

    client.py STUBS ADDRESS TOKEN_FILE

Prints RESTART when the server is to be restarted, and waits for a line on its
standard input that says that it was. Ends with 0 when everything held.
"""
import sys
import uuid

STUBS, ADDRESS, TOKEN_FILE = sys.argv[1:]
sys.path.insert(0, STUBS)

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from mainstay.event.v1 import event_service_pb2 as log
from mainstay.event.v1.event_service_pb2_grpc import EventServiceStub
from mainstay.incident.v1 import incident_events_pb2 as happened
from mainstay.incident.v1 import incident_pb2 as pb
from mainstay.incident.v1 import incident_service_pb2 as api
from mainstay.incident.v1.incident_service_pb2_grpc import IncidentServiceStub

with open(TOKEN_FILE, encoding="utf-8") as file:
    METADATA = (("authorization", "Bearer " + file.read().strip()),)
CALL = {"metadata": METADATA, "timeout": 60, "wait_for_ready": True}

FILTER = log.EventFilter(types=["mainstay.incident.v1.*"])

channel = grpc.insecure_channel(ADDRESS)
incidents = IncidentServiceStub(channel)
events = EventServiceStub(channel)


def create(title, service, impact=pb.IMPACT_MEDIUM):
    incident = pb.Incident(title=title, service=service, impact=impact)
    request = api.CreateIncidentRequest(incident=incident, request_id=str(uuid.uuid4()))
    return incidents.CreateIncident(request, **CALL)


def refusal(call, request):
    """Code, reason, metadata and details of the refusal that a call must meet."""
    try:
        call(request, **CALL)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        details = {}
        for detail in status.details:
            message = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
            assert detail.Unpack(message), detail.TypeName()
            details[detail.TypeName()] = message
        info = details["google.rpc.ErrorInfo"]
        assert info.domain == "mainstay", info
        return error.code(), info.reason, dict(info.metadata), details
    raise AssertionError(f"{request} was not refused")


def creates_once():
    incident = pb.Incident(title="Mail is down", service="mail", impact=pb.IMPACT_HIGH)
    request = api.CreateIncidentRequest(incident=incident, request_id=str(uuid.uuid4()))
    first, call = incidents.CreateIncident.with_call(request, **CALL)
    assert first.incident.number.startswith("INC-"), first
    assert first.incident.state == pb.INCIDENT_STATE_NEW
    assert "resolve" in first.incident.available_verbs, first.incident.available_verbs
    assert dict(call.initial_metadata()).get("idempotent-replayed") is None
    again, call = incidents.CreateIncident.with_call(request, **CALL)
    assert again.incident.name == first.incident.name
    assert again.cursor == first.cursor
    assert dict(call.initial_metadata()).get("idempotent-replayed") == "true"
    return first.incident


def meets_a_stale_etag(incident):
    read = incidents.GetIncident(api.GetIncidentRequest(name=incident.number), **CALL).incident
    assert read == incident, (read, incident)
    assigned = incidents.AssignIncident(
        api.AssignIncidentRequest(name=read.name, team="messaging", etag=read.etag), **CALL
    ).incident
    assert assigned.team.endswith("/teams/messaging") and assigned.etag != read.etag
    stale = api.AssignIncidentRequest(name=read.name, team="network", etag=read.etag)
    code, reason, metadata, _ = refusal(incidents.AssignIncident, stale)
    assert (code, reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH"), (code, reason)
    assert metadata == {"resource": read.name, "currentEtag": assigned.etag}, metadata


def reads_typed_details():
    code, reason, _, details = refusal(incidents.CreateIncident, api.CreateIncidentRequest(incident=pb.Incident()))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED")
    fields = [violation.field for violation in details["google.rpc.BadRequest"].field_violations]
    assert fields == ["incident.title"], fields
    incident = create("Printer on fire", "printing").incident
    code, reason, metadata, details = refusal(incidents.ResumeIncident, api.ResumeIncidentRequest(name=incident.name))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "VERB_NOT_ALLOWED")
    assert metadata["verb"] == "resume" and "start" in metadata["openVerbs"].split(","), metadata
    assert "google.rpc.PreconditionFailure" in details
    missing = "organizations/default/incidents/0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"
    code, reason, metadata, _ = refusal(incidents.GetIncident, api.GetIncidentRequest(name=missing))
    assert (code, reason, metadata) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", {"resource": missing})


def pages_and_filters():
    made = [create(f"Payment {number} failed", "payments").incident.name for number in range(25)]
    urgent = create("No payments at all", "payments", pb.IMPACT_CRITICAL).incident.name
    request = api.ListIncidentsRequest(
        page_size=10, filter='service == "payments" && state in [NEW, IN_PROGRESS]', order_by="create_time"
    )
    seen, sizes = [], []
    while True:
        page = incidents.ListIncidents(request, **CALL)
        seen += [incident.name for incident in page.incidents]
        sizes.append(len(page.incidents))
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert seen == made + [urgent], seen
    assert sizes == [10, 10, 6], sizes
    request = api.ListIncidentsRequest(filter='service == "payments" && impact == CRITICAL')
    assert [incident.name for incident in incidents.ListIncidents(request, **CALL).incidents] == [urgent]
    wrong = api.ListIncidentsRequest(filter='colour == "red"')
    code, reason, metadata, _ = refusal(incidents.ListIncidents, wrong)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FILTER_INVALID")
    assert metadata["token"] == "colour" and metadata["position"] == "0", metadata


def watches_over_a_restart():
    """Every event once and in order, though the stream breaks in the middle."""
    seen = []
    cursor = watch(log.Start(point=log.START_POINT_EARLIEST), seen, lambda: created("No payments at all", seen))
    print("RESTART", flush=True)
    assert sys.stdin.readline() == "RESTARTED\n"
    create("After the restart", "mail")
    watch(log.Start(cursor=cursor), seen, lambda: created("After the restart", seen))
    sequences = [event.sequence for event in seen]
    assert sequences == list(range(1, len(seen) + 1)), sequences
    assert len({event.event.id for event in seen}) == len(seen)
    page = events.ListEvents(log.ListEventsRequest(page_size=500, filter=FILTER), **CALL)
    assert list(page.events) == seen


def watch(start, seen, enough):
    """Watches until it is enough; returns the cursor of what was processed last.
    A stream that ends, for whatever reason, is taken up where it ended."""
    while True:
        stream = events.WatchEvents(log.WatchEventsRequest(start=start, filter=FILTER), **CALL)
        try:
            for response in stream:
                seen += response.events.events
                start = log.Start(cursor=response.cursor)
                if enough():
                    stream.cancel()
                    return response.cursor
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error


def created(title, seen):
    message = happened.IncidentCreated()
    return any(logged.event.data.Unpack(message) and message.incident.title == title for logged in seen)


incident = creates_once()
meets_a_stale_etag(incident)
reads_typed_details()
pages_and_filters()
watches_over_a_restart()
print("HELD", flush=True)
