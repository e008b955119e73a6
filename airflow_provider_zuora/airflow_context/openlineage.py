"""What OpenLineage is told of a task: only its provider, where that is installed, leads to this module."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import metadata
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.sqlparser import SQLParser
from attrs import define
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    RunFacet,
    external_query_run,
    output_statistics_output_dataset,
    schema_dataset,
    sql_job,
)

from airflow_provider_zuora import __version__
from airflow_provider_zuora.airflow_context.lineage import FilePlace, FileUse, TaskLineage
from airflow_provider_zuora.core.receipt import PATH_LENGTH, Receipt, read_word
from airflow_provider_zuora.core.redaction import redact_words
from airflow_provider_zuora.core.secret_search import Secrets

DIALECT = "trino"  # of Data Query, by Zuora's page "Data Query"
MOST_QUERY = 100_000  # characters of a query; brokers of events refuse what is very long
_MOST_COLUMNS = 1000
_DISTRIBUTION = "airflow-provider-zuora"


def _find_source() -> str:
    """Return the address of the repository: whose a facet is, and where its schema stands."""
    urls = metadata(_DISTRIBUTION).get_all("Project-URL") or ()
    return next((url.partition(", ")[2] for url in urls if url.startswith("Source, ")), "")


_SOURCE = _find_source()
PRODUCER = f"{_SOURCE}/tree/v{__version__}"


def _locate_schema(name: str) -> str:
    return f"{_SOURCE}/raw/v{__version__}/docs/openlineage/{name}.json#/$defs/{name}"


@define
class ZuoraTaskJobFacet(JobFacet):
    """What a task submits or waits for, the same in all of its runs."""

    vendor: str
    kind: str
    conn_id: str

    @staticmethod
    def _get_schema() -> str:
        return _locate_schema("ZuoraTaskJobFacet")


@define
class ZuoraReceiptRunFacet(RunFacet):
    """The receipt of one run of a task; ``facts`` are its numbers, ids and counts by their names."""

    kind: str
    state: str
    facts: dict[str, Any]
    counts: dict[str, int]
    codes: list[str]
    job_id: str | None = None
    seconds: float | None = None
    polls: int | None = None
    track_id: str | None = None

    @staticmethod
    def _get_schema() -> str:
        return _locate_schema("ZuoraReceiptRunFacet")


def describe(task: TaskLineage) -> OperatorLineage[Any, Any]:
    """Return what a task does, and, if it has ended, what it came to, what it read and what it wrote."""
    own = ZuoraTaskJobFacet(vendor=task.vendor, kind=task.kind, conn_id=task.conn_id, producer=PRODUCER)
    job_facets: dict[str, JobFacet] = {"zuora_task": own}
    run_facets: dict[str, RunFacet] = {}
    if task.receipt:
        run_facets["zuora_receipt"] = _describe_receipt(task.receipt)
    inputs = [_describe_input(use, task.secrets) for use in task.read]
    if task.query and task.base_url:  # else nothing knows what the query may not show
        query = redact_words(task.query.replace("\r\n", "\n"), MOST_QUERY, task.secrets, kept="\n\t")
        job_facets["sql"] = sql_job.SQLJobFacet(query=query)
        source = f"{task.vendor}://{urlsplit(task.base_url).netloc}"
        if task.receipt and task.receipt.job_id:
            run_facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(
                externalQueryId=task.receipt.job_id, source=source
            )
        inputs += [InputDataset(source, name) for name in _list_tables(task.query, task.secrets)]
    return OperatorLineage(
        inputs=[dataset for dataset in inputs if dataset],
        outputs=[dataset for use in task.written if (dataset := _describe_output(use, task.secrets))],
        run_facets=run_facets,
        job_facets=job_facets,
    )


def _describe_receipt(receipt: Receipt) -> ZuoraReceiptRunFacet:
    facts = {name: list(fact) if isinstance(fact, tuple) else fact for name, fact in receipt.facts.items()}
    return ZuoraReceiptRunFacet(
        kind=receipt.kind,
        state=receipt.state,
        facts=facts,
        counts=dict(receipt.counts),
        codes=list(receipt.codes),
        job_id=receipt.job_id or None,
        seconds=receipt.seconds,
        polls=receipt.polls,
        track_id=receipt.track_id or None,
        producer=PRODUCER,
    )


def _list_tables(query: str, secrets: Secrets) -> Iterator[str]:
    """Yield the names of the tables that a query reads, as OpenLineage's parser finds them."""
    parsed = SQLParser(dialect=DIALECT).parse(query) if len(query) <= MOST_QUERY else None
    for table in parsed.in_tables if parsed else ():
        if name := read_word(table.qualified_name, secrets):
            yield name


def _name_file(use: FileUse, secrets: Secrets) -> tuple[str, str] | None:
    place = FilePlace.find(use.path)
    names = [read_word(name, secrets, PATH_LENGTH) for name in place.dataset] if place else []
    return (names[0], names[1]) if names and all(names) else None


def _describe_input(use: FileUse, secrets: Secrets) -> InputDataset | None:
    names = _name_file(use, secrets)
    return InputDataset(*names) if names else None


def _describe_output(use: FileUse, secrets: Secrets) -> OutputDataset | None:
    names = _name_file(use, secrets)
    if not names:
        return None
    columns = [word for each in use.columns[:_MOST_COLUMNS] if (word := read_word(each, secrets))]
    fields = [schema_dataset.SchemaDatasetFacetFields(name=word) for word in columns]
    facets: dict[str, DatasetFacet] = (
        {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)} if fields else {}
    )
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=use.rows, size=use.size
    )
    return OutputDataset(*names, facets=facets, outputFacets={"outputStatistics": statistics})
