# Stands in for crane: each function gives a derivation that depends on what it was given.
{
  outputs = { self }: {
    mkLib = pkgs: {
      overrideToolchain = toolchain:
        let
          built = name: { src, pname, version, nativeBuildInputs ? [ ], cargoArtifacts ? null, ... }: derivation {
            inherit name version toolchain nativeBuildInputs cargoArtifacts;
            inherit (pkgs) system;
            source = toString src;
            builder = "/bin/sh";
          };
        in
        {
          buildDepsOnly = args: built "dependencies" args // { inherit (args) cargoExtraArgs; };
          buildPackage = args: built args.pname args // { inherit (args) meta cargoExtraArgs; };
          cargoFmt = built "format";
          cargoClippy = built "lints";
        };
    };
  };
}
