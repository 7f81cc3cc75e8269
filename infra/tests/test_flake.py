"""The flake without a network: it parses, its lock fits it, and every output evaluates on stand-ins for its inputs."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from tests.template import INFRA, ROOT

TOOLS = Path(os.environ["INFRA_TOOLS"])
INPUTS = ("nixpkgs", "crane", "rust-overlay")
SYSTEMS = ("x86_64-linux", "aarch64-linux", "aarch64-darwin")
PACKAGES = ("session-builder", "listener", "create-accounts")
# Everything that the flake reads or names as a source.
SOURCES = "flake.nix flake.lock Cargo.toml Cargo.lock clippy.toml rustfmt.toml config.toml".split()
FOLDERS = "benches crates functions listener local programs tests".split()


class Flake(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = Path(cls.folder.name)
        cls.flake = cls.work / "flake"
        cls.flake.mkdir()
        for name in SOURCES:
            shutil.copy(ROOT / name, cls.flake / name)
        for name in FOLDERS:
            # Evaluation asks whether a source is there and does not read it.
            assert (ROOT / name).is_dir(), name
            (cls.flake / name).mkdir()
            (cls.flake / name / "kept").touch()
        (cls.work / "nix.conf").write_text("build-users-group =\n")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def nix(self, program, *arguments):
        places = {f"NIX_{kind}_DIR": str(self.work / kind.lower()) for kind in ("STORE", "STATE", "LOG")}
        libraries = [*TOOLS.glob("usr/lib/nix"), *TOOLS.glob("usr/lib/*-linux-gnu"), *TOOLS.glob("lib/*-linux-gnu")]
        environment = {
            **os.environ,
            **places,
            "NIX_CONF_DIR": str(self.work),
            "HOME": str(self.work),
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        }
        environment.pop("XDG_CACHE_HOME", None)
        command = [TOOLS / "usr/bin" / program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def on_stand_ins(self, *arguments):
        overrides = [part for name in INPUTS for part in ("--override-input", name, f"path:{INFRA}/nix-stubs/{name}")]
        features = ["--extra-experimental-features", "nix-command flakes"]
        return self.nix("nix", *features, *arguments, "--offline", "--no-write-lock-file", *overrides)

    def eval(self, attribute):
        return json.loads(self.on_stand_ins("eval", "--json", f"path:{self.flake}#{attribute}"))

    def test_parses(self):
        self.nix("nix-instantiate", "--parse", str(self.flake / "flake.nix"))

    def test_every_output_evaluates(self):
        self.on_stand_ins("flake", "check", "--no-build", f"path:{self.flake}")

    def test_packages_apps_checks_and_shell_on_every_system(self):
        outputs = json.loads(self.on_stand_ins("flake", "show", "--json", f"path:{self.flake}"))
        for system in SYSTEMS:
            self.assertCountEqual(outputs["packages"][system], [*PACKAGES, "default"])
            self.assertCountEqual(outputs["apps"][system], [*PACKAGES, "default"])
            self.assertCountEqual(outputs["checks"][system], [*PACKAGES, "format", "lints"])
            self.assertIn("default", outputs["devShells"][system])

    def test_nix_run_starts_the_binary_of_that_name(self):
        for name in (*PACKAGES, "default"):
            program = self.eval(f"apps.x86_64-linux.{name}.program")
            self.assertTrue(program.endswith("/bin/" + name.replace("default", "session-builder")), program)

    def test_packages_are_of_the_workspace(self):
        for name in PACKAGES:
            arguments = self.eval(f"packages.x86_64-linux.{name}.cargoExtraArgs").split()
            package = arguments[arguments.index("--package") + 1]
            paths = [*ROOT.glob("*/Cargo.toml"), *ROOT.glob("functions/*/Cargo.toml")]
            manifests = [tomllib.loads(path.read_text()) for path in paths]
            (manifest,) = (one for one in manifests if one.get("package", {}).get("name") == package)
            self.assertIn(name, [binary["name"] for binary in manifest["bin"]])

    def test_the_shell_compiles_for_both_of_lambdas_architectures(self):
        shell = f"path:{self.flake}#devShells.x86_64-linux.default"
        targets = json.loads(self.on_stand_ins("eval", "--json", shell, "--apply", "shell: (builtins.head shell.packages).targets"))
        self.assertCountEqual(targets, ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"])

    def test_its_zig_is_the_one_that_the_tools_have(self):
        shell = f"path:{self.flake}#devShells.x86_64-linux.default"
        zig = json.loads(self.on_stand_ins("eval", "--json", shell, "--apply", "shell: (builtins.elemAt shell.packages 1).name"))
        tools = (ROOT / "tests/tools/install").read_text()
        self.assertEqual(zig, "zig-" + re.search(r"ziglang==([\d.]+)", tools)[1])
        self.assertIn("/bin/zig", self.eval("devShells.x86_64-linux.default.CARGO_ZIGBUILD_ZIG_PATH"))

    def test_what_is_shipped_is_built_without_the_demo(self):
        for name in PACKAGES:
            self.assertIn("--no-default-features", self.eval(f"packages.x86_64-linux.{name}.cargoExtraArgs"))

    def test_sources_are_those_of_the_flake(self):
        text = (ROOT / "flake.nix").read_text()
        for name in SOURCES[2:] + FOLDERS:
            self.assertIn(f" ./{name}\n", text)


class Lock(unittest.TestCase):
    def test_pins_exactly_the_inputs(self):
        lock = json.loads((ROOT / "flake.lock").read_text())
        self.assertCountEqual(lock["nodes"], [*INPUTS, "root"])
        self.assertEqual(lock["nodes"]["root"]["inputs"], {name: name for name in INPUTS})
        for name in INPUTS:
            locked = lock["nodes"][name]["locked"]
            self.assertRegex(locked["rev"], r"^[0-9a-f]{40}$")
            self.assertRegex(locked["narHash"], r"^sha256-.{43}=$")
            self.assertTrue(f"github:{locked['owner']}/{locked['repo']}" in (ROOT / "flake.nix").read_text(), name)
