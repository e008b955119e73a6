"""How orders come into a task: Airflow renders them as texts, and shows no secret in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_zuora.airflow_context.receipts import BaseReportingTask
from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts, has_jinja_marks
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_text import BrokenText, is_path_text, read_json
from airflow_provider_zuora.core.vendors.zuora.order_secrets import (
    Redacted,
    list_secrets,
    mask_secrets,
    redact,
    unredact,
)
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_errors
from airflow_provider_zuora.guards import GuardedTask
from airflow_provider_zuora.hooks.zuora import LogPath, ZuoraHook
from airflow_provider_zuora.links import ZuoraLink
from airflow_provider_zuora.operators.base import BaseJobOperator
from airflow_provider_zuora.operators.order_file import is_path, read_order
from airflow_provider_zuora.version_compat import mask_secret

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class BaseOrderInput(BaseLiteralTexts, GuardedTask, BaseReportingTask):
    """
    An operator one field of which holds orders; a subclass names it.

    The field is a template file if it is a text that looks like a path, ends in one of `template_ext` and is
    no URL. A text in an order is never a file, nor is a text that only ends like one.
    """

    hook_class = ZuoraHook
    order_field: ClassVar[str]
    zuora_conn_id: str
    submission_log: LogPath = None
    template_fields_renderers: ClassVar[dict[str, str]] = {"order": "json", "orders": "json"}
    ui_color = "#d5ecd4"
    operator_extra_links = (ZuoraLink(),)

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same all through a task."""
        return ZuoraHook(self.zuora_conn_id, self.submission_log, self.rendered_guard)

    def note_input(self) -> None:
        """Note the file that the orders come from, if they come from one."""
        if is_path(orders := getattr(self, self.order_field)):
            self.note_read(orders)

    def render_template(
        self, content: Any, context: Any, jinja_env: jinja2.Environment | None = None, seen_oids: Any = None
    ) -> Any:
        """
        Return what Airflow makes of a template; a text that holds an order, or orders, stays a text.

        With ``render_template_as_native_obj`` Airflow would read it as Python, by other rules than ours. A
        template that is nothing but one object becomes that object.
        """
        env = jinja_env or self.get_template_env()
        orders = getattr(self, self.order_field)
        if content is orders and type(orders) in (list, tuple):
            return type(orders)([self._render_item(item, context, env, seen_oids) for item in orders])
        if content is orders and isinstance(orders, str):
            return self._render_item(orders, context, env, seen_oids)
        return super().render_template(content, context, env, seen_oids)

    def _render_item(self, content: Any, context: Any, env: jinja2.Environment, seen_oids: Any) -> Any:
        if not isinstance(content, str):
            return super().render_template(content, context, env, seen_oids)
        if content.endswith(tuple(self.template_ext)):
            return _render(env.get_template(content), context)
        return _render(env.from_string(content), context) if has_jinja_marks(content, env) else content

    def resolve_template_files(self) -> None:
        """Let Airflow read a template file, if there is one: a key may be called like the file."""
        fields = self.template_fields
        self.template_fields = (self.order_field,)
        try:
            with self._limit_files(self.order_field):
                super().resolve_template_files()
        finally:
            self.template_fields = fields

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        """Redact secrets as soon as they are rendered, on the path of mapped tasks too; later is too late."""
        from jinja2 import TemplateNotFound

        field, is_utf8 = self.order_field, True
        try:
            for name in template_fields:
                with self._limit_files(name if parent is self else ""):
                    super()._do_render_template_fields(parent, [name], *args, **kwargs)
        except TemplateNotFound as error:
            raise PermanentError(
                f"Nothing was sent.\n{field}: there is no template file {error.name}; Airflow looks for it"
                " beside the DAG file and in template_searchpath. A pathlib.Path is read as it is."
            ) from error
        except UnicodeDecodeError:  # it holds the whole file, and must not be the context of our error
            is_utf8 = False
        if not is_utf8:
            raise PermanentError(
                f"Nothing was sent.\n{field}: a template file is not UTF-8; save it as UTF-8. A gzipped file"
                " can be given as a pathlib.Path."
            )
        setattr(self, field, self._redact_input(getattr(self, field)))

    @contextmanager
    def _limit_files(self, field: str) -> Iterator[None]:
        """Allow a template file for one field, the orders, and only if they look like its path."""
        extensions: Sequence[str] = self.template_ext
        orders = getattr(self, field) if field == self.order_field else None
        if not (isinstance(orders, str) and is_path_text(orders) and "://" not in orders):
            self.template_ext = ()
        try:
            yield
        finally:
            self.template_ext = extensions

    def _parse(self, text: str | bytes) -> Any:
        return read_json(text)

    def _redact_input(self, value: Any) -> Any:
        """Return what Airflow may show of the field: a path as it is, and of orders what is no secret."""
        value = unredact(value)
        if value is None or is_path(value):
            return value
        try:
            orders = self._parse(value) if isinstance(value, (str, bytes)) else value
        except (BrokenText, InvalidInput):
            return Redacted(value)
        # What a mapped task has pushed is a Sequence of Airflow's own.
        is_list = isinstance(orders, Sequence) and not isinstance(orders, str)
        orders = list(orders) if is_list else orders
        mask_secrets(orders, mask_secret)
        return list(map(_redact_order, orders)) if is_list else _redact_order(orders)


