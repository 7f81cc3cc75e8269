"""The functions that run while the stack is made or changed: their code, as it stands in the template."""

import sys
import types
import unittest
from unittest import mock

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.template import properties

# RFC 8032, section 7.1, test 1: a public key and its base58.
PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
ADDRESS = "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"
REFUSED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "Any")


def der(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Aws:
    """Answers as a service does, after some refusals."""

    exceptions = types.SimpleNamespace(ClientError=ClientError)

    def __init__(self, answer, refusals=0):
        self.answer, self.refusals, self.asked = answer, refusals, 0

    def ask(self, **_):
        self.asked += 1
        if self.asked <= self.refusals:
            raise REFUSED
        return self.answer

    get_public_key = publish_version = ask


class CustomResource(unittest.TestCase):
    """Runs a function's code with a service and CloudFormation's answer of our own."""

    function = None

    def setUp(self):
        self.answers, self.pauses = [], []
        response = types.ModuleType("cfnresponse")
        response.SUCCESS, response.FAILED = "SUCCESS", "FAILED"
        response.send = lambda *answer, **more: self.answers.append((*answer[2:], more))
        boto3 = types.ModuleType("boto3")
        boto3.client = lambda service: self.aws
        self.code = {}
        if self.function:
            with mock.patch.dict(sys.modules, boto3=boto3, cfnresponse=response):
                exec(properties(self.function)["Code"]["ZipFile"], self.code)
            self.code["time"] = types.SimpleNamespace(sleep=self.pauses.append)

    def ask(self, request, aws, **given):
        self.aws = aws
        self.code["handler"]({"RequestType": request, "ResourceProperties": given}, None)
        (answer,) = self.answers
        return answer


class WalletAddress(CustomResource):
    function = "WalletAddressFunction"

    def wallet(self, public_key, refusals=0, request="Create"):
        return self.ask(request, Aws({"PublicKey": public_key}, refusals), KeyArn="arn:key")

    def test_an_ed25519_key_has_an_address(self):
        key = der(ed25519.Ed25519PublicKey.from_public_bytes(PUBLIC_KEY))
        self.assertEqual(self.wallet(key), ("SUCCESS", {"Address": ADDRESS}, "arn:key", {}))

    def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(self):
        key = der(ed25519.Ed25519PublicKey.from_public_bytes(PUBLIC_KEY))
        self.assertEqual(self.wallet(key, refusals=3)[0], "SUCCESS")
        self.assertEqual(self.pauses, [2, 4, 8])

    def test_it_answers_before_its_own_time_is_over(self):
        self.assertEqual(self.wallet(b"", refusals=99)[0], "FAILED")
        self.assertLess(sum(self.pauses), properties(self.function)["Timeout"])

    def test_leading_zeros_are_ones(self):
        self.assertEqual(self.code["base58"](bytes(31) + b"\x01"), "1" * 31 + "2")

    def test_another_key_is_refused_by_name(self):
        status, _, _, more = self.wallet(der(ec.generate_private_key(ec.SECP256R1()).public_key()))
        self.assertEqual(status, "FAILED")
        self.assertIn("arn:key is no Ed25519 key", more["reason"])

    def test_a_deletion_asks_nobody(self):
        self.assertEqual(self.wallet(b"", request="Delete")[0], "SUCCESS")
        self.assertEqual(self.aws.asked, 0)


class LiveVersion(CustomResource):
    function = "LiveVersionFunction"

    def test_a_change_is_published_and_named(self):
        answer = self.ask("Update", Aws({"Version": "7"}, refusals=1), FunctionName="create-accounts")
        self.assertEqual(answer, ("SUCCESS", {"Version": "7"}, "create-accounts", {}))
        self.assertEqual(self.pauses, [2])

    def test_what_lambda_says_is_passed_on(self):
        status, _, _, more = self.ask("Create", Aws({}, refusals=99), FunctionName="create-accounts")
        self.assertEqual(status, "FAILED")
        self.assertIn("not authorized", more["reason"])

    def test_a_deletion_publishes_nothing(self):
        self.assertEqual(self.ask("Delete", Aws({}), FunctionName="create-accounts")[0], "SUCCESS")
        self.assertEqual(self.aws.asked, 0)
