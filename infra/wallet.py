"""The wallet behind an Ed25519 KMS key: its address, and moving all that it holds to another one.

    python3 infra/wallet.py address KEY
    python3 infra/wallet.py empty KEY DESTINATION RPC_URL

KEY is the key's ARN. Calls KMS by the command `aws`, whose user needs kms:GetPublicKey, and kms:Sign to empty it.
"""

import base64
import json
import subprocess
import sys
import tempfile
import time
import urllib.request

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# SubjectPublicKeyInfo of an Ed25519 key: this, then the 32 bytes (RFC 8410).
PREFIX = bytes.fromhex("302a300506032b6570032100")
SYSTEM_PROGRAM = bytes(32)
TRANSFER = (2).to_bytes(4, "little")
# A transaction with one signature and no priority fee costs this.
FEE_LAMPORTS = 5_000
# After 150 slots a transaction that has not landed never will.
LANDING_SECONDS = 90


def base58(data):
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    zeros = len(data) - len(data.lstrip(b"\0"))
    return ALPHABET[0] * zeros + text


def public_key(address):
    """The 32 bytes behind an address."""
    number = 0
    for letter in address:
        if letter not in ALPHABET:
            sys.exit(f"{address} is no address: {letter!r} is not base58")
        number = number * 58 + ALPHABET.index(letter)
    key = number.to_bytes(max(32, (number.bit_length() + 7) // 8), "big")
    if base58(key) != address:
        sys.exit(f"{address} is no address of 32 bytes")
    return key


def kms(operation, query, *options):
    """What KMS answers, decoded."""
    command = ["aws", "kms", operation, "--query", query, "--output", "text", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"aws kms {operation} failed")
    return base64.b64decode(done.stdout)


def key_of_wallet(key):
    der = kms("get-public-key", "PublicKey", "--key-id", key)
    if len(der) != 44 or not der.startswith(PREFIX):
        sys.exit(f"{key} is no Ed25519 key (ECC_NIST_EDWARDS25519)")
    return der[len(PREFIX) :]


def sign(key, message):
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        algorithm = ["--message-type", "RAW", "--signing-algorithm", "ED25519_SHA_512"]
        return kms("sign", "Signature", "--key-id", key, "--message", f"fileb://{file.name}", *algorithm)


def rpc(url, method, *parameters):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if "error" in answer:
        sys.exit(f"{method}: {answer['error']['message']}")
    return answer["result"]


def transfer(source, destination, lamports, blockhash):
    """The message of a legacy transaction: source pays and signs, the system program moves."""
    accounts = source + destination + SYSTEM_PROGRAM
    data = TRANSFER + lamports.to_bytes(8, "little")
    instruction = bytes([2, 2, 0, 1, len(data)]) + data
    return bytes([1, 0, 1, 3]) + accounts + blockhash + bytes([1]) + instruction


def landed(url, signature):
    for _ in range(LANDING_SECONDS):
        (status,) = rpc(url, "getSignatureStatuses", [signature])["value"]
        if status and status["confirmationStatus"] in ("confirmed", "finalized"):
            return status["err"] is None
        time.sleep(1)
    return False


def empty(key, destination, url):
    source = key_of_wallet(key)
    target = public_key(destination)
    if target == source:
        sys.exit("that is the wallet itself")
    lamports = rpc(url, "getBalance", base58(source), {"commitment": "confirmed"})["value"] - FEE_LAMPORTS
    if lamports <= 0:
        sys.exit(f"{base58(source)} holds nothing that could be moved")
    blockhash = rpc(url, "getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
    message = transfer(source, target, lamports, public_key(blockhash))
    transaction = bytes([1]) + sign(key, message) + message
    options = {"encoding": "base64", "preflightCommitment": "confirmed"}
    signature = rpc(url, "sendTransaction", base64.b64encode(transaction).decode(), options)
    if not landed(url, signature):
        sys.exit(f"{signature} was sent and is not confirmed; look at it before trying again")
    print(f"{lamports} lamports are with {destination}: {signature}")


def main(arguments):
    match arguments:
        case ["address", key]:
            print(base58(key_of_wallet(key)))
        case ["empty", key, destination, url]:
            empty(key, destination, url)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