def _redact_order(order: Any) -> Any:
    """Redact the secrets of an order, and all of what is no object: it cannot be searched for them."""
    return redact(order, str) if isinstance(order, Mapping) else Redacted(order)


def _render(template: jinja2.Template, context: Any) -> Any:
    """Return the one object that a template makes beside white space, else its text."""
    env, context = template.environment, copy(context)
    context.update((name, value) for name, value in template.globals.items() if name not in context)
    names = env.context_class(env, context, template.name or "", template.blocks)
    made: list[Any] = list(template.root_render_func(names))
    values = [value for value in made if not (isinstance(value, str) and not value.strip())]
    if len(values) == 1 and not isinstance(values[0], str):
        return values[0]
    return "".join(map(str, made))


class BaseOrderOperator(BaseOrderInput, BaseJobOperator):
    """An operator that sends one order: reads it once a try, and keeps its secrets out of all messages."""

    order_field = "order"
    template_fields: Sequence[str] = ("order", "zuora_conn_id")
    template_ext: Sequence[str] = (".json",)
    order: Any
    _order: Mapping[str, Any] | None = None  # as this try has read it

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same all through a task; its messages are free of the order's secrets."""
        hook = ZuoraHook(self.zuora_conn_id, self.submission_log, self.rendered_guard)
        hook.values_to_hide = list_secrets(self._read_order())
        return hook

    def execute(self, context: Context) -> Any:
        """Read the order, once: its file may be gone or changed when the order has been sent."""
        with self.reporting(context):
            self._order = self._read_order()
            self.note_input()
            try:
                return self._execute(context)
            finally:
                self._order = None

    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        """Conclude from the trigger's event; Zuora has the order by now, also if its file is gone."""
        with self.reporting(context):
            try:
                self._order = self._read_order()
            except (PermanentError, TransientError) as error:
                self.log.warning("Of its values only numbers of cards and accounts are hidden now: %s", error)
                self._order = {}
            self.note_input()
            self.notes.add_order(expected or {})
            try:
                return super().execute_complete(context, event, expected)
            finally:
                self._order = None  # OpenLineage can be set to write all fields of a task into its events

    def _read_order(self) -> Mapping[str, Any]:
        if self._order is not None:
            return self._order
        order = unredact(self.order)
        if isinstance(order, Mapping):
            return order  # it was masked when it was rendered
        with convert_errors():
            order = read_order(order)
        mask_secrets(order, mask_secret)
        return order
