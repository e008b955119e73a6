"""How orders come into a task: Airflow renders them as texts, and shows nothing that is secret in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts, has_jinja_marks
from airflow_provider_zuora.core.json_text import BrokenText, looks_like_path, read_json
from airflow_provider_zuora.core.vendors.zuora.order_secrets import (
    Redacted,
    list_secrets,
    mask_secrets,
    redact,
    unredact,
)
from airflow_provider_zuora.exceptions import PermanentError, TransientError, convert_errors
from airflow_provider_zuora.hooks.zuora import ZuoraHook
from airflow_provider_zuora.operators.base import BaseJobOperator
from airflow_provider_zuora.operators.order_file import is_path, read_order

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context


class BaseOrderInput(BaseLiteralTexts):
    """
    An operator one field of which carries orders; a subclass names it.

    The field is a template file if it is a text that looks like a path, ends in one of `template_ext` and is
    no URL. A text inside of an order is never a file, nor is a text that only ends like one.
    """

    order_field: ClassVar[str]

    def render_template(
        self,
        content: Any,
        context: Any,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """
        Return what Airflow makes of a template; a text that holds an order, or orders, stays a text.

        With ``render_template_as_native_obj`` Airflow would read it as Python, by other rules than ours. A
        template that is nothing but one object becomes that object.
        """
        env = jinja_env or self.get_template_env()
        orders = getattr(self, self.order_field)
        if content is orders and type(orders) in (list, tuple):
            items = [self._render_item(item, context, env, seen_oids) for item in orders]
            return items if isinstance(orders, list) else tuple(items)
        if content is orders and isinstance(orders, str):
            return self._render_item(orders, context, env, seen_oids)
        return super().render_template(content, context, env, seen_oids)

    def _render_item(
        self, content: Any, context: Any, env: jinja2.Environment, seen_oids: set[int] | None = None
    ) -> Any:
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
            self._with_extensions(super().resolve_template_files)
        finally:
            self.template_fields = fields

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        """Redact secrets as soon as they are rendered, on the path of mapped tasks too; later is too late."""
        field = self.order_field
        # An error of Python's about the encoding holds the whole file; it must not be the context of ours.
        if not self._render_fields(parent, list(template_fields), *args, **kwargs):
            raise PermanentError(
                f"Nothing was sent.\n{field}: a template file is not UTF-8; save it as UTF-8. A gzipped file"
                " can be given as a pathlib.Path."
            )
        setattr(self, field, self._redact_input(getattr(self, field)))

    def _render_fields(self, parent: Any, fields: list[str], *args: Any, **kwargs: Any) -> bool:
        """Render; return False if a template file is not UTF-8."""
        from jinja2 import TemplateNotFound

        render = super()._do_render_template_fields
        order_fields = [name for name in fields if parent is self and name == self.order_field]
        others = [name for name in fields if name not in order_fields]
        try:
            self._with_extensions(render, parent, order_fields, *args, **kwargs)
            self._with_extensions(render, parent, others, *args, none=True, **kwargs)
        except TemplateNotFound as error:
            raise PermanentError(
                f"Nothing was sent.\n{self.order_field}: there is no template file {error.name}; Airflow"
                " looks for it beside the DAG file and in template_searchpath. A"
                " pathlib.Path is read as it is."
            ) from error
        except UnicodeDecodeError:
            return False
        return True

    def _with_extensions(self, call: Any, *args: Any, none: bool = False, **kwargs: Any) -> None:
        """Call what renders, with template files allowed only if the orders may be one."""
        extensions: Sequence[str] = self.template_ext
        orders = getattr(self, self.order_field)
        if none or not (isinstance(orders, str) and looks_like_path(orders) and "://" not in orders):
            self.template_ext = ()
        try:
            call(*args, **kwargs)
        finally:
            self.template_ext = extensions

    def _redact_input(self, value: Any) -> Any:
        """Return what Airflow may show of the field: a path as it is, and of orders what is no secret."""
        value = unredact(value)
        if is_path(value):
            return value
        orders = _parse(value)
        self._mask(orders)
        if isinstance(orders, (list, tuple)):
            return [_redact_order(order) for order in orders]
        return value if value is None else _redact_order(orders)

    def _mask(self, orders: Any) -> None:
        """Let Airflow mask the secrets of orders in its logs; our own words hold none."""
        mask_secrets(orders, mask_secret)


class BaseOrderOperator(BaseOrderInput, BaseJobOperator):
    """
    An operator that sends one order: reads it once a try, and keeps its secrets out of what the hook says.

    :param order: the body of the call, as a dict, as JSON text, as the path of a ``.json`` file that Airflow
        finds as a template, or as a path object or another path, read as it is when the task runs
        (docs/orders.md); checked against Zuora's documented rules before it is sent. Values that are secrets
        (card, security code, bank account) are hidden from the rendered-template page and the logs; do not
        write them into the DAG file, Airflow shows that as it is.
    :param zuora_conn_id: the Airflow connection.
    """

    hook_class = ZuoraHook
    order_field = "order"
    template_fields: Sequence[str] = ("order", "zuora_conn_id")
    template_ext: Sequence[str] = (".json",)
    template_fields_renderers = {"order": "json"}  # noqa: RUF012 - Airflow's own form

    def __init__(
        self,
        *,
        order: Mapping[str, Any] | str | PathLike[str],
        zuora_conn_id: str = ZuoraHook.default_conn_name,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.order: Any = order
        self.zuora_conn_id = zuora_conn_id
        self._order: Mapping[str, Any] | None = None  # as this try has read it

    @cached_property
    def hook(self) -> ZuoraHook:
        """Return the hook, the same for a whole task; its messages are free of the order's secrets."""
        hook = ZuoraHook(self.zuora_conn_id)
        hook.values_to_hide = list_secrets(self._read_order())
        return hook

    def execute(self, context: Context) -> Any:
        """Read the order, once: a file may be gone or changed by the time the order has been sent."""
        self._order = self._read_order()
        try:
            return super().execute(context)
        finally:
            self._order = None

    def execute_complete(
        self, context: Context, event: Any = None, expected: Mapping[str, str] | None = None
    ) -> Any:
        """Conclude from the trigger's event; Zuora has the order by now, also if its file is gone."""
        try:
            self._order = self._read_order()
        except (PermanentError, TransientError) as error:
            self.log.warning("Of its values only numbers of cards and accounts are hidden now: %s", error)
            self._order = {}
        return super().execute_complete(context, event, expected)

    def _read_order(self) -> Mapping[str, Any]:
        """Return the order as it is sent, secrets included."""
        if self._order is not None:
            return self._order
        order = unredact(self.order)
        if isinstance(order, Mapping):
            return order  # it was masked when it was rendered
        with convert_errors():
            order = read_order(order)
        self._mask(order)
        return order


def _redact_order(order: Any) -> Any:
    """Redact the secrets of an order, and all of what is no object: it cannot be searched for them."""
    return redact(order, str) if isinstance(order, Mapping) else Redacted(order)


def _parse(orders: Any) -> Any:
    """Return orders given as JSON as objects, anything else as it is."""
    try:
        return read_json(orders) if isinstance(orders, (str, bytes)) else orders
    except BrokenText:
        return orders


def _render(template: jinja2.Template, context: Any) -> Any:
    """
    Return the one object that a template makes beside white space, else its text.

    As Airflow's own it copies the context and reads nothing of it that the template does not.
    """
    env, context = template.environment, copy(context)
    context.update((name, value) for name, value in template.globals.items() if name not in context)
    made: list[Any] = list(
        template.root_render_func(env.context_class(env, context, template.name or "", template.blocks))
    )
    values = [value for value in made if not (isinstance(value, str) and not value.strip())]
    if len(values) == 1 and not isinstance(values[0], str):
        return values[0]
    return "".join(map(str, made))
