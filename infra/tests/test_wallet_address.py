"""The custom resource that turns a KMS public key into a wallet's address: its code is run as it stands in the template."""

import sys
import types
import unittest

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.template import properties

# RFC 8032, section 7.1, test 1: a public key and its base58.
PUBLIC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
ADDRESS = "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"


def der(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Kms:
    """Answers as KMS does, with a key of our choice."""

    def __init__(self, public_key):
        self.public_key = public_key

    def get_public_key(self, KeyId):
        return {"PublicKey": self.public_key}


class WalletAddress(unittest.TestCase):
    def setUp(self):
        self.answers = []
        response = types.ModuleType("cfnresponse")
        response.SUCCESS, response.FAILED = "SUCCESS", "FAILED"
        response.send = lambda *answer, **more: self.answers.append((*answer[2:], more))
        boto3 = types.ModuleType("boto3")
        boto3.client = lambda service: self.kms
        replaced = {name: sys.modules.get(name) for name in ("boto3", "cfnresponse")}
        sys.modules.update(boto3=boto3, cfnresponse=response)
        self.code = {}
        try:
            exec(properties("WalletAddressFunction")["Code"]["ZipFile"], self.code)
        finally:
            for name, module in replaced.items():
                sys.modules.pop(name) if module is None else sys.modules.update({name: module})

    def ask(self, request, public_key):
        self.kms = Kms(public_key)
        self.code["handler"]({"RequestType": request, "ResourceProperties": {"KeyArn": "arn:key"}}, None)
        (answer,) = self.answers
        return answer

    def test_an_ed25519_key_has_an_address(self):
        key = der(ed25519.Ed25519PublicKey.from_public_bytes(PUBLIC_KEY))
        self.assertEqual(self.ask("Create", key), ("SUCCESS", {"Address": ADDRESS}, "arn:key", {}))

    def test_leading_zeros_are_ones(self):
        self.assertEqual(self.code["base58"](bytes(31) + b"\x01"), "1" * 31 + "2")

    def test_another_key_is_refused_by_name(self):
        status, _, _, more = self.ask("Create", der(ec.generate_private_key(ec.SECP256R1()).public_key()))
        self.assertEqual(status, "FAILED")
        self.assertIn("arn:key is no Ed25519 key", more["reason"])

    def test_a_deletion_asks_nobody(self):
        self.assertEqual(self.ask("Delete", b"")[0], "SUCCESS")
