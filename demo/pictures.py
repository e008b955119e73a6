"""The pictures of the docs: a real Airflow's web page, with what the sandbox makes; `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from demo.processes import StackError
from demo.sandbox import ServedSandbox
from demo.stack import AirflowStack
from demo.web_page import WebPage

CHECKOUT = Path(__file__).resolve().parent.parent
IMAGES = CHECKOUT / "docs" / "images"
DAG_ID, RUN_ID = "zuora_mapped_orders", "sales-12"
ORDER = f"{DAG_ID}-{RUN_ID}-3"
# Of the log, what this provider says: beside it are Airflow's own lines.
_LOGGER = "airflow.task.operators.airflow_provider_zuora.operators.orders.ZuoraCreateOrderOperator"
SOURCES = (_LOGGER, "airflow_provider_zuora.core.submission.post")
PAGE = "https://zuora.example.com/orders/{order_number}"
LOG = "s3://audit@company-audit/zuora"
GUARD = '{"expect_environment": "production", "max_orders": 500, "max_amount": "10000", "currency": "USD"}'
# As a user's who has moved the border, and wants the lines of the log whole and without the time.
_LAYOUT = '{{"details-panel,main-panel":{{"expandToSizes":{{}},"layout":[{},{}]}}}}'
_STORED = {
    "react-resizable-panels:graph-ltr": _LAYOUT.format(50, 50),
    "log_wrap": "true",
    "log_show_timestamp": "false",
}


def take_connection(web: WebPage, images: Path) -> None:
    """Fill the form, which is never saved."""
    fields = {
        "OAuth client ID": "YOUR_CLIENT_ID",
        "OAuth client secret": "YOUR_CLIENT_SECRET",
        "Port": "443",
    }
    web.resize(920)
    form = web.fill_connection("Zuora", "zuora_default", fields)
    web.take(images / "connection.png", form)
    web.open_extra(form)
    form.get_by_label("Environment").fill("EU Prod")
    web.page.get_by_role("option", name="EU Production").click()
    web.take(images / "connection-extra.png", form, height=640)
    web.fill_extra(form, "Submission log", LOG)
    web.fill_extra(form, "Guard", GUARD)
    web.resize(460)
    web.show_extra("Submission log")
    web.take(images / "connection-guard.png")


def take_tasks(web: WebPage, images: Path) -> None:
    """Show a run of mapped tasks, and one of these: its button and its log."""
    run = ("dags", DAG_ID, "runs", RUN_ID)
    web.resize(690)
    web.open(*run, "tasks", "create", "mapped")
    web.page.get_by_role("button", name="Show Graph").click()
    web.page.get_by_role("link", name=ORDER).wait_for()
    web.take(images / "mapped-orders.png")
    web.resize(600)
    web.page.get_by_role("button", name="Show Grid").click()
    web.open_task(ORDER)
    web.read_log(f"Order {ORDER} completed")
    web.page.goto(f"{web.page.url}?{urlencode({'log_source': SOURCES}, doseq=True)}")
    web.read_log(f"Order {ORDER} completed")
    web.take(images / "task-log.png")
    web.open_tab("Details")
    web.page.get_by_role("link", name="Open Zuora").wait_for()
    web.take(images / "task-button.png")


def take_all(web: WebPage, images: Path) -> None:
    """
    Take all pictures.

    :param web: of an Airflow that is connected to a sandbox; its run of `DAG_ID` has ended well.
    """
    images.mkdir(parents=True, exist_ok=True)
    web.store(_STORED)
    take_connection(web, images)
    take_tasks(web, images)


def write(images: Path) -> None:
    """Start everything and write the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (
            ServedSandbox(place / "sandbox.log", "--job-seconds", "5") as sandbox,
            AirflowStack(place / "airflow", CHECKOUT / "example_dags") as stack,
            WebPage(stack.url, place / "browser") as web,
        ):
            stack.cli(*sandbox.connection(ui_url=PAGE))
            state = stack.wait_run(DAG_ID, stack.trigger(DAG_ID, run_id=RUN_ID), timeout=400)
            if state != "success":
                raise StackError(f"the run ended as {state}")
            take_all(web, images)


def main() -> int:
    """Write the pictures into docs/images/."""
    try:
        write(IMAGES)
    except StackError as error:
        print(f"make screenshots: {error}", file=sys.stderr)
        return 1
    print(f"The pictures are in {IMAGES.relative_to(CHECKOUT)}; look at them", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
