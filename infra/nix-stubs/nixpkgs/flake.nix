# Stands in for nixpkgs where the flake is checked without a network; see default.nix.
{
  outputs = { self }: {
    lib.genAttrs = names: value: builtins.listToAttrs (map (name: { inherit name; value = value name; }) names);
  };
}
