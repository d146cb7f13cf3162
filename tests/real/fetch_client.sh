#!/bin/sh
# Fetches the pinned Claude Code client for the tests in this folder, and prints where it is.
#
#   fetch_client.sh           install it if it is not there; print the path of the binary
#   fetch_client.sh --where   print that path if the client is there, else exit 3; install nothing
#
# It goes to ${CCS_CLIENT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ccs-client}/VERSION, never into the
# checkout: the package is proprietary and 360 MB. That directory appears by one rename of a tree
# that has already answered --version, so an interrupted install is never taken for a good one.
set -eu

version=2.1.329
umask 022

fail() {
    echo "fetch_client.sh: $1" >&2
    exit 1
}

answers() { # BINARY: is it the pinned client? Its own HOME, so that it never sees ~/.claude.
    [ -x "$1" ] && case $(HOME=/nonexistent DISABLE_AUTOUPDATER=1 "$1" --version 2>&1) in
    "$version "*) ;;
    *) false ;;
    esac
}

if [ -n "${CCS_CLIENT_CACHE:-}" ]; then
    cache=$CCS_CLIENT_CACHE
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
    cache=$XDG_CACHE_HOME/ccs-client
else
    [ -n "${HOME:-}" ] || fail "neither CCS_CLIENT_CACHE nor HOME is set"
    cache=$HOME/.cache/ccs-client
fi
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
target=$cache/$version
binary=$target/claude

if answers "$binary" 2>/dev/null; then
    echo "$binary"
    exit 0
fi
[ "${1:-}" != --where ] || exit 3

# The native package is the binary itself; the wrapper picks the right one by an install script.
case $(uname -s)-$(uname -m) in
Linux-x86_64) package=@anthropic-ai/claude-code-linux-x64 inside=claude scripts=--ignore-scripts ;;
*) package=@anthropic-ai/claude-code inside=bin/claude.exe scripts=--ignore-scripts=false ;;
esac
for musl in /lib/ld-musl-*; do # the linux-x64 package is built for glibc
    [ ! -e "$musl" ] ||
        package=@anthropic-ai/claude-code inside=bin/claude.exe scripts=--ignore-scripts=false
done

command -v npm >/dev/null 2>&1 || fail "npm is missing; it is needed once, to install $package"
mkdir -p "$cache" 2>/dev/null || fail "cannot create $cache"
find "$cache" -maxdepth 1 -name '.install.*' -mmin +60 -exec rm -rf {} + 2>/dev/null || :
work=$(mktemp -d "$cache/.install.XXXXXX" 2>/dev/null) || fail "cannot write in $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir "$work/tree"
cd "$work/tree"
npm install --prefix "$work/tree" "$scripts" --no-save --no-package-lock --no-audit --no-fund \
    --loglevel=error "$package@$version" >"$work/log" 2>&1 </dev/null ||
    fail "npm could not install $package@$version: $(
        grep -m 1 -E '^npm (error|ERR!) [^c]' "$work/log" || tail -n 1 "$work/log"
    )"
ln -s "node_modules/$package/$inside" claude
answers "$work/tree/claude" || fail "the installed $package does not answer --version with $version"

cd "$cache"
if ! answers "$binary" 2>/dev/null; then # another install may have won the race
    rm -rf "$target"
    mv "$work/tree" "$target" || fail "cannot move the client to $target"
    rm -rf "$target/tree" # it won just now, and mv put this one inside it
fi
echo "$binary"
