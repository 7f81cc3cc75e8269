# Session Builder as a Nix flake: three packages, a shell to develop in, and the checks that need no network.
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
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
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

          # One build of the dependencies serves every package and check.
          dependencies = craneLib.buildDepsOnly shared;

          package = name: cargoPackage: description: craneLib.buildPackage (shared // {
            pname = name;
            cargoArtifacts = dependencies;
            cargoExtraArgs = "--locked --package ${cargoPackage} --bin ${name}";
            # The tests start servers and chains of their own; they run in continuous integration.
            doCheck = false;
            meta = {
              inherit description;
              mainProgram = name;
              license = lib.licenses.asl20;
            };
          });
        in
        {
          inherit pkgs toolchain craneLib shared dependencies;
          packages = rec {
            session-builder = package "session-builder" "session-builder" "The whole service in one process";
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
          cargoArtifacts = dependencies;
          cargoClippyExtraArgs = "--workspace --all-targets -- --deny warnings";
        });
      });

      devShells = forEachSystem ({ pkgs, toolchain, shared, ... }: {
        default = pkgs.mkShell {
          packages = [ toolchain ] ++ shared.nativeBuildInputs ++ (with pkgs; [
            awscli2
            aws-sam-cli
            cargo-lambda
            prometheus.cli
            python3
          ]);
        };
      });
    };
}
