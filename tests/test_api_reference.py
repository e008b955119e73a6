"""The options that the reference describes are those of the signatures, both ways."""

from __future__ import annotations

import inspect
import re

import pytest

from tests.test_metadata import PUBLIC

PACKAGE = "airflow_provider_zuora"


def documented(docstring):
    return re.findall(r"^ *:param (\w+):", docstring or "", re.MULTILINE)


def named_parameters(function):
    parameters = inspect.signature(function).parameters.values()
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [each.name for each in parameters if each.kind not in variable and each.name != "self"]


def list_methods():
    """Return the public methods of each public hook, wherever they are defined."""
    for path, kind in PUBLIC.items():
        if ".hooks." not in path:
            continue
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and method.__module__.startswith(PACKAGE):
                yield pytest.param(method, id=f"{kind.__name__}.{name}")


@pytest.mark.parametrize("path", PUBLIC)
def test_the_options_of_a_class_are_those_of_its_signature(path):
    kind = PUBLIC[path]
    [owner, *_] = [each for each in kind.__mro__ if "__init__" in vars(each)]
    told = documented(owner.__doc__)
    assert sorted(told) == sorted(named_parameters(owner.__init__))
    assert set(told) <= set(inspect.signature(kind).parameters)


@pytest.mark.parametrize("method", list(list_methods()))
def test_the_options_of_a_method_are_those_of_its_signature(method):
    told = documented(method.__doc__)
    in_one_line = "\n" not in inspect.getdoc(method)
    assert sorted(told) == ([] if in_one_line else sorted(named_parameters(method)))
