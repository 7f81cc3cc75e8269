"""The deployed service: the template's resources on stand-ins, and the binaries with exactly the settings that it gives."""

import contextlib
import json
import logging
import os
import re
import shlex
import socket
import threading
import urllib.request
import warnings

import boto3
from moto.backends import get_backend
from moto.server import ThreadedMotoServer
from rehearsal.machine import BINARIES, ROOT, TOOLS, Process, answers, free_ports, until
from solders.keypair import Keypair
from tests.stand_in import deploy, upload

# How a runtime API calls a function that it did not start itself.
FUNCTION = "_"
ACCOUNT, REGION = "123456789012", "eu-central-1"


class Cloud:
    """AWS, as far as a stand-in is it, with a record of every call and of who made it."""

    def __init__(self):
        warnings.simplefilter("ignore")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        os.environ["AWS_ENDPOINT_URL"] = self.url
        self.control("config", {"lambda": {"use_docker": False}})
        upload()

    def control(self, path, body=None):
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(f"{self.url}/moto-api/{path}", data, method="POST")
        with urllib.request.urlopen(request) as response:
            return response.read()

    def record(self):
        """Begins to keep every request."""
        self.control("recorder/start-recording")

    def recorded(self):
        """What was asked since, each with its headers."""
        with urllib.request.urlopen(f"{self.url}/moto-api/recorder/download-recording") as response:
            return [json.loads(line) for line in response.read().decode().splitlines() if line]

    def stop(self):
        self.server.stop()


class Mapping(threading.Thread):
    """The event source mapping, while it is enabled: nothing that stands in for Lambda polls as AWS does."""

    def __init__(self, stack, invoke_url):
        super().__init__(daemon=True)
        self.stack, self.invoke_url, self.ended = stack, invoke_url, threading.Event()
        self.sqs, self.aws_lambda = boto3.client("sqs"), boto3.client("lambda")

    def run(self):
        queue, mapping = self.stack.outputs["QueueUrl"], self.stack.outputs["SessionsMappingId"]
        while not self.ended.is_set():
            if self.aws_lambda.get_event_source_mapping(UUID=mapping)["State"] != "Enabled":
                self.ended.wait(0.2)
                continue
            received = self.sqs.receive_message(
                QueueUrl=queue,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            if messages := received.get("Messages", []):
                self.invoke(queue, messages)

    def invoke(self, queue, messages):
        event = json.dumps({"Records": [self.record(one) for one in messages]}).encode()
        try:
            with urllib.request.urlopen(self.invoke_url, event, timeout=40) as response:
                failures = {one["itemIdentifier"] for one in json.load(response)["batchItemFailures"]}
        except (OSError, ValueError, KeyError):
            return  # They come back when their visibility timeout is over.
        for one in messages:
            if one["MessageId"] not in failures:
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])

    def record(self, message):
        attributes = message.get("MessageAttributes", {})
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "md5OfBody": message["MD5OfBody"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: {"stringValue": one["StringValue"], "dataType": one["DataType"]} for name, one in attributes.items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": self.stack.outputs["QueueArn"],
            "awsRegion": REGION,
        }

    def stop(self):
        self.ended.set()
        self.join()


