"""The SAM template in the forms that the checks need: as written, and expanded into plain CloudFormation."""

import functools
import json
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

INFRA = Path(__file__).parents[1]
ROOT = INFRA.parent
SOURCE = INFRA / "template.yaml"


class NoManagedPolicies:
    """The template names none of AWS's managed policies; expanding it must not need their list."""

    def load(self):
        return {}


@functools.cache
def _expanded():
    template = yaml_parse(SOURCE.read_text())
    # What `sam deploy` puts here after it has uploaded the zip.
    template["Resources"]["CreateAccounts"]["Properties"]["CodeUri"] = "s3://artifacts/create-accounts.zip"
    return json.dumps(transform(template, {}, NoManagedPolicies()))


def expanded():
    """A fresh copy of the template as CloudFormation gets it."""
    return json.loads(_expanded())


def properties(name):
    """What the expanded template says of one resource."""
    return expanded()["Resources"][name]["Properties"]


def of_type(kind):
    """Names of the resources of a type."""
    return [name for name, resource in expanded()["Resources"].items() if resource["Type"] == kind]


def branches(value):
    """A value, or all that Fn::If may make of it."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        return [leaf for branch in value["Fn::If"][1:] for leaf in branches(branch)]
    return [] if value == {"Ref": "AWS::NoValue"} else [value]
