"""The JSON type of each part of an order, checked once, so that no rule has to; pure functions.

Source: "Create an order asynchronously" of Zuora's v1 API reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from zuora_sandbox.actions import BODIES
from zuora_sandbox.answers import Violation

Shape: TypeAlias = "dict[str, Shape] | list[Shape] | str"

NAMES: dict[type, str] = {dict: "an object", list: "an array", str: "text"}
ACTION_BODY: Shape = {"terms": {"initialTerm": {"termType": ""}}, "subscriptionNumber": ""}
ACTION: Shape = {
    "type": "",
    "changeReason": "",
    "triggerDates": [{"name": "", "triggerDate": ""}],
    **dict.fromkeys(BODIES.values(), ACTION_BODY),
}
ORDER: Shape = {
    "orderNumber": "",
    "orderDate": "",
    "existingAccountNumber": "",
    "existingAccountId": "",
    "description": "",
    "reasonCode": "",
    "category": "",
    "externallyManagedBy": "",
    "customFields": {"Sandbox__c": ""},
    "newAccount": {"accountNumber": "", "name": "", "currency": "", "billToContact": {}, "creditCard": {}},
    "subscriptions": [{"subscriptionNumber": "", "orderActions": [ACTION]}],
    "orderLineItems": [{"itemNumber": ""}],
    "processingOptions": {"billingOptions": {}},
    "previewOptions": {"previewThruType": "", "previewTypes": [""]},
    "previewAccountInfo": {},
}


def check_shape(value: Any, shape: Shape, name: str = "the order") -> Iterator[Violation]:
    """
    Check the JSON types of a value and its parts, and yield the violations.

    :param shape: an object of shapes, an array of one shape, or text; null is allowed outside of arrays.
    :param name: the name of the value in a violation.
    """
    if isinstance(shape, dict) and isinstance(value, dict):
        for key, inner in shape.items():
            if value.get(key) is not None:
                yield from check_shape(value[key], inner, key)
    elif isinstance(shape, list) and isinstance(value, list):
        for each in value:
            yield from check_shape(each, shape[0], f"each of {name}")
    elif not (isinstance(shape, str) and isinstance(value, str)):
        yield Violation(20, f"{name} must be {NAMES[type(shape)]}.")
