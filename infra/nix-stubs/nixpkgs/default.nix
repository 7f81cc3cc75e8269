# Just enough of nixpkgs for every output of the flake to be evaluated; a name that is not here fails the check.
{ system, overlays, ... }:
let
  tool = name: derivation { inherit name system; builder = "/bin/sh"; };
  named = names: builtins.listToAttrs (map (name: { inherit name; value = tool name; }) names);
  pkgs = named [ "awscli2" "aws-sam-cli" "cargo-lambda" "cmake" "just" "perl" "pkg-config" "python3" "unzip" ] // {
    inherit system;
    lib = {
      fileset = {
        unions = paths: paths;
        toSource = { root, fileset }: assert builtins.all builtins.pathExists fileset; root;
      };
      licenses.asl20 = { spdxId = "Apache-2.0"; };
    };
    mkShell = { packages, ... }@given: derivation (given // { name = "shell"; inherit system packages; builder = "/bin/sh"; });
    stdenvNoCC.mkDerivation = { pname, version, src, nativeBuildInputs, unpackPhase, installPhase, dontFixup }: derivation {
      name = "${pname}-${version}";
      inherit system src nativeBuildInputs unpackPhase installPhase;
      builder = "/bin/sh";
    };
    fetchPypi = { pname, version, format, dist, python, platform, hash }: derivation {
      name = "${pname}-${version}-${python}-none-${platform}.whl";
      inherit system hash;
      builder = "/bin/sh";
    };
    prometheus.cli = tool "promtool";
  };
in
builtins.foldl' (pkgs: overlay: pkgs // overlay pkgs pkgs) pkgs overlays
