# Session Builder as a Nix flake: packages, a shell to develop in, and the checks that need no network.
#
# What was tried: infra/check parses this file and evaluates every output on stand-ins for its inputs, which know exactly
# the names that are used here (infra/nix-stubs). Nothing has evaluated or built it against the nixpkgs that flake.lock
# names; if an attribute is called something else there, `nix flake check` says so at once.
{
  description = "Creates and verifies the session accounts that Valence Protocol's session_factory asks for";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    crane.url = "github:ipetkov/crane";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = { self, nixpkgs, crane, rust-overlay }:
    let
      # nixpkgs-unstable has dropped x86_64-darwin.
      systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
      manifest = builtins.fromTOML (builtins.readFile ./Cargo.toml);

      forEachSystem = describe: nixpkgs.lib.genAttrs systems (system:
        describe (parts (import nixpkgs {
          inherit system;
          overlays = [ rust-overlay.overlays.default ];
        })));

      # Everything that a system's outputs are made of.
      parts = pkgs:
        let
          inherit (pkgs) lib;
          toolchain = pkgs.rust-bin.stable."${manifest.workspace.package.rust-version}.0".default.override {
            extensions = [ "rust-src" "rust-analyzer" ];
            # `cargo lambda build` compiles for Lambda's two architectures, whatever this machine's is.
            targets = [ "aarch64-unknown-linux-gnu" "x86_64-unknown-linux-gnu" ];
          };
          craneLib = (crane.mkLib pkgs).overrideToolchain toolchain;

          # Only what the build reads, so that a changed document rebuilds nothing.
          source = lib.fileset.toSource {
            root = ./.;
            fileset = lib.fileset.unions [
              ./Cargo.toml
              ./Cargo.lock
              ./clippy.toml
              ./rustfmt.toml
              ./config.toml
              ./benches
              ./crates
              ./functions
              ./listener
              ./local
              ./programs
              ./tests
            ];
          };

          shared = {
            src = source;
            pname = "session-builder";
            version = manifest.workspace.package.version;
            strictDeps = true;
            # Vendored OpenSSL and aws-lc are built by perl and cmake.
            nativeBuildInputs = [ pkgs.cmake pkgs.perl pkgs.pkg-config ];
            # cmake is for the crates that call it, and must not take over the configure phase.
            dontUseCmakeConfigure = true;
          };

          # The embedded chain of the demo is a thousand crates that no deployment needs: what is shipped is built without
          # them, the demo and the lints with.
          shipped = "--locked --package session-builder --package session-listener --package create-accounts --no-default-features";
          dependencies = {
            shipped = craneLib.buildDepsOnly (shared // { cargoExtraArgs = shipped; });
            everything = craneLib.buildDepsOnly (shared // { cargoExtraArgs = "--locked --workspace"; });
          };

          package = name: cargoPackage: description: craneLib.buildPackage (shared // {
            pname = name;
            cargoArtifacts = dependencies.shipped;
            cargoExtraArgs = "--locked --package ${cargoPackage} --bin ${name} --no-default-features";
            # The tests start servers and chains of their own; they run in continuous integration.
            doCheck = false;
            meta = {
              inherit description;
              mainProgram = name;
              license = lib.licenses.asl20;
            };
          });

          # The linker for Lambda's other architecture. Today's Rust needs a newer Zig than nixpkgs' cargo-lambda brings along;
          # this is the one that tests/tools/install installs, from the same package.
          zig =
            let
              version = "0.17.1";
              wheels = {
                x86_64-linux = {
                  platform = "manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64";
                  hash = "sha256-6mzF2HsDPPCu37yPlUmpCMrmxQrDHxaYGI+kinRSS1Q=";
                };
                aarch64-linux = {
                  platform = "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64";
                  hash = "sha256-t8XwL8zUD4m5me4WofXdztVuYYI3D4r/5JS8+KKM8H4=";
                };
                aarch64-darwin = {
                  platform = "macosx_13_0_arm64";
                  hash = "sha256-CZU7avf2QWi5FRgKQndPUg+S2G72Mxso4zkVx+HwuyM=";
                };
              };
            in
            pkgs.stdenvNoCC.mkDerivation {
              pname = "zig";
              inherit version;
              src = pkgs.fetchPypi ({
                pname = "ziglang";
                inherit version;
                format = "wheel";
                dist = "py3";
                python = "py3";
              } // wheels.${pkgs.system});
              nativeBuildInputs = [ pkgs.unzip ];
              unpackPhase = "unzip -q $src";
              installPhase = "mkdir -p $out/bin && cp -r ziglang $out/lib && chmod +x $out/lib/zig && ln -s $out/lib/zig $out/bin/zig";
              dontFixup = true;
            };
        in
        {
          inherit pkgs toolchain craneLib shared dependencies zig;
          packages = rec {
            session-builder = package "session-builder" "session-builder" "The whole service in one process, on any RPC";
            listener = package "listener" "session-listener" "From the chain to the queue";
            create-accounts = package "create-accounts" "create-accounts" "The function that creates and verifies accounts";
            default = session-builder;
          };
        };
    in
    {
      packages = forEachSystem (parts: parts.packages);

      # `nix run .#session-builder -- --config config.toml --enable-metrics --metrics-port 3001`
      apps = forEachSystem (parts: builtins.mapAttrs
        (name: package: {
          type = "app";
          program = "${package}/bin/${package.meta.mainProgram}";
          meta.description = package.meta.description;
        })
        parts.packages);

      checks = forEachSystem ({ craneLib, shared, dependencies, packages, ... }: {
        inherit (packages) session-builder listener create-accounts;
        format = craneLib.cargoFmt { inherit (shared) src pname version; };
        lints = craneLib.cargoClippy (shared // {
          cargoArtifacts = dependencies.everything;
          cargoClippyExtraArgs = "--workspace --all-targets -- --deny warnings";
        });
      });

      devShells = forEachSystem ({ pkgs, toolchain, shared, zig, ... }: {
        default = pkgs.mkShell {
          # Asked before any Zig that cargo-lambda brings along.
          CARGO_ZIGBUILD_ZIG_PATH = "${zig}/bin/zig";
          packages = [ toolchain zig ] ++ shared.nativeBuildInputs ++ (with pkgs; [
            awscli2
            aws-sam-cli
            cargo-lambda
            just
            prometheus.cli
            python3
          ]);
        };
      });
    };
}
