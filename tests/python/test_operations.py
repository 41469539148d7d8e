"""What operators rely on: figures, health, reflection, an end in order."""

import subprocess

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICES = ["kinfold.v1.AdminService", "kinfold.v1.ExplainService", "kinfold.v1.IngestService", "kinfold.v1.LookupService", "kinfold.v1.QueryService", "kinfold.v1.WatchService"]


def test_figures(api, admin, family):
    stats = admin.GetStats(api.GetStatsRequest())
    assert stats.sequence == family
    assert (stats.identifiers, stats.links, stats.persons, stats.households) == (8, 8, 3, 1)
    assert (stats.records, stats.observations, stats.held_back_links) == (3, 4, 0)
    namespaces = {it.namespace: it.identifiers for it in stats.namespaces}
    assert namespaces == {"account": 3, "address": 1, "device": 0, "email": 3, "phone": 1}
    assert [(it.source, it.observations) for it in stats.sources] == [("crm", 3), ("shop", 1)]
    assert stats.server_version


@pytest.mark.parametrize("service", [""] + SERVICES)
def test_health_speaks_for_each_service(server, service):
    health = health_pb2_grpc.HealthStub(server.channel)
    status = health.Check(health_pb2.HealthCheckRequest(service=service)).status
    assert status == health_pb2.HealthCheckResponse.SERVING


def test_health_knows_no_other_service(server):
    with pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(server.channel).Check(health_pb2.HealthCheckRequest(service="kinfold.v1.Nothing"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_is_enough_to_make_a_call(server, family):
    """Without any proto: services, messages and their fields come from the server alone."""
    database = ProtoReflectionDescriptorDatabase(server.channel)
    listed = set(database.get_services())
    assert listed >= {*SERVICES, "grpc.health.v1.Health"}
    pool = descriptor_pool.DescriptorPool(database)
    methods = {name: sorted(it.name for it in pool.FindServiceByName(name).methods) for name in SERVICES}
    by_hand = ["Forbid", "Forget", "Readmit", "Release", "Require", "Retract"]
    assert methods["kinfold.v1.IngestService"] == sorted([*by_hand, "GetOutcome", "Observe", "ObserveStream"])
    assert methods["kinfold.v1.QueryService"] == ["Parse", "Query"]
    assert methods["kinfold.v1.ExplainService"] == ["Assert", "History", "How", "Network", "WhatIf", "Why", "WhyNot"]

    method = pool.FindServiceByName("kinfold.v1.LookupService").FindMethodByName("ResolvePerson")
    request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    resolve = server.channel.unary_unary(
        "/kinfold.v1.LookupService/ResolvePerson",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    message = request()
    message.person.identifier.namespace = "email"
    message.person.identifier.value = "ann@example.com"
    answer = resolve(message)
    assert answer.sequence == family
    assert answer.person.identifier_count == 3


def test_an_unknown_method_is_unimplemented(server):
    call = server.channel.unary_unary("/kinfold.v1.LookupService/Nothing")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_garbage_is_refused(server):
    call = server.channel.unary_unary("/kinfold.v1.LookupService/ResolvePerson")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff\xff")
    assert caught.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)


def test_a_message_that_is_too_large_is_refused(api, server, ingest):
    large = api.ObserveRequest(request_id="x" * (5 << 20))
    with pytest.raises(grpc.RpcError) as caught:
        ingest.Observe(large)
    assert caught.value.code() in (grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_values_stay_out_of_the_log(server):
    for value in ["ann@example.com", "bob@example.com", "a-1", "123456", "elm 1"]:
        assert value not in server.log().lower()


def test_the_end_is_in_order(binary, api, make, tmp_path):
    """Health says so first, what is written is there afterwards, and the exit status is 0."""
    from conftest import Server

    server = Server(binary, tmp_path)
    ingest = api.IngestServiceStub(server.channel)
    receipt = ingest.Observe(api.ObserveRequest(observations=[make.seen("account:1", "device:1")])).receipt
    watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    server._process.terminate()
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert server.stop() == 0
    told = subprocess.run([binary, "check", "--store", server.store], stdout=subprocess.PIPE, text=True)
    assert (told.returncode, "nothing wrong" in told.stdout) == (0, True)
    text = "MATCH (i:account) RETURN i.value AS value"
    rows = subprocess.run(
        [binary, "query", "--store", server.store, "--format", "json", text], stdout=subprocess.PIPE, text=True
    )
    assert rows.stdout == '{"value":"1"}\n'
    assert receipt.sequence == 1
