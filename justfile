# What is done every day. `just` alone lists it.

tools := env("SESSION_BUILDER_TOOLS", env("HOME") / ".cache/session-builder/tools")

# List the commands.
default:
    @just --list

# Watch accounts being created and verified on an embedded chain.
demo *arguments:
    cargo run -- {{ arguments }}

# Compile everything, tests included.
check:
    cargo check --workspace --all-targets --locked

# Format and lint as CI does.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Licences, advisories and origins of all dependencies (`cargo install --locked cargo-deny`).
deny:
    cargo deny check

# All tests, or those of one package: `just test -p session-engine`.
test *arguments="--workspace":
    tests/tools/install
    cargo test --locked {{ arguments }}

# The template, workflows, flake and alerts; or the checks whose name contains a word.
infra *names:
    infra/check {{ names }}

# The template's settings with the real binaries, on stand-ins for AWS.
rehearse *names:
    cargo build --workspace --locked
    infra/rehearse {{ names }}

# What a release has, as far as this compiler has the targets.
release folder="target/release-artifacts":
    tests/release build {{ folder }}

# Everything that a change has to pass.
ci:
    .ci/run
