"""wallet.py as it is run: `aws` is answered with a key made here, the RPC by a server that takes a transfer for that key."""

import base64
import contextlib
import http.server
import io
import json
import sys
import threading
import unittest
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.template import INFRA

sys.path.insert(0, str(INFRA))
import wallet  # noqa: E402 (it is a program beside the tests, not of their package)

KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DESTINATION = "Session111111111111111111111111111111111111"
BALANCE = 1_000_000_000


def der(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Aws:
    """The command `aws`, for a key of ours: nothing that stands in for KMS has Ed25519 keys."""

    def __init__(self, key):
        self.key = key

    def __call__(self, command, **_):
        options = dict(zip(command[3::2], command[4::2]))
        assert command[:2] == ["aws", "kms"] and options["--key-id"] == "arn:key", command
        if command[2] == "get-public-key":
            answer = der(self.key)
        else:
            assert options["--message-type"] == "RAW" and options["--signing-algorithm"] == "ED25519_SHA_512", command
            with open(options["--message"].removeprefix("fileb://"), "rb") as message:
                answer = self.key.sign(message.read())
        return mock.Mock(returncode=0, stdout=base64.b64encode(answer).decode())


class Rpc(http.server.BaseHTTPRequestHandler):
    """Answers what is asked of a chain, and keeps what was sent."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": self.answer(asked["method"], asked["params"])}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, method, parameters):
        if method == "sendTransaction":
            self.server.sent.append(base64.b64decode(parameters[0]))
            return "signature"
        values = {
            "getBalance": self.server.balance,
            "getLatestBlockhash": {"blockhash": wallet.base58(bytes([7]) * 32)},
            "getSignatureStatuses": [{"confirmationStatus": "confirmed", "err": self.server.error}],
        }
        return {"value": values[method]}

    def log_message(self, *_):
        pass


class Wallet(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rpc)
        self.server.balance, self.server.error, self.server.sent = BALANCE, None, []
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def run_it(self, *arguments, key=KEY):
        with mock.patch.object(wallet.subprocess, "run", Aws(key)), contextlib.redirect_stdout(io.StringIO()) as out:
            wallet.main(list(arguments))
        return out.getvalue()

    def refused(self, *arguments, **more):
        with self.assertRaises(SystemExit) as refusal:
            self.run_it(*arguments, **more)
        self.assertEqual(self.server.sent, [])
        return str(refusal.exception)

    def test_address(self):
        raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.assertEqual(self.run_it("address", "arn:key"), wallet.base58(raw) + "\n")
        self.assertEqual(wallet.public_key(wallet.base58(raw)), raw)
        self.assertIn("arn:key is no Ed25519 key", self.refused("address", "arn:key", key=ec.generate_private_key(ec.SECP256R1())))

    def test_empty_moves_all_but_the_fee(self):
        said = self.run_it("empty", "arn:key", DESTINATION, self.url)
        (transaction,) = self.server.sent
        signature, message = transaction[1:65], transaction[65:]
        self.assertEqual(transaction[0], 1)
        KEY.public_key().verify(signature, message)
        source = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        accounts = source + wallet.public_key(DESTINATION) + bytes(32)
        lamports = BALANCE - 5_000
        # Header, accounts, blockhash, and one instruction: the system program's second, from the first account to the second.
        expected = b"\x01\x00\x01\x03" + accounts + bytes([7]) * 32
        expected += b"\x01\x02\x02\x00\x01\x0c" + b"\x02\x00\x00\x00" + lamports.to_bytes(8, "little")
        self.assertEqual(message, expected)
        self.assertIn(f"{lamports} lamports are with {DESTINATION}", said)

    def test_empty_refuses_what_cannot_be_meant(self):
        own = wallet.base58(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        self.assertIn("the wallet itself", self.refused("empty", "arn:key", own, self.url))
        self.assertIn("'0' is not base58", self.refused("empty", "arn:key", "0", self.url))
        self.assertIn("no address of 32 bytes", self.refused("empty", "arn:key", "Session", self.url))
        self.server.balance = 5_000
        self.assertIn("nothing that could be moved", self.refused("empty", "arn:key", DESTINATION, self.url))

    def test_empty_does_not_take_a_failed_transaction_for_done(self):
        self.server.error = {"InstructionError": [0, "Custom"]}
        with self.assertRaisesRegex(SystemExit, "signature was sent and is not confirmed"):
            self.run_it("empty", "arn:key", DESTINATION, self.url)
