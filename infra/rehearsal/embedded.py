"""CloudWatch's embedded metric format: what a line has to be, and which metrics CloudWatch makes of it."""

import json

# It comes with cfn-lint.
import jsonschema

SECOND = ["Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Count"]
UNITS = [*SECOND, *(f"{one}/Second" for one in SECOND), "Seconds", "Microseconds", "Milliseconds", "Percent", "None"]


def text(longest):
    return {"type": "string", "minLength": 1, "maxLength": longest}


# As AWS publishes it ("Specification: Embedded metric format" in CloudWatch's guide, read in November 2026).
METRIC = {
    "type": "object",
    "required": ["Name"],
    "properties": {"Name": text(1024), "Unit": {"enum": UNITS}, "StorageResolution": {"enum": [1, 60]}},
    "additionalProperties": False,
}
DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "properties": {
        "Namespace": text(1024),
        "Dimensions": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "minItems": 1, "maxItems": 30, "items": text(250)},
        },
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": METRIC},
    },
    "additionalProperties": False,
}
LINE = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 1_500_000_000_000},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": DIRECTIVE},
            },
        }
    },
}
VALUE = {"anyOf": [{"type": "number"}, {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "number"}}]}


def extracted(line):
    """What CloudWatch makes of a line: namespace, name and dimensions of each metric, with its value."""
    document = json.loads(line)
    jsonschema.validate(document, LINE)
    made = {}
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            # What is named has to stand beside it.
            for name in dimensions:
                jsonschema.validate(document[name], text(1024))
            for metric in directive["Metrics"]:
                jsonschema.validate(document[metric["Name"]], VALUE)
                key = (directive["Namespace"], metric["Name"], frozenset((name, document[name]) for name in dimensions))
                made[key] = document[metric["Name"]]
    return made


def lines(output):
    """Those of a program's lines that are in this format."""
    return [line for line in output.splitlines() if line.startswith("{") and '"_aws"' in line]
