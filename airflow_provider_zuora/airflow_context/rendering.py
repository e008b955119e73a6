"""An option is rendered only if it holds Jinja marks; any other text stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

if TYPE_CHECKING:
    import jinja2


class BaseLiteralTexts(BaseOperator):
    """An operator whose texts without Jinja marks stay as they are, under native rendering too."""

    def render_template(
        self, content: Any, context: Any, jinja_env: jinja2.Environment | None = None, seen_oids: Any = None
    ) -> Any:
        """
        Return what Airflow makes of a template, and any other text untouched.

        With ``render_template_as_native_obj`` Airflow reads every text as Python: ``1_000`` would be 1000.
        Jinja alone drops a line break at the end of a text, and a carriage return before one.
        """
        env = jinja_env or self.get_template_env()
        if (
            isinstance(content, str)
            and not content.endswith(tuple(self.template_ext))
            and not has_jinja_marks(content, env)
        ):
            return content
        if isinstance(content, Path) and not hasattr(content, "protocol"):
            return Path(str(self.render_template(str(content), context, env, seen_oids)))
        return super().render_template(content, context, env, seen_oids)


def has_jinja_marks(text: str, env: jinja2.Environment) -> bool:
    """Return whether Jinja would do anything with a text."""
    starts = (env.block_start_string, env.variable_start_string, env.comment_start_string)
    prefixes = (env.line_statement_prefix, env.line_comment_prefix)
    return any(mark and mark in text for mark in (*starts, *prefixes))
