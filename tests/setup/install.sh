# Installs what the tests need and is missing. Sourced by tests/run; quick when nothing is missing.

install_debian_packages() { # COMMAND=PACKAGE...
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "Install these first (names of Debian packages; only root can do it from here): ${missing[*]}" >&2
    return 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

install_rust_components() {
  cargo clippy --version || rustup component add clippy
  cargo fmt --version || rustup component add rustfmt
}

install_npm_packages() { # DIRECTORY...
  local directory
  for directory in "$@"; do
    # npm ci would delete and download everything each time.
    if ! cmp -s "$directory/package-lock.json" "$directory/node_modules/.installed-from"; then
      (cd "$directory" && npm ci --no-audit)
      cp "$directory/package-lock.json" "$directory/node_modules/.installed-from"
    fi
  done
}

# The editor's own packages, which `npm ci` in tests/vscode does not install.
install_code_server() {
  is_node_20 || return 0
  local mark=tests/vscode/node_modules/.code-server-installed
  [ -e "$mark" ] || { (cd tests/vscode && npm run setup) && touch "$mark"; }
}

is_node_20() {
  [[ $(node --version) == v20.* ]]
}

CARGO_DENY=0.20.2
install_cargo_deny() {
  [ "$(cargo deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ] && return
  # Not optimised: it runs for a second, and compiles in one minute instead of three.
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    cargo install --quiet --locked "cargo-deny@$CARGO_DENY"
}
