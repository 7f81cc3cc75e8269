"""CloudFormation, SQS, DynamoDB and the others, in this process (moto): the template deployed as far as they know it."""

import contextlib
import io
import json
import warnings
import zipfile

import boto3
from moto import mock_aws
from moto.cloudformation.parsing import get_model_map

from tests.template import PROGRAMS, resolved

# Resources that run code of ours while the stack is made; test_custom_resources.py runs that code.
CUSTOM = {"WalletAddress": "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z", "LiveVersion": "1"}


def unknown(template):
    """Names of the resources whose types the stand-in's CloudFormation does not make."""
    return {name for name, resource in template["Resources"].items() if resource["Type"] not in get_model_map()}


def without(value, absent):
    """A value in which the absent resources are words."""
    if isinstance(value, list):
        return [without(item, absent) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("Ref") in absent:
        return CUSTOM.get(value["Ref"], f"stand-in-{value['Ref']}")
    if "Fn::GetAtt" in value and value["Fn::GetAtt"][0] in absent:
        return CUSTOM.get(value["Fn::GetAtt"][0], f"arn:aws:stand-in:::{value['Fn::GetAtt'][0]}")
    if isinstance(value.get("Fn::Sub"), str):
        text = value["Fn::Sub"]
        for name in absent:
            text = text.replace(f"${{{name}}}", f"stand-in-{name}").replace(f"${{{name}.Arn}}", f"arn:aws:stand-in:::{name}")
        return {"Fn::Sub": text}
    return {key: without(item, absent) for key, item in value.items()}


def deployable(template):
    """The template without what the stand-in does not make."""
    absent = unknown(template)
    resources = {name: without(resource, absent) for name, resource in template["Resources"].items() if name not in absent}
    for resource in resources.values():
        if isinstance(resource.get("DependsOn"), list):
            resource["DependsOn"] = [name for name in resource["DependsOn"] if name not in absent]
        elif resource.get("DependsOn") in absent:
            del resource["DependsOn"]
    # It knows no aliases; AWS would answer a name in small letters.
    resources["Sessions"]["Properties"]["FunctionName"] = {"Ref": "CreateAccounts"}
    resources["Repository"]["Properties"]["RepositoryName"] = {"Fn::Sub": "${AWS::StackName}-listener"}
    kept = {key: value for key, value in template.items() if key not in ("Rules", "Metadata")}
    return kept | {"Resources": resources, "Outputs": without(template["Outputs"], absent)}


class Stack:
    """A deployed template."""

    def __init__(self, name, template, parameters):
        self.name = name
        formation = boto3.client("cloudformation")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in (PROGRAMS | parameters).items()]
        formation.create_stack(StackName=name, TemplateBody=json.dumps(template), Parameters=given)
        (made,) = formation.describe_stacks(StackName=name)["Stacks"]
        self.status = made["StackStatus"]
        self.outputs = {out["OutputKey"]: out["OutputValue"] for out in made["Outputs"]}
        listed = formation.describe_stack_resources(StackName=name)["StackResources"]
        self.resources = {one["LogicalResourceId"]: one.get("PhysicalResourceId") for one in listed}


def upload():
    """Puts the function's zip where the template looks for it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("bootstrap", "the function")
    storage = boto3.client("s3")
    region = {"LocationConstraint": storage.meta.region_name}
    storage.create_bucket(Bucket="artifacts", CreateBucketConfiguration=region)
    storage.put_object(Bucket="artifacts", Key="create-accounts.zip", Body=content.getvalue())


@contextlib.contextmanager
def aws():
    """The stand-in in this process, empty but for the function's uploaded zip."""
    with warnings.catch_warnings(), mock_aws(config={"lambda": {"use_docker": False}}):
        warnings.simplefilter("ignore")
        upload()
        yield


def deploy(name, **parameters):
    """Deploys what the stand-in makes of the template."""
    return Stack(name, deployable(resolved(**parameters)), parameters)