class Service:
    """A stack with its function and listener running."""

    def __init__(self, name, chain, folder):
        self.wallet = Keypair()
        chain.funded(self.wallet.pubkey(), 10)
        secret = boto3.client("secretsmanager").create_secret(
            Name=f"{name}-wallet", SecretString=json.dumps(list(bytes(self.wallet)))
        )
        self.stack = deploy(
            name,
            ProgramId=chain.factory,
            AllowedOwnerPrograms=chain.session_program,
            RpcUrl=chain.url,
            SigningSecretArn=secret["ARN"],
            WatchedWallets=str(self.wallet.pubkey()),
            ListenerImageTag="v1",
        )
        not_called_by_the_stand_in(self.stack)
        as_aws_would(self.stack.outputs["FunctionName"])
        self.folder = folder
        self.function = self.listener = self.mapping = None

    def environment(self, caller, variables):
        """The template's variables, and who calls."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SESSION_BUILDER_")}
        return kept | {"AWS_ACCESS_KEY_ID": caller, "AWS_REGION": REGION} | variables

    def start_function(self):
        configuration = boto3.client("lambda").get_function_configuration(FunctionName=self.stack.outputs["FunctionName"])
        port = free_ports(1)
        api = [TOOLS / "bin/cargo-lambda", "lambda", "watch", "--only-lambda-apis"]
        api += ["--invoke-address", "127.0.0.1", "--invoke-port", port]
        self.runtime_api = Process(api, self.folder / "runtime-api", directory=ROOT / "functions/create-accounts")
        until("the runtime API", 30, lambda: listens(port))
        variables = configuration["Environment"]["Variables"] | {
            "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt",
            "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
        }
        environment = self.environment("function", variables)
        self.function = Process([BINARIES / "create-accounts"], self.folder / "function", environment)
        self.mapping = Mapping(self.stack, f"http://127.0.0.1:{port}/2015-03-31/functions/{FUNCTION}/invocations")
        self.mapping.start()

    def start_listener(self):
        ecs, port = boto3.client("ecs"), free_ports(1)
        task = ecs.describe_task_definition(taskDefinition=self.stack.resources["ListenerTask"])["taskDefinition"]
        (container,) = task["containerDefinitions"]
        variables = {one["name"]: one["value"] for one in container["environment"]}
        variables |= {
            "SESSION_BUILDER__MONITORING__METRICS_PORT": str(port),
            "SESSION_BUILDER__MONITORING__HEALTH_CHECK_INTERVAL_SECS": "1",
            "SESSION_BUILDER__SERVICE__STATE_DIR": str(self.folder / "state"),
        }
        # A deployment's buckets are reached by TLS.
        variables |= {"AWS_ALLOW_HTTP": "true"}
        self.listener_environment = self.environment("listener", variables)
        self.listener = Process([BINARIES / "listener"], self.folder / "listener", self.listener_environment)
        until("a healthy listener", 60, lambda: answers(f"http://127.0.0.1:{port}/health"))

    def errand(self):
        """A program that does what the one-off task does: its settings, its role, and the words that it is given."""
        task = boto3.client("ecs").describe_task_definition(taskDefinition=self.stack.resources["Errand"])["taskDefinition"]
        (container,) = task["containerDefinitions"]
        assert container["entryPoint"] == ["/session-builder"], container["entryPoint"]
        variables = {one["name"]: one["value"] for one in container["environment"]}
        state = self.folder / "errand-state"
        state.mkdir(exist_ok=True)
        variables |= {"SESSION_BUILDER__SERVICE__STATE_DIR": str(state), "AWS_ALLOW_HTTP": "true"}
        given = [f"{name}={value}" for name, value in self.environment("errand", variables).items()]
        program = self.folder / "errand"
        program.write_text(f"#!/bin/sh\nexec env -i {shlex.join(given)} {BINARIES / 'session-builder'} \"$@\"\n")
        program.chmod(0o755)
        return program

    def stop(self):
        with contextlib.ExitStack() as stack:
            for part in (self.listener, self.mapping, self.function, getattr(self, "runtime_api", None)):
                if part:
                    stack.callback(part.stop)


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def not_called_by_the_stand_in(stack):
    """The stand-in would hand messages to a function of its own and delete them; the mapping here is the one that polls."""
    name = stack.outputs["QueueUrl"].rsplit("/", 1)[-1]
    get_backend("sqs")[ACCOUNT][REGION].queues[name].lambda_event_source_mappings.clear()


def as_aws_would(function):
    """Numbers as text and secrets by their value, which the stand-in leaves as they were written."""
    aws_lambda, secrets = boto3.client("lambda"), boto3.client("secretsmanager")

    def value(written):
        reference = re.fullmatch(r"{{resolve:secretsmanager:(.+):SecretString:::(.*)}}", str(written))
        return secrets.get_secret_value(SecretId=reference[1])["SecretString"] if reference else str(written)

    variables = aws_lambda.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    given = {name: value(written) for name, written in variables.items()}
    aws_lambda.update_function_configuration(FunctionName=function, Environment={"Variables": given})


def caller(request):
    """Who signed a recorded request, and for which service."""
    headers = {name.lower(): value for name, value in dict(request["headers"]).items()}
    credential = headers.get("authorization", "").partition("Credential=")[2].split(",")[0].split("/")
    return (credential[0], credential[3], headers) if len(credential) == 5 else (None, None, headers)
