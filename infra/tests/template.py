"""The SAM template in the forms that the checks need: as written, expanded into plain CloudFormation, and deployed."""

import functools
import json
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

INFRA = Path(__file__).parents[1]
ROOT = INFRA.parent
SOURCE = INFRA / "template.yaml"
# What nobody can deploy without.
PROGRAMS = {
    "ProgramId": "Factory1111111111111111111111111111111111111",
    "AllowedOwnerPrograms": "Sess1on111111111111111111111111111111111111",
}


class NoManagedPolicies:
    """The template names none of AWS's managed policies; expanding it must not need their list."""

    def load(self):
        return {}


@functools.cache
def _expanded(parameters):
    template = yaml_parse(SOURCE.read_text())
    # What `sam deploy` puts here after it has uploaded the zip.
    template["Resources"]["CreateAccounts"]["Properties"]["CodeUri"] = "s3://artifacts/create-accounts.zip"
    return json.dumps(transform(template, dict(parameters), NoManagedPolicies()))


def expanded(**parameters):
    """A fresh copy of the template as CloudFormation gets it."""
    return json.loads(_expanded(tuple(sorted((PROGRAMS | parameters).items()))))


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


def references(value):
    """Names of the parameters and resources that a value is made of."""
    if isinstance(value, list):
        return {name for item in value for name in references(item)}
    if not isinstance(value, dict):
        return set()
    if set(value) == {"Ref"}:
        return {value["Ref"]}
    if set(value) == {"Fn::GetAtt"}:
        return {value["Fn::GetAtt"][0]}
    if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return {part.split("}")[0].split(".")[0] for part in value["Fn::Sub"].split("${")[1:]}
    if set(value) == {"Fn::If"}:
        return conditions()[value["Fn::If"][0]] | references(value["Fn::If"][1:])
    return {name for item in value.values() for name in references(item)}


@functools.cache
def conditions():
    """The parameters behind each condition."""
    found, written = {}, expanded()["Conditions"]

    def behind(value):
        if isinstance(value, list):
            return {name for item in value for name in behind(item)}
        if not isinstance(value, dict):
            return set()
        if "Condition" in value:
            return behind(written[value["Condition"]])
        return {value["Ref"]} if "Ref" in value else {name for item in value.values() for name in behind(item)}

    for name, value in written.items():
        found[name] = behind(value)
    return found


def resolved(**parameters):
    """The expanded template with its conditions decided: no Fn::If is left, and no resource that is not made."""
    template = expanded(**parameters)
    values = {name: one.get("Default") for name, one in template["Parameters"].items()} | PROGRAMS | parameters

    def holds(condition):
        ((operator, operands),) = condition.items()
        if operator == "Condition":
            return holds(template["Conditions"][operands])
        if operator == "Fn::Equals":
            left, right = (values[one["Ref"]] if isinstance(one, dict) else one for one in operands)
            return str(left) == str(right)
        decided = [holds(one) for one in operands]
        return {"Fn::Not": lambda: not decided[0], "Fn::And": lambda: all(decided), "Fn::Or": lambda: any(decided)}[operator]()

    def decide(value):
        if isinstance(value, list):
            return [made for item in value if (made := decide(item)) != {"Ref": "AWS::NoValue"}]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Fn::If"}:
            name, yes, no = value["Fn::If"]
            return decide(yes if holds(template["Conditions"][name]) else no)
        made = {key: decide(item) for key, item in value.items()}
        return {key: item for key, item in made.items() if item != {"Ref": "AWS::NoValue"}}

    for part in ("Resources", "Outputs"):
        made = {
            name: one
            for name, one in template[part].items()
            if "Condition" not in one or holds(template["Conditions"][one["Condition"]])
        }
        template[part] = {name: decide({k: v for k, v in one.items() if k != "Condition"}) for name, one in made.items()}
    return template
