"""How orders come into a task: rendered by Airflow, hidden from what it shows, read by one set of rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from airflow_provider_zuora.airflow_context.rendering import BaseLiteralTexts, has_jinja_marks
from airflow_provider_zuora.core.errors import InvalidInput
from airflow_provider_zuora.core.json_lines import read_items, read_orders
from airflow_provider_zuora.core.json_text import BrokenText, looks_like_path, read_json
from airflow_provider_zuora.exceptions import PermanentError
from airflow_provider_zuora.operators.order_file import OrderFile

if TYPE_CHECKING:
    import jinja2


class BaseOrderInput(BaseLiteralTexts):
    """
    An operator one field of which carries orders; a subclass says by `_hidden` what Airflow may show of it.

    The field is a template file where it is a text that looks like a path, ends in one of `template_ext` and
    is no URL. A text inside of an order is never a file, nor is a text that only ends like one.
    """

    hidden_field: ClassVar[str]

    def render_template(
        self,
        content: Any,
        context: Any,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """
        Return what Airflow makes of a template; a text that stands for an order, or for orders, stays a text.

        With ``render_template_as_native_obj`` Airflow would read it as Python, by other rules than ours. A
        template that is nothing but one object becomes that object.
        """
        env = jinja_env or self.get_template_env()
        given = getattr(self, self.hidden_field)
        if content is given and type(given) in (list, tuple):
            items = [self._item(each, context, env, seen_oids) for each in given]
            return items if isinstance(given, list) else tuple(items)
        if content is given and isinstance(given, str):
            return self._item(given, context, env, seen_oids)
        return super().render_template(content, context, env, seen_oids)

    def _item(
        self, content: Any, context: Any, env: jinja2.Environment, seen_oids: set[int] | None = None
    ) -> Any:
        if not isinstance(content, str):
            return super().render_template(content, context, env, seen_oids)
        if content.endswith(tuple(self.template_ext)):
            return _rendered(env.get_template(content), context)
        return _rendered(env.from_string(content), context) if has_jinja_marks(content, env) else content

    def resolve_template_files(self) -> None:
        """Let Airflow read a template file, where there is one: a key may be called like the file."""
        fields = self.template_fields
        self.template_fields = (self.hidden_field,)
        try:
            self._with_extensions(super().resolve_template_files)
        finally:
            self.template_fields = fields

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any
    ) -> None:
        """Hide secrets as soon as they are rendered, on the path of mapped tasks too; later is too late."""
        field = self.hidden_field
        if self._is_broken_file(parent, template_fields, *args, **kwargs):
            raise PermanentError(
                f"Nothing was sent.\n{field}: a template file is not UTF-8; save it as UTF-8. A gzipped file"
                " can be given as a pathlib.Path."
            )
        setattr(self, field, self._hidden(getattr(self, field)))

    def _is_broken_file(self, parent: Any, template_fields: Iterable[str], *args: Any, **kwargs: Any) -> bool:
        """Render, and return whether a template file is no UTF-8; Python's error would hold all of it."""
        from jinja2 import TemplateNotFound

        render = super()._do_render_template_fields
        fields = list(template_fields)
        of_orders = [name for name in fields if parent is self and name == self.hidden_field]
        others = [name for name in fields if name not in of_orders]
        try:
            self._with_extensions(render, parent, of_orders, *args, **kwargs)
            self._with_extensions(render, parent, others, *args, none=True, **kwargs)
        except TemplateNotFound as error:
            raise PermanentError(
                f"Nothing was sent.\n{self.hidden_field}: there is no template file {error.name}; Airflow"
                " looks for it beside the DAG file and in template_searchpath. A"
                " pathlib.Path is read as it is."
            ) from error
        except UnicodeDecodeError:
            return True
        return False

    def _hidden(self, given: Any) -> Any:
        raise NotImplementedError

    def _with_extensions(self, call: Any, *args: Any, none: bool = False, **kwargs: Any) -> None:
        """Call what renders, while there are template files only where the orders may be one."""
        extensions: Sequence[str] = self.template_ext
        given = getattr(self, self.hidden_field)
        if none or not (isinstance(given, str) and looks_like_path(given) and "://" not in given):
            self.template_ext = ()
        try:
            call(*args, **kwargs)
        finally:
            self.template_ext = extensions


def is_path(given: object) -> TypeGuard[str | PathLike[str]]:
    """Return whether an input is the path of a file; a path object always is one."""
    if isinstance(given, str):
        return looks_like_path(given)
    return isinstance(given, PathLike) or (hasattr(given, "protocol") and hasattr(given, "read_bytes"))


def read_order(given: object) -> Mapping[str, Any]:
    """
    Return the one order that an input holds.

    :raises InvalidInput: where it is none; it is not quoted.
    """
    content = OrderFile("order", given).read() if is_path(given) else given
    try:
        order = read_json(content) if isinstance(content, (str, bytes)) else content
    except BrokenText as error:
        bare_word = isinstance(content, str) and "{" not in content
        hint = "; nor does it look like a path (a pathlib.Path always is one)" if bare_word else ""
        raise _wrong(f"order: {error}{hint}") from None
    if not isinstance(order, Mapping):
        raise _wrong(f"order: must be an object or its JSON text, not of type {type(order).__name__}")
    return order


def read_list(given: Any) -> tuple[Any, list[str]]:
    """
    Return the orders that an input holds, and how messages call them where they are lines.

    :raises InvalidInput: where they are none; they are not quoted. What is no list is for the hook to refuse.
    """
    if is_path(given):
        given = OrderFile("orders", given).read()
    if isinstance(given, (str, bytes)):
        return read_orders(given)
    return (read_items(given) if isinstance(given, (list, tuple)) else given), []


def refused_file(path: object, orders: object) -> OrderFile | None:
    """
    Return the file for refused orders, None where there is none.

    :raises InvalidInput: where it is no path, or the file of the orders under whatever name.
    """
    if path is None or path == "":
        return None
    if isinstance(path, str) and path != path.strip():
        raise _wrong("refused_path: must be a path without white space at its ends")
    if not isinstance(path, str) and not is_path(path):
        raise _wrong(f"refused_path: must be a path, not of type {type(path).__name__}")
    refused = OrderFile("refused_path", path)
    if is_path(orders) and refused.is_same_as(OrderFile("orders", orders)):
        raise _wrong("refused_path: must not be the file of the orders")
    return refused


def _wrong(rule: str) -> InvalidInput:
    return InvalidInput("Nothing was sent.", (rule,))


def _rendered(template: jinja2.Template, context: Any) -> Any:
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
