"""Whether an event is as OpenLineage defines it: by the classes of its client, and ours by their schemas."""

from __future__ import annotations

import importlib
import json
import pkgutil
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
from jsonschema import Draft202012Validator
from openlineage.client import generated
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.generated.base import BaseFacet, Dataset
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parents[1] / "docs" / "openlineage"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
BASE = {"type": "object", "required": ["_producer", "_schemaURL"]}


def _list_facets() -> Iterator[type[BaseFacet]]:
    for module in pkgutil.iter_modules(generated.__path__):
        for kind in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(kind, type) and issubclass(kind, BaseFacet):
                yield kind


FACETS = {kind._get_schema(): kind for kind in _list_facets()}


def check_event(event: Mapping[str, Any]) -> None:
    """Raise if an event, or one of its facets, is not valid."""
    run, job = event["run"], event["job"]
    RunEvent(
        eventType=RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=Run(run["runId"]),
        job=Job(job["namespace"], job["name"]),
        producer=event["producer"],
    )
    assert event["schemaURL"].startswith("https://openlineage.io/spec/")
    check_facets(run["facets"])
    check_facets(job["facets"])
    for dataset in event.get("inputs", []) + event.get("outputs", []):
        assert Dataset(dataset["namespace"], dataset["name"])
        for name in ("facets", "inputFacets", "outputFacets"):
            check_facets(dataset.get(name, {}))


def check_facets(facets: Mapping[str, Mapping[str, Any]]) -> None:
    for name, facet in facets.items():
        assert facet["_producer"].startswith("https://"), name
        url = facet["_schemaURL"]
        if "/airflow-provider-zuora/" in url:
            check_own(name, facet)
        else:
            assert url in FACETS, f"{name}: {url}"
            if not url.startswith(f"{SPEC}#"):  # else a facet of Airflow's, which has no class there
                check_type(facet, FACETS[url], name)


def check_own(name: str, facet: Mapping[str, Any]) -> None:
    """Validate a facet of ours with the schema that its URL leads to."""
    path, _, pointer = facet["_schemaURL"].partition("#")
    schema = json.loads((SCHEMAS / Path(path).name).read_text())
    assert schema["properties"][name] == {"$ref": f"#{pointer}"}
    bases = {"$schema": schema["$schema"], "$defs": {"RunFacet": BASE, "JobFacet": BASE}}
    registry: Registry[Any] = Registry().with_resource(SPEC, Resource.from_contents(bases))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, registry=registry).validate({name: facet})
    [known] = [
        part["properties"] for part in schema["$defs"][Path(path).stem]["allOf"] if "properties" in part
    ]
    assert set(facet) - {"_producer", "_schemaURL"} <= set(known)


def check_type(value: Any, kind: Any, name: str) -> None:
    """Raise if a value of JSON is not of a type as the client's classes state it."""
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, types.UnionType):
        kinds = [each for each in inside if each is not type(None)]
        if value is not None:
            check_type(value, kinds[0], name) if len(kinds) == 1 else None
    elif attr.has(kind):
        hints, fields = get_type_hints(kind), {field.name: field for field in attr.fields(kind)}
        assert set(value) <= set(fields), name
        needed = {each for each, field in fields.items() if field.default is attr.NOTHING}
        assert needed <= set(value), name
        for each, member in value.items():
            check_type(member, hints[each], f"{name}.{each}")
    elif origin is list:
        for member in value:
            check_type(member, inside[0], name)
    elif origin is dict:
        for member in value.values():
            check_type(member, inside[1], name)
    else:
        assert isinstance(value, kind), f"{name}: {value!r} is no {kind}"
