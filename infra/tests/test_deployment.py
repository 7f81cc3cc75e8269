"""The queues, deployed to a local CloudFormation and read back from its SQS."""

import json
import logging
import unittest

import boto3
from moto.server import ThreadedMotoServer

from tests.template import expanded

# The stand-in has neither queue policies nor redrive allow policies; test_queue.py asserts ours on the template.
QUEUE_PART = ("Queue", "DeadLetterQueue")


def queue_part():
    """The template without what the stand-in does not know."""
    template = expanded()
    template["Resources"] = {name: template["Resources"][name] for name in QUEUE_PART}
    template["Outputs"] = {name: out for name, out in template["Outputs"].items() if "Queue" in name}
    return json.dumps({key: value for key, value in template.items() if key not in ("Rules", "Metadata")})


class Deployment(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.server.start()
        host, port = cls.server.get_host_and_port()
        cls.aws = {service: boto3.client(service, endpoint_url=f"http://{host}:{port}") for service in ("cloudformation", "sqs")}

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def deploy(self, stack, **parameters):
        formation = self.aws["cloudformation"]
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        formation.create_stack(StackName=stack, TemplateBody=queue_part(), Parameters=given)
        (made,) = formation.describe_stacks(StackName=stack)["Stacks"]
        self.assertEqual(made["StackStatus"], "CREATE_COMPLETE")
        return {out["OutputKey"]: out["OutputValue"] for out in made["Outputs"]}

    def attributes(self, url):
        return self.aws["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    def test_the_defaults_deploy_and_read_back(self):
        outputs = self.deploy("defaults")
        queue = self.attributes(outputs["QueueUrl"])
        dead_letters = self.attributes(outputs["DeadLetterQueueUrl"])
        redrive = json.loads(queue["RedrivePolicy"])
        self.assertEqual(int(redrive["maxReceiveCount"]), 5)
        self.assertEqual(redrive["deadLetterTargetArn"], dead_letters["QueueArn"])
        self.assertEqual(queue["VisibilityTimeout"], "180")
        kept = [attributes["MessageRetentionPeriod"] for attributes in (queue, dead_letters)]
        self.assertEqual(kept, ["604800", "1209600"])
        for attributes in (queue, dead_letters):
            self.assertEqual(attributes["SqsManagedSseEnabled"].lower(), "true")

    def test_a_longer_timeout_brings_its_visibility_along(self):
        outputs = self.deploy("longer", FunctionTimeoutSeconds="60")
        self.assertEqual(self.attributes(outputs["QueueUrl"])["VisibilityTimeout"], "360")

    def test_a_message_is_a_dead_letter_after_five_receives(self):
        outputs = self.deploy("redrive")
        sqs, url = self.aws["sqs"], outputs["QueueUrl"]
        sent = sqs.send_message(QueueUrl=url, MessageBody="fails for ever")["MessageId"]
        counts = []
        # The sixth receive finds nothing: it moves the message.
        for _ in range(6):
            received = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0, AttributeNames=["All"])
            counts += [one["Attributes"]["ApproximateReceiveCount"] for one in received.get("Messages", [])]
        self.assertEqual(counts, ["1", "2", "3", "4", "5"])
        (dead,) = sqs.receive_message(QueueUrl=outputs["DeadLetterQueueUrl"])["Messages"]
        self.assertEqual(dead["MessageId"], sent)
