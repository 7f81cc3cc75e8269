"""The event files for `cargo lambda invoke`: as AWS sends them, and right or wrong on purpose."""

import hashlib
import json
import re
import unittest

from tests.template import ROOT

FOLDER = ROOT / "functions/create-accounts/events"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def decode(text):
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def on_curve(point):
    """Whether 32 bytes are a point of ed25519, which no derived address may be (RFC 8032, section 5.1.3)."""
    y = int.from_bytes(point, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return square == 0 or pow(square, (P - 1) // 2, P) == 1


def derive(program, owner, session_id):
    """The session's address: the first bump, from 255 down, whose hash is off the curve."""
    for bump in range(255, -1, -1):
        seeds = b"session" + owner + session_id.encode() + bytes([bump])
        address = hashlib.sha256(seeds + program + b"ProgramDerivedAddress").digest()
        if not on_curve(address):
            return address
    raise AssertionError("no address")


def records(name):
    return json.loads((FOLDER / f"{name}.json").read_text())["Records"]


def verdict(body):
    """What the handler has to say of a body, in the words of its reason codes."""
    try:
        message = json.loads(body)
        event = message["event"]
        owner, program, pda = (decode(event[key]) for key in ("owner", "expected_owner", "expected_pda"))
    except (ValueError, KeyError):
        return "bad_body"
    if message["version"] != 1:
        return "bad_body"
    if not any(pda):
        return "no account"
    if len(event["session_id"].encode()) > 32:
        return "session_id_too_long"
    if derive(program, owner, event["session_id"]) != pda:
        return "address_mismatch"
    if event["expected_size"] > 10_240:
        return "size_over_limit"
    if event["expected_owner"] != "Sess1on111111111111111111111111111111111111":
        return "owner_program_not_allowed"
    return "account"


class Events(unittest.TestCase):
    def verdicts(self, name):
        return [verdict(record["body"]) for record in records(name)]

    def test_good(self):
        self.assertEqual(self.verdicts("good"), ["account"] * 3)

    def test_mixed(self):
        self.assertEqual(self.verdicts("mixed"), ["account", "no account", "account", "bad_body", "size_over_limit"])

    def test_poisoned(self):
        expected = ["bad_body", "bad_body", "address_mismatch", "session_id_too_long", "size_over_limit"]
        expected += ["owner_program_not_allowed", "bad_body", "bad_body", "bad_body"]
        self.assertEqual(self.verdicts("poisoned"), expected)

    def test_reason_codes_are_the_engines(self):
        source = (ROOT / "crates/engine/src/request/rejection.rs").read_text()
        for code in {*self.verdicts("poisoned")} - {"bad_body"}:
            self.assertIn(f'"{code}"', source)

    def test_the_envelope_is_that_of_sqs(self):
        seen = set()
        for record in (record for name in ("good", "mixed", "poisoned") for record in records(name)):
            self.assertEqual(record["md5OfBody"], hashlib.md5(record["body"].encode()).hexdigest())
            self.assertEqual(record["eventSource"], "aws:sqs")
            self.assertRegex(record["messageId"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            self.assertNotIn(record["messageId"], seen)
            seen.add(record["messageId"])
            self.assertTrue(record["receiptHandle"])
            self.assertGreaterEqual(int(record["attributes"]["ApproximateReceiveCount"]), 1)
            self.assertTrue(re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};", record["attributes"]["AWSTraceHeader"]))
            for attribute in record["messageAttributes"].values():
                self.assertEqual(attribute["dataType"], "String")

    def test_attributes_say_what_the_body_says(self):
        for record in records("good"):
            message = json.loads(record["body"])
            values = {name: attribute["stringValue"] for name, attribute in record["messageAttributes"].items()}
            expected = {"event_type": "PDAComputedEvent", "pda": message["event"]["expected_pda"], "slot": str(message["source"]["slot"])}
            self.assertEqual(values, expected)
