"""A real validator of this machine with the project's programs at their usual addresses, and the factory initialised."""

import re
import time

import smoke
from rehearsal.machine import ROOT, TOOLS, Process, free_ports, until
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

LAMPORTS_A_SOL = 1_000_000_000


def address_in(path, constant):
    """A program's address, from where the code has it."""
    return re.search(rf'{constant}: \w+ = \w+::from_str_const\("(\w+)"\)', (ROOT / path).read_text())[1]


def addresses():
    """The factory's and the session program's."""
    sources = sorted((ROOT / "crates/events/src").rglob("*.rs"))
    found = {}
    for constant in ("SESSION_FACTORY_ID", "SESSION_PROGRAM_ID"):
        for path in sources:
            if f"const {constant}:" in path.read_text():
                found[constant] = address_in(path, constant)
    return found["SESSION_FACTORY_ID"], found["SESSION_PROGRAM_ID"]


class Ended(Exception):
    """The validator is no more."""


class Validator:
    """The chain."""

    def __init__(self, folder):
        self.factory, self.session_program = addresses()
        # Another process may take a port between its choice and its use.
        for attempt in range(3):
            self.start(folder / f"chain-{attempt}")
            try:
                until("the validator", 180, self.is_up)
                break
            except Ended as ended:
                print(ended)
        else:
            raise AssertionError("the validator ended three times")
        self.initialize()

    def start(self, folder):
        folder.mkdir()
        self.ledger = folder / "ledger"
        self.port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.rpc = smoke.Chain(self.url)
        deploy = ROOT / "programs/deploy"
        command = [TOOLS / "bin/solana-test-validator", "--quiet", "--bind-address", "127.0.0.1"]
        command += ["--rpc-port", self.port, "--faucet-port", free_ports(1), "--ledger", self.ledger]
        command += ["--bpf-program", self.factory, deploy / "session_factory.so"]
        command += ["--bpf-program", self.session_program, deploy / "session.so"]
        self.process = Process(command, folder / "output")

    def is_up(self):
        if self.process.child.poll() is not None:
            log = self.ledger / "validator.log"
            raise Ended(f"the validator ended: {self.process.text()}{log.read_text()[-1500:] if log.exists() else ''}")
        try:
            return self.rpc.ask("getSlot") > 1
        except smoke.Broken:
            return False

    def funded(self, key, sol):
        """Gives a key some SOL from the faucet."""
        self.rpc.ask("requestAirdrop", str(key), sol * LAMPORTS_A_SOL)
        until("the faucet", 30, lambda: self.rpc.balance(key) > 0)

    def initialize(self):
        authority = Keypair()
        self.funded(authority.pubkey(), 10)
        factory = Pubkey.from_string(self.factory)
        state, _ = Pubkey.find_program_address([b"session_factory"], factory)
        accounts = [
            AccountMeta(state, is_signer=False, is_writable=True),
            AccountMeta(authority.pubkey(), is_signer=True, is_writable=True),
            AccountMeta(smoke.SYSTEM_PROGRAM, is_signer=False, is_writable=False),
        ]
        instruction = Instruction(factory, smoke.discriminator("initialize"), accounts)
        self.rpc.landed(self.rpc.send(instruction, authority), time.monotonic() + 30)

    def stop(self):
        self.process.stop()
